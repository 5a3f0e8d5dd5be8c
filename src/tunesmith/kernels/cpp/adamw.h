// One of AdamW's steps on sixteen numbers, as whole tensors and single rows take it: the same bits for both.
#pragma once

#include <cmath>

#include "vector.h"

namespace tunesmith {

// What an update is made of beside its four numbers: its own at each step. kept: of the weight, after its decay.
struct Pace {
    float rate, root, kept;  // of the mean, and of the root of the mean square, both with the bias taken out
};

inline Pace pace_of(double taken, double rate, double beta1, double beta2, double decay) {
    return {float(rate / (1 - std::pow(beta1, taken))), float(1 / std::sqrt(1 - std::pow(beta2, taken))),
            float(1 - rate * decay)};
}

struct Betas {
    float fresh, old, fresh_square, least;

    Betas(double beta1, double beta2, double epsilon)
        : fresh(float(1 - beta1)), old(float(beta2)), fresh_square(float(1 - beta2)), least(float(epsilon)) {}
};

// A number and its two means.
struct Moving {
    Lane value, mean, square;
};

inline void take_step(Moving& at, Lane gradient, Pace pace, Betas betas) {
    at.mean += (gradient - at.mean) * betas.fresh;
    at.square = at.square * betas.old + gradient * gradient * betas.fresh_square;
    Lane step = at.mean * pace.rate / (square_root(at.square) * pace.root + betas.least);
    at.value = at.value * pace.kept - step;
}

// While it lives, numbers below the smallest normal one are nought for this thread. Means that shrink for ever get
// there, and each product of such a number costs as much as a hundred others.
class Flushing {
public:
#ifdef TUNESMITH_AVX512
    Flushing() : before(_mm_getcsr()) { _mm_setcsr(before | 0x8040); }
    ~Flushing() { _mm_setcsr(before); }

private:
    unsigned before;
#else
    ~Flushing() {}
#endif
};

}  // namespace tunesmith
