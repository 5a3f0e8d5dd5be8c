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
        usual = columns == WIDTH && !to.wide && !to.turned;
        if (!to.bias) return;
        int left = int(least(columns, 16));
        first = load(to.bias + column, left);
        second = load(to.bias + column + 16, int(columns) - left);
    }
    inline void write(int64_t count) {
        int64_t end = least(next + count, rows);
        if (!usual) return write_unusual(end);
        bf16* there = (bf16*)to.data + (row + next) * to.apart + column;
        for (; next < end; next++, there += to.apart) {
            const float* at = sums_of(next);
            Lane one = load(at) * to.scale + first, two = load(at + 256) * to.scale + second;
            if (to.add) one += load(there), two += load(there + 16);
            store_both(there, one, two);
        }
    }

  private:
    const float* sums_of(int64_t i) const { return sums + (i / 16) * 512 + (i % 16) * 16; }
    __attribute__((noinline)) void write_unusual(int64_t end) {
        for (; next < end; next++)
            if (to.turned) to.wide ? write_column<float>() : write_column<bf16>();
            else to.wide ? write_row<float>() : write_row<bf16>();
    }
    template <class Number>
    void write_row() const {
        const float* at = sums_of(next);
        Number* there = (Number*)to.data + (row + next) * to.apart + column;
        Lane one = load(at) * to.scale + first, two = load(at + 256) * to.scale + second;
        int left = int(least(columns, 16)), right = int(columns) - left;
        if (to.add) one += load(there, left), two += load(there + 16, right);
        store(there, one, left);
        store(there + 16, two, right);
    }
    template <class Number>
    void write_column() const {
        for (int64_t j = 0; j < columns; j++) {
            Number* there = (Number*)to.data + (column + j) * to.apart + row + next;
            float sum = to.scale * sums_of(next)[(j / 16) * 256 + j % 16];
            *there = narrow<Number>(to.add ? sum + widen(*there) : sum);
        }
    }

    Result to;
    float* sums;
    int64_t row = 0, column = 0, next = 0, rows = 0, columns = 0;
    bool usual = false;
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

constexpr int64_t SHALLOW = 24;  // steps of a panel of A that stays in the first-level cache, 48 KiB large

// Panels of B pass by once for every panel of A: loaded as a stream, they leave A's panel in the first-level cache.
// Where that has no room for it, both are streams, but for rows that lie apart (they crowd into few sets of the cache).
// One core, GFLOP/s of plain loads, B as a stream, and both: 1780, 2340, 2010 in 18 steps; 1790, 1820, 2000 in 48; and
// of rows 3,072 bytes apart, in 48 steps: 1760 with B as a stream, 1520 with both.
template <bool tall, bool broad, bool deep>
TUNESMITH_TILES inline void accumulate(const Left& a, const bf16* b, int64_t steps, Pending& pending) {
    const bf16* at = a.tile;
    for (int64_t step = 0; step < steps; step++, at += a.step, b += STEP) {
        _tile_stream_loadd(6, b, 64);
        if (deep) _tile_stream_loadd(4, at, a.row_bytes);
        else _tile_loadd(4, at, a.row_bytes);
        _tile_dpbf16ps(0, 4, 6);
        if (broad) {
            _tile_stream_loadd(7, b + TILE, 64);
            _tile_dpbf16ps(1, 4, 7);
        }
        if (tall) {
            if (deep) _tile_stream_loadd(5, at + a.second, a.row_bytes);
            else _tile_loadd(5, at + a.second, a.row_bytes);
            _tile_dpbf16ps(2, 5, 6);
            if (broad) _tile_dpbf16ps(3, 5, 7);
        }
        pending.write(2);
    }
}

// tall, broad: whether the block has rows, columns beyond its first sixteen.
TUNESMITH_TILES inline void accumulate(const Left& a, const bf16* b, int64_t steps, bool tall, bool broad,
                                       Pending& pending) {
    bool deep = steps > SHALLOW && a.step == STEP;
    if (tall && broad && deep) accumulate<true, true, true>(a, b, steps, pending);
    else if (tall && broad) accumulate<true, true, false>(a, b, steps, pending);
    else if (tall) accumulate<true, false, false>(a, b, steps, pending);
    else if (broad) accumulate<false, true, false>(a, b, steps, pending);
    else accumulate<false, false, false>(a, b, steps, pending);
}

}  // namespace tunesmith

#endif
