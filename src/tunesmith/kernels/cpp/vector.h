// e^x where x is known to lie within bounds, half the instructions of the general one; what is made of it; and roots.
#pragma once

#include <cmath>

#include "common.h"

namespace tunesmith {

// 2^r on |r| <= 1/2 by the polynomial of degree 5 that is nearest in relative terms (7.5e-8).
constexpr float POWERS[] = {1.32764608e-3f, 9.67555307e-3f, 5.55071346e-2f, 2.40221202e-1f, 6.93146944e-1f, 1.00000012f};

// e^x for x <= 88, as near as the rounding of x itself allows; below -87 it stays at 1.6e-38. NaN for NaN.
inline Lane bounded_exponential(Lane x) {
    constexpr float log2_e = 1.44269504088896341f, shift = 12582912.0f;  // 1.5 * 2^23: adding it rounds to a whole number
    x = larger(all(-87.0f), x);  // the second is kept where it is NaN
    Lane shifted = x * log2_e + shift;
    Lane r = x * log2_e - (shifted - shift);
    Lane p = all(POWERS[0]);
    for (int i = 1; i < 6; i++) p = p * r + POWERS[i];
    return (Lane)((WholeLane)p + ((WholeLane)shifted << 23));  // the whole number, added to the exponent
}

// 1 / (1 + e^-x); below -80 it stays at 1.8e-35.
inline Lane sigmoid(Lane x) {
    Lane opposite = x < -80.0f ? all(80.0f) : -x;
    return 1.0f / (1.0f + bounded_exponential(opposite));
}

inline Lane square_root(Lane x) {
#ifdef TUNESMITH_AVX512
    return (Lane)_mm512_sqrt_ps((__m512)x);
#else
    for (int i = 0; i < LANE; i++) x[i] = std::sqrt(x[i]);
    return x;
#endif
}

}  // namespace tunesmith
