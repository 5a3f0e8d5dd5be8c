// A block of C, 32 x 32: summed up in four tiles over the whole depth, and written while the next one is summed up.
#pragma once

#include "panels.h"

#ifdef TUNESMITH_TILES

namespace tunesmith {

constexpr int64_t BLOCK = 4 * 256;  // sums of a block, tile by tile

// Where C goes, and what is done to a sum on its way.
struct Result {
    void* data;
    int64_t apart, rows, columns;
    const bf16* bias;  // or null
    float scale;
    bool wide, add, turned;  // float32 instead of bfloat16; added to what is there; C's transpose is written
};

// Where A's tiles lie: in panels, or in the matrix itself.
struct Left {
    const bf16* tile;
    int64_t row_bytes, second, step;  // numbers to the panel's second tile, and to the next step
};

inline void store_both(float* to, Lane one, Lane two) {
    store(to, one);
    store(to + 16, two);
}

inline void store_both(bf16* to, Lane one, Lane two) {
#ifdef __AVX512BF16__
    _mm512_storeu_si512(to, (__m512i)_mm512_cvtne2ps_pbh((__m512)two, (__m512)one));
#else
    store(to, one);
    store(to + 16, two);
#endif
}

// A block whose sums are known, written a few rows at a time: between the tiles' instructions that is nearly free.
class Pending {
  public:
    Pending(const Result& result, float* room) : to(result), sums(room) {}

    float* room() { return sums; }
    void take(int64_t at_row, int64_t at_column) {
        row = at_row, column = at_column, next = 0;
        rows = least(WIDTH, to.rows - row), columns = least(WIDTH, to.columns - column);
        if (!to.bias) return;
        int left = int(least(columns, 16));
        first = load(to.bias + column, left);
        second = load(to.bias + column + 16, int(columns) - left);
    }
    inline void write(int64_t count) {
        for (int64_t end = least(next + count, rows); next < end; next++)
            if (to.wide) write_row<float>(next);
            else write_row<bf16>(next);
    }

  private:
    template <class Number>
    inline void write_row(int64_t i) {
        const float* at = sums + (i / 16) * 512 + (i % 16) * 16;
        if (to.turned) return write_column<Number>(at, row + i);
        Number* there = (Number*)to.data + (row + i) * to.apart + column;
        Lane one = load(at) * to.scale + first, two = load(at + 256) * to.scale + second;
        if (columns == WIDTH) {
            if (to.add) one += load(there), two += load(there + 16);
            return store_both(there, one, two);
        }
        int left = int(least(columns, 16)), right = int(columns) - left;
        if (to.add) one += load(there, left), two += load(there + 16, right);
        store(there, one, left);
        store(there + 16, two, right);
    }
    template <class Number>
    inline void write_column(const float* at, int64_t i) {
        for (int64_t j = 0; j < columns; j++) {
            Number* there = (Number*)to.data + (column + j) * to.apart + i;
            float sum = to.scale * at[(j / 16) * 256 + j % 16];
            *there = narrow<Number>(to.add ? sum + widen(*there) : sum);
        }
    }

    Result to;
    float* sums;
    int64_t row = 0, column = 0, next = 0, rows = 0, columns = 0;
    Lane first = {}, second = {};
};

TUNESMITH_TILES inline void clear() {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
}

TUNESMITH_TILES inline void resume(const float* sums) {
    _tile_loadd(0, sums, 64);
    _tile_loadd(1, sums + 256, 64);
    _tile_loadd(2, sums + 512, 64);
    _tile_loadd(3, sums + 768, 64);
}

TUNESMITH_TILES inline void keep(float* sums) {
    _tile_stored(0, sums, 64);
    _tile_stored(1, sums + 256, 64);
    _tile_stored(2, sums + 512, 64);
    _tile_stored(3, sums + 768, 64);
}

// Panels of B pass by once for every panel of A: loaded as a stream, they leave A's panel in the first-level cache
// (a third faster at a depth of 576).
template <bool tall, bool broad>
TUNESMITH_TILES inline void accumulate(const Left& a, const bf16* b, int64_t steps, Pending& pending) {
    const bf16* at = a.tile;
    for (int64_t step = 0; step < steps; step++, at += a.step, b += STEP) {
        _tile_stream_loadd(6, b, 64);
        _tile_loadd(4, at, a.row_bytes);
        _tile_dpbf16ps(0, 4, 6);
        if (broad) {
            _tile_stream_loadd(7, b + TILE, 64);
            _tile_dpbf16ps(1, 4, 7);
        }
        if (tall) {
            _tile_loadd(5, at + a.second, a.row_bytes);
            _tile_dpbf16ps(2, 5, 6);
            if (broad) _tile_dpbf16ps(3, 5, 7);
        }
        pending.write(2);
    }
}

// tall, broad: whether the block has rows, columns beyond its first sixteen.
TUNESMITH_TILES inline void accumulate(const Left& a, const bf16* b, int64_t steps, bool tall, bool broad,
                                       Pending& pending) {
    if (tall && broad) accumulate<true, true>(a, b, steps, pending);
    else if (tall) accumulate<true, false>(a, b, steps, pending);
    else if (broad) accumulate<false, true>(a, b, steps, pending);
    else accumulate<false, false>(a, b, steps, pending);
}

}  // namespace tunesmith

#endif
