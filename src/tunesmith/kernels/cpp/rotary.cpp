// Rotary position embeddings, in place: number i of a head turns with number i + half.
#include "common.h"

namespace tunesmith {
namespace {

template <class Number, class Angle>
void rotate(Number* x, int64_t x_row, int64_t x_head, const Angle* cos, int64_t cos_row, const Angle* sin,
            int64_t sin_row, int64_t rows, int64_t heads, int64_t half, float sign) {
    // The transposed matrix has the sines the other way round: each with the number that it falls on.
    int64_t on_first = sign < 0 ? half : 0, on_second = sign < 0 ? 0 : half;
    each_share(rows, rows * heads * half * 2, [&](Span span, int, int) {
        auto turn = [&](int64_t row, int64_t i, int count) __attribute__((always_inline)) {
            const Angle *cosines = cos + row * cos_row + i, *sines = sin + row * sin_row + i;
            Lane cos_first = load(cosines, count), cos_second = load(cosines + half, count);
            Lane sin_first = load(sines + on_first, count) * sign, sin_second = load(sines + on_second, count) * sign;
            for (int64_t head = 0; head < heads; head++) {
                Number* start = x + row * x_row + head * x_head + i;
                Lane first = load(start, count), second = load(start + half, count);
                store(start, first * cos_first - second * sin_first, count);
                store(start + half, second * cos_second + first * sin_second, count);
            }
        };
        for (int64_t row = span.begin; row < span.end; row++) {
            int64_t i = 0;
            for (; i + LANE <= half; i += LANE) turn(row, i, LANE);
            if (i < half) turn(row, i, int(half - i));
        }
    });
}

}  // namespace
}  // namespace tunesmith

#define ROTATE(Number, Angle, name)                                                                                    \
    extern "C" void rotate_##name(Number* x, int64_t x_row, int64_t x_head, const Angle* cos, int64_t cos_row,         \
                                  const Angle* sin, int64_t sin_row, int64_t rows, int64_t heads, int64_t half,        \
                                  int64_t transpose) {                                                                 \
        tunesmith::rotate<Number, Angle>(x, x_row, x_head, cos, cos_row, sin, sin_row, rows, heads, half,              \
                                         transpose ? -1.0f : 1.0f);                                                    \
    }

ROTATE(tunesmith::bf16, tunesmith::bf16, bf16_bf16)
ROTATE(tunesmith::bf16, float, bf16_f32)
ROTATE(float, float, f32_f32)
