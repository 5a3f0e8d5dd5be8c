// What every kernel here uses: sixteen numbers at a time, bfloat16, e^x, and rows shared out among threads.
//
// A Lane is a GCC vector of sixteen floats (the same type as __m512 to the compiler), so that `a * b + c` is written
// plainly on any processor; only loads, stores and e^x have a form of their own where there is AVX-512.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#include <omp.h>
#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512VL__)
#include <immintrin.h>
#define TUNESMITH_AVX512 1
#endif

namespace tunesmith {

struct bf16 {
    uint16_t bits;
};

constexpr int LANE = 16;
typedef float Lane __attribute__((vector_size(64)));
typedef int32_t WholeLane __attribute__((vector_size(64)));

inline float widen(bf16 value) {
    uint32_t bits = uint32_t(value.bits) << 16;
    float wide;
    std::memcpy(&wide, &bits, sizeof wide);
    return wide;
}

inline float widen(float value) { return value; }

// To the nearest, ties to even; every NaN becomes one quiet NaN, as in torch.
inline bf16 rounded(float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    uint16_t nearest = uint16_t((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
    return bf16{value != value ? uint16_t(0x7FC0) : nearest};
}

template <class Number>
inline Number narrow(float value) {
    if constexpr (std::is_same_v<Number, bf16>) return rounded(value);
    else return value;
}

inline Lane all(float value) { return Lane{} + value; }

#ifdef TUNESMITH_AVX512

inline __mmask16 first(int count) { return __mmask16((1u << count) - 1u); }

inline Lane load(const float* from) { return (Lane)_mm512_loadu_ps(from); }
inline Lane load(const float* from, int count) { return (Lane)_mm512_maskz_loadu_ps(first(count), from); }
inline Lane widened(__m256i bits) {
    return (Lane)_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
}
inline Lane load(const bf16* from) { return widened(_mm256_loadu_si256((const __m256i*)from)); }
inline Lane load(const bf16* from, int count) { return widened(_mm256_maskz_loadu_epi16(first(count), from)); }

inline __m256i rounded(Lane value) {
#ifdef __AVX512BF16__
    return (__m256i)_mm512_cvtneps_pbh((__m512)value);  // takes denormals for zero
#else
    __m512i bits = _mm512_castps_si512((__m512)value);
    __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    __m512i sum = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7FFF)), odd);
    __mmask16 strange = _mm512_cmp_ps_mask((__m512)value, (__m512)value, _CMP_UNORD_Q);
    return _mm512_cvtepi32_epi16(_mm512_mask_mov_epi32(_mm512_srli_epi32(sum, 16), strange, _mm512_set1_epi32(0x7FC0)));
#endif
}
inline void store(float* to, Lane value) { _mm512_storeu_ps(to, (__m512)value); }
inline void store(float* to, Lane value, int count) { _mm512_mask_storeu_ps(to, first(count), (__m512)value); }
inline void store(bf16* to, Lane value) { _mm256_storeu_si256((__m256i*)to, rounded(value)); }
inline void store(bf16* to, Lane value, int count) { _mm256_mask_storeu_epi16(to, first(count), rounded(value)); }

inline Lane larger(Lane a, Lane b) { return (Lane)_mm512_max_ps((__m512)a, (__m512)b); }
inline float sum(Lane value) { return _mm512_reduce_add_ps((__m512)value); }
inline float largest(Lane value) { return _mm512_reduce_max_ps((__m512)value); }

#else

template <class Number>
inline Lane load(const Number* from, int count = LANE) {
    Lane value = {};
    for (int i = 0; i < count; i++) value[i] = widen(from[i]);
    return value;
}

template <class Number>
inline void store(Number* to, Lane value, int count = LANE) {
    for (int i = 0; i < count; i++) to[i] = narrow<Number>(value[i]);
}

inline Lane larger(Lane a, Lane b) { return a > b ? a : b; }

inline float sum(Lane value) {
    for (int half = LANE / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++) value[i] += value[i + half];
    return value[0];
}

inline float largest(Lane value) {
    for (int half = LANE / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++) value[i] = value[i] > value[i + half] ? value[i] : value[i + half];
    return value[0];
}

#endif

// e^x to two units in the last place; 0 for -infinity, infinity above 88.73, NaN for NaN.
// x = n ln 2 + r with |r| <= ln 2 / 2; e^r by a polynomial of degree 6 (the coefficients of Cephes' expf).
inline Lane exponential(Lane x) {
#ifdef TUNESMITH_AVX512
    x = (Lane)_mm512_max_ps(_mm512_set1_ps(-104.0f), (__m512)x);  // the second operand is kept where it is NaN
    x = (Lane)_mm512_min_ps(_mm512_set1_ps(89.0f), (__m512)x);
    Lane n = (Lane)_mm512_roundscale_ps((__m512)(x * 1.44269504088896341f), _MM_FROUND_TO_NEAREST_INT);
#else
    Lane kept = x;
    x = x < -104.0f ? all(-104.0f) : x;
    x = x > 89.0f ? all(89.0f) : x;
    Lane shifted = x * 1.44269504088896341f + 12582912.0f;  // 1.5 * 2^23: adding it rounds to a whole number
    Lane n = shifted - 12582912.0f;
#endif
    Lane r = x - n * 0.693359375f;
    r = r + n * 2.12194440e-4f;
    Lane p = all(1.9875691500e-4f);
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r + 1.0f;
#ifdef TUNESMITH_AVX512
    return (Lane)_mm512_scalef_ps((__m512)p, (__m512)n);
#else
    WholeLane whole = __builtin_convertvector(kept != kept ? all(0.0f) : n, WholeLane);
    WholeLane half = whole >> 1, rest = whole - half;  // 2^n in two steps: it may lie beyond the normal numbers
    Lane one = (Lane)((half + 127) << 23), other = (Lane)((rest + 127) << 23);
    p = p * one * other;
    return kept != kept ? kept : p;
#endif
}

struct Span {
    int64_t begin, end;
};

// The part-th of `parts` consecutive shares of 0 .. total, as even as can be.
inline Span share(int64_t total, int64_t part, int64_t parts) {
    return Span{total * part / parts, total * (part + 1) / parts};
}

// Calls work(span, part, parts) on every thread of the team, each with its own share of the rows: the same shares for
// the same number of threads, whatever the clock says. A small job (`numbers` in all) stays on the calling thread. The
// team is either everyone or one: a team that changes its size makes libgomp end threads and start others.
template <class Work>
inline void each_share(int64_t rows, int64_t numbers, Work&& work) {
    int team = omp_get_max_threads();
    if (team == 1 || numbers < 16384 || omp_in_parallel()) {
        work(Span{0, rows}, 0, 1);
        return;
    }
#pragma omp parallel
    work(share(rows, omp_get_thread_num(), omp_get_num_threads()), omp_get_thread_num(), omp_get_num_threads());
}

}  // namespace tunesmith
