// Attention's tasks, packing and products.
#include "attention.h"

#include "tiles.h"

namespace tunesmith::attention {

namespace {

// Pairs of key and row among rows 0 .. `rows` of a document.
int64_t pairs_seen(int64_t rows, int64_t whole, const Shape& shape) {
    if (!shape.causal) return rows * (shape.window < whole ? std::min(whole, 2 * shape.window - 1) : whole);
    int64_t full = std::min(rows, shape.window);
    return full * (full + 1) / 2 + (rows - full) * shape.window;
}

}  // namespace

std::vector<Task> tasks_of(const Shape& shape, const int64_t* borders, int64_t rows_a_part) {
    std::vector<Task> tasks;
    for (int64_t d = 0; d < shape.documents; d++) {
        int64_t start = borders[d], rows = borders[d + 1] - start, all = pairs_seen(rows, rows, shape);
        int64_t parts = (rows + rows_a_part - 1) / rows_a_part, first = 0;
        for (int64_t part = 0; part < parts; part++) {
            int64_t last = first;
            while (last < rows && (part + 1 == parts || pairs_seen(last, rows, shape) * parts < all * (part + 1)))
                last = std::min(rows, last + BLOCK);
            int64_t cost = pairs_seen(last, rows, shape) - pairs_seen(first, rows, shape);
            int64_t seen = std::max<int64_t>(0, first - shape.window + 1) / BLOCK * BLOCK;
            for (int64_t k = 0; k < shape.shared; k++)
                tasks.push_back({start, k, first, last, seen, shape.end_of_keys(last, rows), cost, part, parts, nullptr});
            first = last;
        }
    }
    std::stable_sort(tasks.begin(), tasks.end(), [](const auto& a, const auto& b) { return a.cost > b.cost; });
    return tasks;
}

#ifdef TUNESMITH_ATTENTION

void copy_rows(const Rows& rows, int64_t padded, int64_t width, bf16* to) {
    for (int64_t r = 0; r < padded; r++) {
        const bf16* from = rows[r];
        for (int64_t c = 0; c < width; c += 32, to += 32) _mm512_store_si512(to, _mm512_loadu_si512(from + c));
    }
}

void pack_across(const Rows& rows, int64_t padded, int64_t width, bf16* to) {
    __m512i tile[16];
    for (int64_t r = 0; r < padded; r += 16)
        for (int64_t c = 0; c < width; c += 32, to += TILE) {
            for (int i = 0; i < 16; i++) tile[i] = _mm512_loadu_si512(rows[r + i] + c);
            transpose(tile);
            for (int i = 0; i < 16; i++) _mm512_store_si512(to + 32 * i, tile[i]);
        }
}

void pack_along(const Rows& rows, int64_t padded, int64_t width, bf16* to) {
    alignas(64) uint16_t order[2][32];
    for (int i = 0; i < 32; i++) order[0][i] = i / 2 + i % 2 * 32, order[1][i] = order[0][i] + 16;
    __m512i left = _mm512_load_si512(order[0]), right = _mm512_load_si512(order[1]);
    for (int64_t r = 0; r < padded; r += 32, to += width / 16 * TILE)
        for (int i = 0; i < 16; i++) {
            const bf16 *upper = rows[r + 2 * i], *lower = rows[r + 2 * i + 1];
            for (int64_t c = 0; c < width; c += 32) {
                __m512i a = _mm512_loadu_si512(upper + c), b = _mm512_loadu_si512(lower + c);
                _mm512_store_si512(to + c / 16 * TILE + 32 * i, _mm512_permutex2var_epi16(a, left, b));
                _mm512_store_si512(to + (c / 16 + 1) * TILE + 32 * i, _mm512_permutex2var_epi16(a, right, b));
            }
        }
}

void turn_over(const Rows& rows, int64_t padded, int64_t width, int64_t block, bf16* to) {
    __m512i tile[16];
    for (int64_t r = 0; r < padded; r += 16)
        for (int64_t c = 0; c < width; c += 32) {
            for (int i = 0; i < 16; i++) tile[i] = _mm512_loadu_si512(rows[r + i] + c);
            transpose(tile);
            bf16* place = to + r / block * block * width + c * block + r % block;
            for (int i = 0; i < 16; i++) {
                _mm256_storeu_si256((__m256i*)(place + 2 * i * block), _mm512_cvtepi32_epi16(tile[i]));
                __m512i odd = _mm512_srli_epi32(tile[i], 16);
                _mm256_storeu_si256((__m256i*)(place + (2 * i + 1) * block), _mm512_cvtepi32_epi16(odd));
            }
        }
}

void write_turned(const View& view, int64_t first, int64_t count, int64_t head, const float* from, int64_t apart,
                  const float* shares, int64_t width) {
    __m512i left[16], right[16];
    for (int64_t r = 0; r < count; r += 16) {
        __m512 share = _mm512_loadu_ps(shares + r);
        for (int64_t c = 0; c < width; c += 32) {
            for (int i = 0; i < 16; i++) {
                left[i] = (__m512i)(_mm512_load_ps(from + (c + i) * apart + r) * share);
                right[i] = (__m512i)(_mm512_load_ps(from + (c + i + 16) * apart + r) * share);
            }
            transpose(left);
            transpose(right);
            for (int i = 0; i < 16 && r + i < count; i++)
                _mm512_storeu_si512(view.of(first + r + i, head) + c,
                                    (__m512i)_mm512_cvtne2ps_pbh((__m512)right[i], (__m512)left[i]));
        }
    }
}

TUNESMITH_TILES void begin_tiles() { configure_tiles(); }
TUNESMITH_TILES void end_tiles() { _tile_release(); }

// Two by two tiles of the product; `Steps` is their number where the compiler shall know it, else 0.
template <int Steps>
TUNESMITH_TILES __attribute__((always_inline)) inline void multiply_four(const Product& p, const bf16* left,
                                                                         const bf16* right, float* out) {
    const int64_t left_bytes = p.left_row * sizeof(bf16), out_bytes = p.out_row * sizeof(float);
    const int64_t down = 16 * p.left_row, out_down = 16 * p.out_row, across = p.across, along = p.along;
    const int steps = Steps ? Steps : p.steps;
    if (p.add) {
        _tile_loadd(0, out, out_bytes);
        _tile_loadd(1, out + 16, out_bytes);
        _tile_loadd(2, out + out_down, out_bytes);
        _tile_loadd(3, out + out_down + 16, out_bytes);
    } else {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
    }
#pragma GCC unroll 4
    for (int k = 0; k < steps; k++, left += 32, right += along) {
        _tile_loadd(4, left, left_bytes);
        _tile_loadd(6, right, 64);
        _tile_loadd(7, right + across, 64);
        _tile_loadd(5, left + down, left_bytes);
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    _tile_stored(0, out, out_bytes);
    _tile_stored(1, out + 16, out_bytes);
    _tile_stored(2, out + out_down, out_bytes);
    _tile_stored(3, out + out_down + 16, out_bytes);
}

template <int Steps>
TUNESMITH_TILES void multiply_steps(const Product& p) {
    for (int m = 0; m < p.m; m += 2)
        for (int n = 0; n < p.n; n += 2)
            multiply_four<Steps>(p, p.left + 16 * m * p.left_row, p.right + n * p.across,
                                 p.out + 16 * (m * p.out_row + n));
}

// With few steps the loop around them costs as much as a tile: 97 against 75 ns for two.
TUNESMITH_TILES void multiply_by_tiles(const Product& p) {
    switch (p.steps) {
        case 1: return multiply_steps<1>(p);
        case 2: return multiply_steps<2>(p);
        case 3: return multiply_steps<3>(p);
        case 4: return multiply_steps<4>(p);
        default: return multiply_steps<0>(p);
    }
}

// The same by AVX512-BF16: eight rows by two tiles of columns at a time.
void multiply_by_pairs(const Product& p) {
    for (int m = 0; m < 2 * p.m; m++)
        for (int n = 0; n < p.n; n += 2) {
            const bf16 *left = p.left + 8 * m * p.left_row, *right = p.right + n * p.across;
            float* out = p.out + 8 * m * p.out_row + 16 * n;
            __m512 sum[8][2];
            for (int i = 0; i < 8; i++)
                for (int j = 0; j < 2; j++)
                    sum[i][j] = p.add ? _mm512_loadu_ps(out + i * p.out_row + 16 * j) : _mm512_setzero_ps();
            for (int k = 0; k < p.steps; k++, left += 32, right += p.along)
                for (int pair = 0; pair < 16; pair++) {
                    __m512bh one = (__m512bh)_mm512_load_si512(right + 32 * pair);
                    __m512bh other = (__m512bh)_mm512_load_si512(right + p.across + 32 * pair);
                    for (int i = 0; i < 8; i++) {
                        int32_t two;
                        std::memcpy(&two, left + i * p.left_row + 2 * pair, sizeof two);
                        __m512bh both = (__m512bh)_mm512_set1_epi32(two);
                        sum[i][0] = _mm512_dpbf16_ps(sum[i][0], both, one);
                        sum[i][1] = _mm512_dpbf16_ps(sum[i][1], both, other);
                    }
                }
            for (int i = 0; i < 8; i++)
                for (int j = 0; j < 2; j++) _mm512_storeu_ps(out + i * p.out_row + 16 * j, sum[i][j]);
        }
}

extern "C" int attention_ready() { return 1; }

#else

extern "C" int attention_ready() { return 0; }

#endif

}  // namespace tunesmith::attention
