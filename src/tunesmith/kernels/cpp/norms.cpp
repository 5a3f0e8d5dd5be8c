// Root-mean-square norms. A row is read twice: once for its sum, and again, from the first cache, for its answer.
#include <cmath>
#include <vector>

#include "common.h"

namespace tunesmith {
namespace {

// Where a vector lies: its row and its head, and how many come before it.
struct Place {
    int64_t row, head, number;
};

template <class Number>
struct Rows {
    Number* start;
    int64_t row, head;  // the two strides, in numbers

    Number* at(Place place) const { return start + place.row * row + place.head * head; }
};

struct Size {
    int64_t rows, heads, width;
};

// Calls work(place, part) for each vector of `width` numbers, `heads` of them a row.
template <class Work>
inline void each_vector(Size size, Work&& work) {
    each_share(size.rows, size.rows * size.heads * size.width, [&](Span span, int part, int) {
        for (int64_t row = span.begin; row < span.end; row++)
            for (int64_t head = 0; head < size.heads; head++) work(Place{row, head, row * size.heads + head}, part);
    });
}

// The sum of term(place, count) over a row, in four sums that do not wait for one another.
template <class Term>
inline float summed(int64_t width, Term&& term) {
    Lane sums[4] = {};
    int64_t i = 0;
    for (; i + 4 * LANE <= width; i += 4 * LANE)
        for (int k = 0; k < 4; k++) sums[k] += term(i + k * LANE, LANE);
    for (; i + LANE <= width; i += LANE) sums[0] += term(i, LANE);
    if (i < width) sums[1] += term(i, int(width - i));
    return sum((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

template <class Work>
inline void each_lane(int64_t width, Work&& work) {
    int64_t i = 0;
    for (; i + LANE <= width; i += LANE) work(i, LANE);
    if (i < width) work(i, int(width - i));
}

// What a row is multiplied by: one where there is no weight.
template <class Number>
struct Weight {
    const Number* start;
    float offset;

    Lane at(int64_t i, int count) const { return start ? load(start + i, count) + offset : all(1.0f); }
};

template <class Number>
void norm(Rows<const Number> x, Weight<Number> weight, float eps, Rows<Number> out, float* reciprocal, Size size) {
    each_vector(size, [&](Place place, int) {
        const Number* from = x.at(place);
        Number* to = out.at(place);
        float squares = summed(size.width, [&](int64_t i, int count) {
            Lane value = load(from + i, count);
            return value * value;
        });
        float root = 1.0f / std::sqrt(squares / float(size.width) + eps);
        reciprocal[place.number] = root;
        each_lane(size.width, [&](int64_t i, int count) {
            store(to + i, load(from + i, count) * root * weight.at(i, count), count);
        });
    });
}

template <class Number, bool learns>
void norm_backward(Rows<const Number> given, Rows<const Number> x, Weight<Number> weight, const float* reciprocal,
                   Rows<Number> into, bool add, float* d_weight, Size size) {
    int64_t team = omp_get_max_threads(), width = size.width;
    std::vector<float> partial(learns ? team * width : 0);  // one row a thread, added up in their order
    each_vector(size, [&](Place place, int part) {
        const Number *arriving = given.at(place), *from = x.at(place);
        Number* to = into.at(place);
        float root = reciprocal[place.number];
        float inner = summed(width, [&](int64_t i, int count) {
            Lane g = load(arriving + i, count), product = g * load(from + i, count);
            if constexpr (learns) {
                float* learnt = partial.data() + part * width + i;
                store(learnt, load(learnt, count) + product * root, count);
            }
            return product * weight.at(i, count);
        });
        float back = root * root * root * inner / float(width);
        each_lane(width, [&](int64_t i, int count) {
            Lane d_x = load(arriving + i, count) * weight.at(i, count) * root - load(from + i, count) * back;
            store(to + i, add ? load(to + i, count) + d_x : d_x, count);
        });
    });
    if constexpr (learns)
        for (int64_t i = 0; i < width; i++) {
            float total = 0;
            for (int64_t part = 0; part < team; part++) total += partial[part * width + i];
            d_weight[i] = total;
        }
}

}  // namespace
}  // namespace tunesmith

#define NORMS(Number, name)                                                                                            \
    extern "C" void norm_##name(const Number* x, int64_t x_row, int64_t x_head, const Number* weight, double offset,   \
                                double eps, Number* out, int64_t out_row, int64_t out_head, float* reciprocal,         \
                                int64_t rows, int64_t heads, int64_t width) {                                          \
        tunesmith::norm<Number>({x, x_row, x_head}, {weight, float(offset)}, float(eps), {out, out_row, out_head},     \
                                reciprocal, {rows, heads, width});                                                     \
    }                                                                                                                  \
    extern "C" void norm_backward_##name(const Number* given, int64_t given_row, int64_t given_head, const Number* x,  \
                                         int64_t x_row, int64_t x_head, const Number* weight, double offset,           \
                                         const float* reciprocal, Number* into, int64_t into_row, int64_t into_head,   \
                                         int64_t add, float* d_weight, int64_t rows, int64_t heads, int64_t width) {   \
        auto run = d_weight ? tunesmith::norm_backward<Number, true> : tunesmith::norm_backward<Number, false>;        \
        run({given, given_row, given_head}, {x, x_row, x_head}, {weight, float(offset)}, reciprocal,                   \
            {into, into_row, into_head}, add, d_weight, {rows, heads, width});                                         \
    }

NORMS(tunesmith::bf16, bf16)
NORMS(float, f32)
