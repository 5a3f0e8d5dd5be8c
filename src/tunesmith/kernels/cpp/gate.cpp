// activation(gate) * up or the activation alone, and their gradients: one pass over memory each.
#include "vector.h"

namespace tunesmith {
namespace {

struct Active {
    Lane value, slope;
};

struct Silu {
    static inline Active at(Lane x) {
        Lane share = sigmoid(x), value = x * share;
        return {value, share + value * (1.0f - share)};
    }
};

struct GeluTanh {  // x / 2 (1 + tanh u) is x sigmoid(2 u)
    static inline Active at(Lane x) {
        constexpr float outer = 1.5957691216057308f, inner = 0.044715f;  // 2 sqrt(2 / pi)
        Lane square = x * x;
        Lane share = sigmoid(outer * x * (1.0f + inner * square)), value = x * share;
        return {value, share + value * (1.0f - share) * (outer * (1.0f + 3.0f * inner * square))};
    }
};

struct Gelu {  // Abramowitz and Stegun 1964, 7.1.26: the error function to 1.5e-7
    static inline Active at(Lane x) {
        Lane size = x < 0.0f ? -x : x;
        Lane t = 1.0f / (1.0f + size * (0.3275911f * 0.70710678118654752f));
        Lane bell = bounded_exponential(x * x * -0.5f);
        Lane p = t * 1.061405429f - 1.453152027f;
        p = p * t + 1.421413741f;
        p = p * t - 0.284496736f;
        p = p * t + 0.254829592f;
        Lane beyond = p * t * bell * 0.5f;  // the share of a normal distribution that lies above `size`
        Lane share = x < 0.0f ? beyond : 1.0f - beyond;
        return {x * share, share + x * bell * 0.3989422804014327f};
    }
};

template <class Number>
struct Columns {
    Number* start;
    int64_t row;
};

// Calls work(row, column, count) for every sixteen numbers.
template <class Work>
inline void each_piece(int64_t rows, int64_t width, Work&& work) {
    each_share(rows, rows * width, [&](Span span, int, int) {
        for (int64_t row = span.begin; row < span.end; row++) {
            int64_t i = 0;
            for (; i + LANE <= width; i += LANE) work(row, i, LANE);
            if (i < width) work(row, i, int(width - i));
        }
    });
}

template <class Kind, class Number>
void gated(Columns<const Number> gate, Columns<const Number> up, Columns<Number> out, int64_t rows, int64_t width) {
    each_piece(rows, width, [&](int64_t row, int64_t i, int count) {
        Lane value = Kind::at(load(gate.start + row * gate.row + i, count)).value;
        store(out.start + row * out.row + i, value * load(up.start + row * up.row + i, count), count);
    });
}

template <class Kind, class Number>
void gated_backward(Columns<const Number> given, Columns<Number> gate, Columns<Number> up, Columns<Number> act,
                    int64_t rows, int64_t width) {
    each_piece(rows, width, [&](int64_t row, int64_t i, int count) {
        Number *gates = gate.start + row * gate.row + i, *ups = up.start + row * up.row + i;
        Lane arriving = load(given.start + row * given.row + i, count), other = load(ups, count);
        Active active = Kind::at(load(gates, count));
        store(act.start + row * act.row + i, active.value * other, count);
        store(gates, arriving * other * active.slope, count);
        store(ups, arriving * active.value, count);
    });
}

template <class Kind, class Number>
void active(Columns<const Number> x, Columns<Number> out, int64_t rows, int64_t width) {
    each_piece(rows, width, [&](int64_t row, int64_t i, int count) {
        store(out.start + row * out.row + i, Kind::at(load(x.start + row * x.row + i, count)).value, count);
    });
}

template <class Kind, class Number>
void active_backward(Columns<const Number> given, Columns<Number> x, Columns<Number> act, int64_t rows,
                     int64_t width) {
    each_piece(rows, width, [&](int64_t row, int64_t i, int count) {
        Number* numbers = x.start + row * x.row + i;
        Lane arriving = load(given.start + row * given.row + i, count);
        Active active = Kind::at(load(numbers, count));
        store(act.start + row * act.row + i, active.value, count);
        store(numbers, arriving * active.slope, count);
    });
}

}  // namespace
}  // namespace tunesmith

#define GATE(Number, number, Kind, kind)                                                                               \
    extern "C" void gated_##kind##_##number(const Number* gate, int64_t gate_row, const Number* up, int64_t up_row,    \
                                            Number* out, int64_t out_row, int64_t rows, int64_t width) {               \
        tunesmith::gated<tunesmith::Kind, Number>({gate, gate_row}, {up, up_row}, {out, out_row}, rows, width);        \
    }                                                                                                                  \
    extern "C" void gated_backward_##kind##_##number(const Number* given, int64_t given_row, Number* gate,             \
                                                     int64_t gate_row, Number* up, int64_t up_row, Number* act,        \
                                                     int64_t act_row, int64_t rows, int64_t width) {                   \
        tunesmith::gated_backward<tunesmith::Kind, Number>({given, given_row}, {gate, gate_row}, {up, up_row},         \
                                                           {act, act_row}, rows, width);                               \
    }                                                                                                                  \
    extern "C" void active_##kind##_##number(const Number* x, int64_t x_row, Number* out, int64_t out_row,             \
                                             int64_t rows, int64_t width) {                                            \
        tunesmith::active<tunesmith::Kind, Number>({x, x_row}, {out, out_row}, rows, width);                           \
    }                                                                                                                  \
    extern "C" void active_backward_##kind##_##number(const Number* given, int64_t given_row, Number* x,               \
                                                      int64_t x_row, Number* act, int64_t act_row, int64_t rows,       \
                                                      int64_t width) {                                                 \
        tunesmith::active_backward<tunesmith::Kind, Number>({given, given_row}, {x, x_row}, {act, act_row}, rows,      \
                                                            width);                                                    \
    }
#define GATES(Number, number)              \
    GATE(Number, number, Silu, silu)       \
    GATE(Number, number, Gelu, gelu)       \
    GATE(Number, number, GeluTanh, gelu_tanh)

GATES(tunesmith::bf16, bf16)
GATES(float, f32)
