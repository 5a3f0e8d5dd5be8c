// Layer norms of what a branch adds to the residual stream, and sums over rows. A row stays in the first cache while it
// is summed, norm'd and written.
#include <cmath>
#include <vector>

#include "common.h"

namespace tunesmith {
namespace {

template <class Number>
struct Rows {
    Number* start;
    int64_t row;  // numbers from row to row

    Number* at(int64_t place) const { return start + place * row; }
};

struct Size {
    int64_t rows, width;
};

template <class Work>
inline void each_row(Size size, Work&& work) {
    each_share(size.rows, size.rows * size.width, [&](Span span, int part, int) {
        for (int64_t row = span.begin; row < span.end; row++) work(row, part);
    });
}

template <class Work>
inline void each_lane(int64_t width, Work&& work) {
    int64_t i = 0;
    for (; i + LANE <= width; i += LANE) work(i, LANE);
    if (i < width) work(i, int(width - i));
}

// What lies beyond a row's end counts as nothing.
inline Lane only(Lane value, int count) {
    for (int i = count; i < LANE; i++) value[i] = 0.0f;
    return value;
}

template <class Number>
void layer_norm(Rows<Number> x, Rows<const Number> added, const Number* weight, const Number* bias, float eps,
                Rows<Number> out, float* means, float* reciprocals, Size size) {
    each_row(size, [&](int64_t row, int) {
        Number *from = x.at(row), *to = out.at(row);
        Lane total = {}, squares = {};
        each_lane(size.width, [&](int64_t i, int count) {
            Lane value = load(from + i, count);
            if (added.start) {
                store(from + i, value + load(added.at(row) + i, count), count);
                value = load(from + i, count);  // what the way back will read: rounded
            }
            total += value;
        });
        float mean = sum(total) / float(size.width);
        each_lane(size.width, [&](int64_t i, int count) {
            Lane value = load(from + i, count) - mean;
            if (count < LANE) value = only(value, count);
            squares += value * value;
        });
        float root = 1.0f / std::sqrt(sum(squares) / float(size.width) + eps);
        means[row] = mean;
        reciprocals[row] = root;
        each_lane(size.width, [&](int64_t i, int count) {
            Lane value = (load(from + i, count) - mean) * root;
            store(to + i, value * load(weight + i, count) + load(bias + i, count), count);
        });
    });
}

template <class Number, bool learns>
void layer_norm_backward(Rows<const Number> given, Rows<const Number> x, const Number* weight, const float* means,
                         const float* reciprocals, Rows<Number> into, float* d_weight, float* d_bias, Size size) {
    int64_t team = omp_get_max_threads(), width = size.width;
    std::vector<float> partial(learns ? 2 * team * width : 0);  // of each thread, added up in their order
    each_row(size, [&](int64_t row, int part) {
        const Number *arriving = given.at(row), *from = x.at(row);
        Number* to = into.at(row);
        float mean = means[row], root = reciprocals[row];
        float* learnt = partial.data() + 2 * part * width;
        Lane total = {}, inner = {};
        each_lane(width, [&](int64_t i, int count) {
            Lane g = load(arriving + i, count), normed = (load(from + i, count) - mean) * root;
            if constexpr (learns) {
                store(learnt + i, load(learnt + i, count) + g * normed, count);
                store(learnt + width + i, load(learnt + width + i, count) + g, count);
            }
            g *= load(weight + i, count);
            total += g;
            inner += g * normed;
        });
        float level = sum(total) / float(width), slope = sum(inner) / float(width);
        each_lane(width, [&](int64_t i, int count) {
            Lane g = load(arriving + i, count) * load(weight + i, count);
            Lane normed = (load(from + i, count) - mean) * root;
            store(to + i, (g - level - normed * slope) * root, count);
        });
    });
    if constexpr (learns)
        for (int64_t i = 0; i < width; i++) {
            float weights = 0, biases = 0;
            for (int64_t part = 0; part < team; part++) {
                weights += partial[2 * part * width + i];
                biases += partial[(2 * part + 1) * width + i];
            }
            d_weight[i] = weights;
            d_bias[i] = biases;
        }
}

template <class Number>
void sum_rows(Rows<const Number> x, float* out, Size size) {
    int64_t team = omp_get_max_threads(), width = size.width;
    std::vector<float> partial(team * width);
    each_share(size.rows, size.rows * width, [&](Span span, int part, int) {
        float* sums = partial.data() + part * width;
        int64_t row = span.begin;
        for (; row + 4 <= span.end; row += 4)
            each_lane(width, [&](int64_t i, int count) {
                Lane one = load(x.at(row) + i, count) + load(x.at(row + 1) + i, count);
                Lane other = load(x.at(row + 2) + i, count) + load(x.at(row + 3) + i, count);
                store(sums + i, load(sums + i, count) + (one + other), count);
            });
        for (; row < span.end; row++)
            each_lane(width, [&](int64_t i, int count) {
                store(sums + i, load(sums + i, count) + load(x.at(row) + i, count), count);
            });
    });
    for (int64_t i = 0; i < width; i++) {
        float total = 0;
        for (int64_t part = 0; part < team; part++) total += partial[part * width + i];
        out[i] = total;
    }
}

}  // namespace
}  // namespace tunesmith

#define LAYER_NORMS(Number, name)                                                                                      \
    extern "C" void layer_norm_##name(Number* x, int64_t x_row, const Number* added, int64_t added_row,                \
                                      const Number* weight, const Number* bias, double eps, Number* out,               \
                                      int64_t out_row, float* means, float* reciprocals, int64_t rows,                 \
                                      int64_t width) {                                                                 \
        tunesmith::layer_norm<Number>({x, x_row}, {added, added_row}, weight, bias, float(eps), {out, out_row}, means, \
                                      reciprocals, {rows, width});                                                     \
    }                                                                                                                  \
    extern "C" void layer_norm_backward_##name(const Number* given, int64_t given_row, const Number* x, int64_t x_row, \
                                               const Number* weight, const float* means, const float* reciprocals,     \
                                               Number* into, int64_t into_row, float* d_weight, float* d_bias,         \
                                               int64_t rows, int64_t width) {                                          \
        auto run = d_weight ? tunesmith::layer_norm_backward<Number, true>                                             \
                            : tunesmith::layer_norm_backward<Number, false>;                                           \
        run({given, given_row}, {x, x_row}, weight, means, reciprocals, {into, into_row}, d_weight, d_bias,            \
            {rows, width});                                                                                            \
    }                                                                                                                  \
    extern "C" void sum_rows_##name(const Number* x, int64_t x_row, float* out, int64_t rows, int64_t width) {         \
        tunesmith::sum_rows<Number>({x, x_row}, out, {rows, width});                                                   \
    }

LAYER_NORMS(tunesmith::bf16, bf16)
LAYER_NORMS(float, f32)
