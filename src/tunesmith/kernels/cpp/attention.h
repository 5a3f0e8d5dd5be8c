// Attention in cache-sized tasks: what forward and backward share.
//
// A task is one document, one key head, and the query heads that share it (or, in a long document, a part of its
// rows). Products are made of tiles of 16 by 16 numbers: the left factor lies row by row, the right one in tiles of
// 32 numbers of the inner dimension by 16 columns, two inner numbers side by side, as AMX and AVX512-BF16 want them.
// Letters in comments: S rows of a document, D width of a head.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <vector>

#include "common.h"

#if defined(TUNESMITH_AVX512) && defined(__AVX512BF16__) && defined(__AVX512DQ__)
#define TUNESMITH_ATTENTION 1
#endif

namespace tunesmith::attention {

// (M, heads, D) numbers: head `h` of row `r` starts at `at + r * row + h * head`.
struct View {
    bf16* at;
    int64_t row, head;
    bf16* of(int64_t r, int64_t h) const { return at + r * row + h * head; }
};

struct Shape {
    int64_t rows, heads, shared, width, documents, window;  // window: a number beyond all rows where there is none
    float scale, softcap;                                   // softcap: 0 where there is none
    int32_t tiles;                                          // whether AMX may be used
    int32_t causal;

    // A row sees keys of its document that lie less than `window` before it, and `nearest` or more.
    int64_t nearest() const { return causal ? 0 : 1 - window; }
    // One beyond the last key that rows before `last` of a document see.
    int64_t end_of_keys(int64_t last, int64_t rows) const { return causal ? last : std::min(rows, last + window - 1); }
};

// Rows first .. last (not included) of a document that begins at row `start`; they see keys from `seen` to `end`.
struct Task {
    int64_t start, key_head, first, last, seen, end, cost, part, parts;
    float* slopes;
};

// Tasks, the dearest first. A document longer than `rows_a_part` is cut into parts of about the same cost.
std::vector<Task> tasks_of(const Shape& shape, const int64_t* borders, int64_t rows_a_part);

// Rows or keys taken together; numbers of bfloat16 in a tile; numbers of the widest head.
constexpr int64_t BLOCK = 32, TILE = 512, WIDEST = 256;
constexpr float LOG2_E = 1.44269504088896341f;

inline int64_t whole_blocks(int64_t count) { return (count + BLOCK - 1) / BLOCK * BLOCK; }

// Memory of a thread that grows and is kept.
class Room {
public:
    // What `layout` makes of pieces that it takes. It is called twice: at first to learn how much they need.
    template <class Layout>
    auto hand_out(Layout layout) {
        used = 0;
        layout();
        if (used > size) {
            std::free(at);
            size = (used + used / 4 + 4095) / 4096 * 4096;
            at = static_cast<char*>(std::aligned_alloc(4096, size));
        }
        used = 0;
        return layout();
    }
    template <class Number>
    Number* take(int64_t count) {
        Number* piece = reinterpret_cast<Number*>(at + used);
        used += (count * sizeof(Number) + 63) / 64 * 64;
        return piece;
    }
    ~Room() { std::free(at); }

private:
    char* at = nullptr;
    size_t size = 0, used = 0;
};

// out (16 m, 16 n) (+)= left (16 m, 32 steps) right (32 steps, 16 n), with m and n even. Tile (k, n) of the right
// factor lies at `right + k * along + n * across`.
struct Product {
    const bf16 *left, *right;
    float* out;
    int64_t left_row, along, across, out_row;
    int m, n, steps;
    bool add;
};
void multiply_by_tiles(const Product& product);
void multiply_by_pairs(const Product& product);
void begin_tiles();
void end_tiles();

#ifdef TUNESMITH_ATTENTION

// 2^x to 7.5e-8 of itself for x <= 127; 0 for -infinity. 2^floor(x) times a polynomial of the rest, the one of degree
// 5 whose largest relative error is least.
inline __m512 power_of_two(__m512 x) {
    __m512 rest = _mm512_reduce_ps(x, _MM_FROUND_TO_NEG_INF);
    __m512 p = _mm512_set1_ps(1.8775767031e-3f);
    p = _mm512_fmadd_ps(p, rest, _mm512_set1_ps(8.9893404192e-3f));
    p = _mm512_fmadd_ps(p, rest, _mm512_set1_ps(5.5826317352e-2f));
    p = _mm512_fmadd_ps(p, rest, _mm512_set1_ps(2.4015361749e-1f));
    p = _mm512_fmadd_ps(p, rest, _mm512_set1_ps(6.9315307310e-1f));
    p = _mm512_fmadd_ps(p, rest, _mm512_set1_ps(9.9999992507e-1f));
    return _mm512_scalef_ps(p, x);
}

// tanh(x), given 2 log2(e) x.
inline __m512 tanh_of(__m512 x) {
    __m512 one = _mm512_set1_ps(1.0f);
    x = _mm512_min_ps(x, _mm512_set1_ps(64.0f));
    return one - _mm512_set1_ps(2.0f) / (one + power_of_two(x));
}

// log2(x) for x > 0: three of Newton's steps from a straight line between powers of two.
inline __m512 log_of(__m512 x) {
    __m512 one = _mm512_set1_ps(1.0f), rest = _mm512_getmant_ps(x, _MM_MANT_NORM_1_2, _MM_MANT_SIGN_src);
    __m512 y = _mm512_getexp_ps(x) + rest - one;
    for (int i = 0; i < 3; i++) y += (x * power_of_two(-y) - one) * _mm512_set1_ps(LOG2_E);
    return y;
}

// Sixteen rows of sixteen 4-byte numbers, turned over.
inline void transpose(__m512i rows[16]) {
    __m512i a[16], b[16];
    for (int i = 0; i < 16; i += 2) {
        a[i] = _mm512_unpacklo_epi32(rows[i], rows[i + 1]);
        a[i + 1] = _mm512_unpackhi_epi32(rows[i], rows[i + 1]);
    }
    for (int i = 0; i < 16; i += 4)
        for (int j = 0; j < 2; j++) {
            b[i + 2 * j] = _mm512_unpacklo_epi64(a[i + j], a[i + 2 + j]);
            b[i + 2 * j + 1] = _mm512_unpackhi_epi64(a[i + j], a[i + 2 + j]);
        }
    for (int j = 0; j < 4; j++) {
        a[j] = _mm512_shuffle_i32x4(b[j], b[4 + j], 0x88);
        a[4 + j] = _mm512_shuffle_i32x4(b[j], b[4 + j], 0xDD);
        a[8 + j] = _mm512_shuffle_i32x4(b[8 + j], b[12 + j], 0x88);
        a[12 + j] = _mm512_shuffle_i32x4(b[8 + j], b[12 + j], 0xDD);
    }
    for (int j = 0; j < 4; j++) {
        rows[j] = _mm512_shuffle_i32x4(a[j], a[8 + j], 0x88);
        rows[8 + j] = _mm512_shuffle_i32x4(a[j], a[8 + j], 0xDD);
        rows[4 + j] = _mm512_shuffle_i32x4(a[4 + j], a[12 + j], 0x88);
        rows[12 + j] = _mm512_shuffle_i32x4(a[4 + j], a[12 + j], 0xDD);
    }
}

// How two rows of 32 numbers, rounded into one register, become pairs.
inline __m512i in_pairs(__m512 upper, __m512 lower) {
    const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                                           21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    return _mm512_permutexvar_epi16(order, (__m512i)_mm512_cvtne2ps_pbh(lower, upper));
}

// Which of sixteen rows so `far` behind a key see it.
inline __mmask16 near_enough(__m512i far, const Shape& shape) {
    const int64_t most = 1 << 30;
    __mmask16 before = _mm512_cmpge_epi32_mask(far, _mm512_set1_epi32(int(std::max(shape.nearest(), -most))));
    return _mm512_mask_cmplt_epi32_mask(before, far, _mm512_set1_epi32(int(std::min(shape.window, most))));
}

// Which of sixteen rows, the first of them `ahead` rows behind the key, see it.
inline __mmask16 sees(int64_t ahead, const Shape& shape) {
    const __m512i lanes = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    return near_enough(_mm512_add_epi32(lanes, _mm512_set1_epi32(int(ahead))), shape);
}

// Which of sixteen keys, of which `left` are there, the first of them `behind` rows before the row, it sees.
inline __mmask16 seen_from(int64_t behind, int64_t left, const Shape& shape) {
    const __m512i lanes = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    __mmask16 near = near_enough(_mm512_sub_epi32(_mm512_set1_epi32(int(behind)), lanes), shape);
    return near & first(int(std::clamp<int64_t>(left, 0, 16)));
}

// Whether not all of 32 rows see all of the 32 keys from `key` on that lie `ahead` rows before them.
inline bool is_edge(int64_t ahead, int64_t key, const Task& task, const Shape& shape) {
    return ahead - BLOCK < shape.nearest() || ahead + BLOCK > shape.window || key + BLOCK > task.end;
}

// The sums of sixteen rows of sixteen numbers.
inline __m512 sums_of_rows(const float* from) {
    __m512i rows[16];
    for (int i = 0; i < 16; i++) rows[i] = _mm512_load_si512(from + 16 * i);
    transpose(rows);
    for (int step = 8; step > 0; step /= 2)
        for (int i = 0; i < step; i++) rows[i] = (__m512i)((__m512)rows[i] + (__m512)rows[i + step]);
    return (__m512)rows[0];
}

// Asks for rows that are read soon: they lie too far apart for the processor to guess.
inline void fetch(const View& view, int64_t row, int64_t head, int64_t width) {
    const bf16* at = view.of(row, head);
    for (int64_t c = 0; c < width; c += 32) _mm_prefetch((const char*)(at + c), _MM_HINT_T1);
}

// `count` rows of one head from row `first` on, and zeros below them.
struct Rows {
    const View& view;
    int64_t first, count, head;
    const bf16* operator[](int64_t i) const {
        alignas(64) static const bf16 zeros[WIDEST] = {};
        return i < count ? view.of(first + i, head) : zeros;
    }
};

// The first `padded` rows, one below the other.
void copy_rows(const Rows& rows, int64_t padded, int64_t width, bf16* to);

// Right factor whose inner dimension is the width: tile (k, n), at n * D/32 + k, holds columns 32 k on of rows 16 n on.
void pack_across(const Rows& rows, int64_t padded, int64_t width, bf16* to);

// Right factor whose inner dimension is the rows: tile (k, n), at k * D/16 + n, holds rows 32 k on, columns 16 n on.
void pack_along(const Rows& rows, int64_t padded, int64_t width, bf16* to);

// (D, block) for every `block` rows: the rows turned over, as a left factor. The last block may be filled in part.
void turn_over(const Rows& rows, int64_t padded, int64_t width, int64_t block, bf16* to);

// Rows first .. first + count of one head from numbers that lie turned over, (D, `apart`), each times its `share`.
void write_turned(const View& view, int64_t first, int64_t count, int64_t head, const float* from, int64_t apart,
                  const float* shares, int64_t width);

#endif

}  // namespace tunesmith::attention
