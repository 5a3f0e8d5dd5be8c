// Operands of a product, laid out as the tiles want them.
//
// A panel is 32 rows of A, or 32 columns of B, over the whole depth of the product: for each step of 32 in depth, two
// tiles of 16 rows (columns), 1 KiB each. A tile of A is 16 rows of 32 numbers. A tile of B is 16 pairs in depth, each
// with 16 columns of two numbers. What is missing at an edge is zero.
#pragma once

#include "tiles.h"

#ifdef TUNESMITH_TILES

namespace tunesmith {

constexpr int64_t WIDTH = 32;          // rows or columns of a panel, and depth of a step
constexpr int64_t TILE = 16 * 32;      // numbers of a tile
constexpr int64_t STEP = 2 * TILE;     // numbers of a panel's step

inline int64_t up(int64_t total, int64_t part) { return (total + part - 1) / part; }
inline int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }
inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

// A matrix as it stands in memory: rows of `wide` numbers that lie next to each other, `apart` numbers from row to row.
struct Rows {
    const bf16* data;
    int64_t apart, tall, wide;
};

inline Span moved(Span span, int64_t by) { return Span{span.begin + by, span.end + by}; }

inline __mmask32 first_of_32(int64_t count) {
    return count >= 32 ? ~__mmask32(0) : count <= 0 ? __mmask32(0) : __mmask32((1u << count) - 1u);
}

// Sixteen lines of sixteen 32-bit words, rows to columns.
inline void transpose(__m512i (&line)[16]) {
    __m512i half[16];
    for (int i = 0; i < 16; i += 2) {
        half[i] = _mm512_unpacklo_epi32(line[i], line[i + 1]);
        half[i + 1] = _mm512_unpackhi_epi32(line[i], line[i + 1]);
    }
    for (int i = 0; i < 16; i += 4)
        for (int j = 0; j < 2; j++) {
            line[i + 2 * j] = _mm512_unpacklo_epi64(half[i + j], half[i + j + 2]);
            line[i + 2 * j + 1] = _mm512_unpackhi_epi64(half[i + j], half[i + j + 2]);
        }
    for (int i = 0; i < 4; i++) {
        half[i] = _mm512_shuffle_i32x4(line[i], line[i + 4], 0x88);
        half[i + 4] = _mm512_shuffle_i32x4(line[i], line[i + 4], 0xDD);
        half[i + 8] = _mm512_shuffle_i32x4(line[i + 8], line[i + 12], 0x88);
        half[i + 12] = _mm512_shuffle_i32x4(line[i + 8], line[i + 12], 0xDD);
    }
    for (int i = 0; i < 8; i++) {
        line[i] = _mm512_shuffle_i32x4(half[i], half[i + 8], 0x88);
        line[i + 8] = _mm512_shuffle_i32x4(half[i], half[i + 8], 0xDD);
    }
}

// One step of a panel from 32 rows, `down` rows and `right` numbers into the matrix: a tile's lines are rows (A), or,
// turned, its columns are (B of a weight that stands as (columns, depth)).
template <bool turned>
inline void pack_rows(const Rows& from, int64_t down, int64_t right, bf16* step) {
    __mmask32 there = first_of_32(from.wide - right);
    const bf16* at = from.data + down * from.apart + right;
    for (int64_t half = 0; half < 2; half++, step += TILE) {
        __m512i line[16];
        for (int64_t i = 0; i < 16; i++, at += from.apart)
            line[i] = _mm512_maskz_loadu_epi16(down + 16 * half + i < from.tall ? there : 0, at);
        if (turned) transpose(line);
        for (int64_t i = 0; i < 16; i++) _mm512_store_si512(step + WIDTH * i, line[i]);
    }
}

// The same from 32 rows that run along the depth: pairs of rows are interleaved (B), and turned for A.
template <bool turned>
inline void pack_pairs(const Rows& from, int64_t down, int64_t right, bf16* step) {
    alignas(64) static const uint16_t LOW[32] = {0, 32, 1, 33, 2,  34, 3,  35, 4,  36, 5,  37, 6,  38, 7,  39,
                                                 8, 40, 9, 41, 10, 42, 11, 43, 12, 44, 13, 45, 14, 46, 15, 47};
    __m512i low = _mm512_load_si512(LOW), high = _mm512_add_epi16(low, _mm512_set1_epi16(16));
    __mmask32 there = first_of_32(from.wide - right);
    const bf16* at = from.data + down * from.apart + right;
    for (int64_t i = 0; i < 16; i++, at += 2 * from.apart) {
        int64_t row = down + 2 * i;
        __m512i even = _mm512_maskz_loadu_epi16(row < from.tall ? there : 0, at);
        __m512i odd = _mm512_maskz_loadu_epi16(row + 1 < from.tall ? there : 0, at + from.apart);
        _mm512_store_si512(step + WIDTH * i, _mm512_permutex2var_epi16(even, low, odd));
        _mm512_store_si512(step + TILE + WIDTH * i, _mm512_permutex2var_epi16(even, high, odd));
    }
    if (!turned) return;
    for (int64_t half = 0; half < 2; half++, step += TILE) {
        __m512i line[16];
        for (int64_t i = 0; i < 16; i++) line[i] = _mm512_load_si512(step + WIDTH * i);
        transpose(line);
        for (int64_t i = 0; i < 16; i++) _mm512_store_si512(step + WIDTH * i, line[i]);
    }
}

// How a matrix becomes panels.
enum class From {
    rows,         // A: a row of the matrix is a row of A
    rows_turned,  // B: a row of the matrix is a column of B
    pairs,        // B: a row of the matrix is a row of B
    pairs_turned  // A: a row of the matrix is a column of A
};

inline bool along_depth(From how) { return how == From::pairs || how == From::pairs_turned; }
inline int64_t panels_of(const Rows& from, From how) { return up(along_depth(how) ? from.wide : from.tall, WIDTH); }
inline int64_t steps_of(const Rows& from, From how) { return up(along_depth(how) ? from.tall : from.wide, WIDTH); }

// Some steps of some panels, one panel `apart` numbers after the other; the first begins at `to`.
inline void pack(const Rows& from, From how, Span panels, Span steps, int64_t apart, bf16* to) {
    auto each = [&](auto&& one) {
        if (along_depth(how)) {
            for (int64_t step = steps.begin; step < steps.end; step++)
                for (int64_t panel = panels.begin; panel < panels.end; panel++)
                    one(step * WIDTH, panel * WIDTH, to + (panel - panels.begin) * apart + (step - steps.begin) * STEP);
        } else {
            for (int64_t panel = panels.begin; panel < panels.end; panel++)
                for (int64_t step = steps.begin; step < steps.end; step++)
                    one(panel * WIDTH, step * WIDTH, to + (panel - panels.begin) * apart + (step - steps.begin) * STEP);
        }
    };
    switch (how) {
        case From::rows: return each([&](int64_t d, int64_t r, bf16* t) { pack_rows<false>(from, d, r, t); });
        case From::rows_turned: return each([&](int64_t d, int64_t r, bf16* t) { pack_rows<true>(from, d, r, t); });
        case From::pairs: return each([&](int64_t d, int64_t r, bf16* t) { pack_pairs<false>(from, d, r, t); });
        case From::pairs_turned: return each([&](int64_t d, int64_t r, bf16* t) { pack_pairs<true>(from, d, r, t); });
    }
}

}  // namespace tunesmith

#endif
