// AdamW on single rows of a matrix. A row takes the steps in which it had no gradient when somebody next reads it: one
// after the other, each as it would have been, so that the bits are those of the whole matrix stepped every time.
#include "adamw.h"

using namespace tunesmith;

namespace {

struct Matrix {
    float *parameter, *mean, *square;
    bf16* copy;
    int64_t width;
};

// The steps after `first`, of which the last is the `now`-th.
struct Steps {
    const Pace* paces;
    int64_t first, now;
    Betas betas;
};

inline bool is_nought(const float* from, int count) {
    Lane value = load(from, count), size = value < 0.0f ? -value : value;
    return largest(size) == 0.0f;
}

// Steps without a gradient, those after the `taken`-th. A number that never had one is only pulled towards nought.
void wait(const Matrix& matrix, int64_t row, int64_t taken, const Steps& steps, bool decays) {
    for (int64_t i = row * matrix.width, end = i + matrix.width; i < end; i += LANE) {
        int count = int(end - i < LANE ? end - i : LANE);
        bool still = is_nought(matrix.mean + i, count) && is_nought(matrix.square + i, count);
        if (still && !decays) continue;
        Moving at{load(matrix.parameter + i, count), load(matrix.mean + i, count), load(matrix.square + i, count)};
        for (int64_t step = taken; step < steps.now; step++)
            take_step(at, Lane{}, steps.paces[step - steps.first], steps.betas);
        store(matrix.parameter + i, at.value, count);
        store(matrix.mean + i, at.mean, count);
        store(matrix.square + i, at.square, count);
        if (matrix.copy) store(matrix.copy + i, at.value, count);
    }
}

}  // namespace

// What a step, the `taken`-th, is made of: three numbers.
extern "C" void pace_f32(float* out, double taken, double rate, double beta1, double beta2, double decay) {
    *reinterpret_cast<Pace*>(out) = pace_of(taken, rate, beta1, beta2, decay);
}

// Rows, each named once, take the steps that they have not taken; rows: null for all `count` of the matrix.
extern "C" void late_rows_f32(float* parameter, float* mean, float* square, bf16* copy, int64_t width,
                              const int64_t* rows, int64_t count, int64_t* taken, const float* paces, int64_t first,
                              int64_t now, double beta1, double beta2, double epsilon) {
    Matrix matrix{parameter, mean, square, copy, width};
    Steps steps{reinterpret_cast<const Pace*>(paces), first, now, Betas(beta1, beta2, epsilon)};
    bool decays = false;
    for (int64_t step = first; step < now; step++) decays |= steps.paces[step - first].kept != 1.0f;
    each_share(count, count * width, [&](Span span, int, int) {
        Flushing tiny;
        for (int64_t i = span.begin; i < span.end; i++) {
            int64_t row = rows ? rows[i] : i;
            if (taken[row] < now) wait(matrix, row, taken[row], steps, decays);
            taken[row] = now;
        }
    });
}

// Rows, each named once, that have taken all steps but the `now`-th, take it on `scale` times their gradients.
extern "C" void step_rows_f32(float* parameter, float* mean, float* square, bf16* copy, int64_t width,
                              const int64_t* rows, int64_t count, int64_t* taken, const float* gradients,
                              const float* pace, int64_t now, double scale, double beta1, double beta2,
                              double epsilon) {
    Matrix matrix{parameter, mean, square, copy, width};
    Pace only = *reinterpret_cast<const Pace*>(pace);
    Betas betas(beta1, beta2, epsilon);
    float by = float(scale);
    each_share(count, count * width, [&](Span span, int, int) {
        Flushing tiny;
        for (int64_t number = span.begin; number < span.end; number++) {
            const float* gradient = gradients + number * width;
            int64_t start = rows[number] * width;
            for (int64_t c = 0; c < width; c += LANE) {
                int64_t i = start + c;
                int here = int(width - c < LANE ? width - c : LANE);
                Moving at{load(matrix.parameter + i, here), load(matrix.mean + i, here), load(matrix.square + i, here)};
                take_step(at, load(gradient + c, here) * by, only, betas);
                store(matrix.parameter + i, at.value, here);
                store(matrix.mean + i, at.mean, here);
                store(matrix.square + i, at.square, here);
                if (matrix.copy) store(matrix.copy + i, at.value, here);
            }
            taken[rows[number]] = now;
        }
    });
}
