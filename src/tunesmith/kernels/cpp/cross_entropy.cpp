// The log-probability of a target, and the slope of its negative, from one row of logits, in place.
//
// A row becomes z (softmax - onehot), with z the sum of e^(logit - largest): whoever uses it divides by z, once for a
// row and not once for a number of it. The rows are read twice, the second time from the second cache.
#include <cmath>

#include "vector.h"

namespace tunesmith {
namespace {

struct Form {  // what the network makes of the product: softcap tanh(scale x / softcap); no cap where softcap is 0
    float scale, softcap;
};

struct Bent {
    Lane logit, slope;
};

template <bool capped>
inline Bent bent(Lane scaled, Form form) {
    if constexpr (!capped) return {scaled, all(1.0f)};
    Lane tanh = 2.0f * sigmoid(scaled * (2.0f / form.softcap)) - 1.0f;
    return {form.softcap * tanh, 1.0f - tanh * tanh};
}

// The largest logit of a row; a cap leaves the order as it is.
template <bool capped, class Number>
float highest(const Number* row, int64_t columns, Form form) {
    Lane tops[2] = {all(-INFINITY), all(-INFINITY)};
    int64_t i = 0;
    for (; i + 2 * LANE <= columns; i += 2 * LANE)
        for (int k = 0; k < 2; k++) tops[k] = larger(tops[k], load(row + i + k * LANE) * form.scale);
    float top = largest(larger(tops[0], tops[1]));
    for (; i < columns; i++) top = std::fmax(top, widen(row[i]) * form.scale);
    return bent<capped>(all(top), form).logit[0];
}

// Puts e^(logit - top), times the slope of the cap, in the place of every number; returns the sum without that slope.
template <bool capped, class Number>
float exponentials(Number* row, int64_t columns, Form form, float top) {
    Lane sums[2] = {};
    auto piece = [&](int64_t i, int count) {
        Bent made = bent<capped>(load(row + i, count) * form.scale, form);
        Lane value = bounded_exponential(made.logit - top);
        store(row + i, capped ? value * made.slope : value, count);
        return value;
    };
    int64_t i = 0;
    for (; i + 2 * LANE <= columns; i += 2 * LANE) {
        sums[0] += piece(i, LANE);
        sums[1] += piece(i + LANE, LANE);
    }
    if (i + LANE <= columns) sums[0] += piece(i, LANE), i += LANE;
    float total = sum(sums[0] + sums[1]);
    for (; i < columns; i++) total += piece(i, 1)[0];
    return total;
}

// Takes the target's one away: column `target` becomes z (p - 1), rounded once.
template <bool capped, class Number>
void lower(Number* row, int64_t target, Bent made, float top, float total) {
    float excess = bounded_exponential(made.logit - top)[0] - total;
    row[target] = narrow<Number>(excess * made.slope[0]);
}

template <bool capped, class Number>
void log_probabilities(Number* logits, int64_t stride, int64_t rows, int64_t columns, const int64_t* targets, Form form,
                       float* answers, float* tops, float* totals) {
    each_share(rows, rows * columns, [&](Span span, int, int) {
        for (int64_t r = span.begin; r < span.end; r++) {
            Number* row = logits + r * stride;
            Bent aim = bent<capped>(all(widen(row[targets[r]]) * form.scale), form);
            tops[r] = highest<capped>(row, columns, form);
            totals[r] = exponentials<capped>(row, columns, form, tops[r]);
            answers[r] = aim.logit[0] - tops[r] - std::log(totals[r]);
            lower<capped>(row, targets[r], aim, tops[r], totals[r]);
        }
    });
}

// The same where tops and totals are known, for some columns of the vocabulary that need not hold a row's target.
template <bool capped, class Number>
void excesses(Number* logits, int64_t stride, int64_t rows, int64_t columns, const int64_t* targets, Form form,
              const float* tops, const float* totals) {
    each_share(rows, rows * columns, [&](Span span, int, int) {
        for (int64_t r = span.begin; r < span.end; r++) {
            Number* row = logits + r * stride;
            int64_t target = targets[r];
            bool inside = target >= 0 && target < columns;
            Bent aim = bent<capped>(all(inside ? widen(row[target]) * form.scale : 0.0f), form);
            exponentials<capped>(row, columns, form, tops[r]);
            if (inside) lower<capped>(row, target, aim, tops[r], totals[r]);
        }
    });
}

}  // namespace
}  // namespace tunesmith

#define HEAD(Number, name)                                                                                             \
    extern "C" void log_probabilities_##name(Number* logits, int64_t stride, int64_t rows, int64_t columns,            \
                                             const int64_t* targets, double scale, double softcap, float* answers,     \
                                             float* tops, float* totals) {                                             \
        auto run = softcap != 0 ? tunesmith::log_probabilities<true, Number>                                           \
                                : tunesmith::log_probabilities<false, Number>;                                         \
        run(logits, stride, rows, columns, targets, {float(scale), float(softcap)}, answers, tops, totals);            \
    }                                                                                                                  \
    extern "C" void excesses_##name(Number* logits, int64_t stride, int64_t rows, int64_t columns,                     \
                                    const int64_t* targets, double scale, double softcap, const float* tops,           \
                                    const float* totals) {                                                             \
        auto run = softcap != 0 ? tunesmith::excesses<true, Number> : tunesmith::excesses<false, Number>;              \
        run(logits, stride, rows, columns, targets, {float(scale), float(softcap)}, tops, totals);                     \
    }

HEAD(tunesmith::bf16, bf16)
HEAD(float, f32)
