// One new token of each of several sequences against the keys and values that each remembers, its own included.
//
// A task is one sequence and one key head, with the query heads that share it: what it answers depends on no other.
#include <cmath>
#include <vector>

#include "common.h"

namespace tunesmith {
namespace {

// keys, values: (heads, room, width) of one sequence, of which `known` tokens are remembered.
struct Remembered {
    void *keys, *values;
    int64_t room, known;
};

struct CachedShape {
    int64_t rows, heads, shared, width, window;
    float scale;
};

// (rows, heads, width): head `h` of row `r` starts at `at + r * row + h * head`.
struct Part {
    void* at;
    int64_t row, head;
    template <class Number>
    Number* of(int64_t r, int64_t h) const { return static_cast<Number*>(at) + r * row + h * head; }
};

constexpr int LANES = 4;  // summed at a time, for each query head

// Scores of the tokens from `begin` on become weights that sum to 1.
void soften(float* scores, int64_t count) {
    Lane most = all(-INFINITY), sums = {};
    int64_t at = 0;
    for (; at + LANE <= count; at += LANE) most = larger(most, load(scores + at));
    float highest = largest(most);
    for (int64_t rest = at; rest < count; rest++) highest = scores[rest] > highest ? scores[rest] : highest;
    for (at = 0; at + LANE <= count; at += LANE) {
        Lane power = exponential(load(scores + at) - highest);
        store(scores + at, power);
        sums = sums + power;
    }
    float whole = sum(sums);
    if (at < count) {
        store(scores + at, exponential(load(scores + at, int(count - at)) - highest), int(count - at));
        for (; at < count; at++) whole += scores[at];
    }
    Lane share = all(1.0f / whole);
    for (at = 0; at + LANE <= count; at += LANE) store(scores + at, load(scores + at) * share);
    for (; at < count; at++) scores[at] *= share[0];
}

template <class Number, int SHARED>
void attend(const CachedShape& shape, const Number* keys, const Number* values, const Part& query, const Part& out,
            int64_t row, int64_t first_head, int64_t count, float* scores) {
    const int64_t width = shape.width;
    const Number* q[SHARED];
    for (int g = 0; g < SHARED; g++) q[g] = query.of<Number>(row, first_head + g);
    for (int64_t t = 0; t < count; t++) {
        Lane dots[SHARED] = {};
        for (int64_t i = 0; i < width; i += LANE) {
            Lane key = load(keys + t * width + i);
            for (int g = 0; g < SHARED; g++) dots[g] = dots[g] + key * load(q[g] + i);
        }
        for (int g = 0; g < SHARED; g++) scores[g * count + t] = sum(dots[g]) * shape.scale;
    }
    for (int g = 0; g < SHARED; g++) soften(scores + g * count, count);
    for (int64_t i = 0; i < width; i += LANES * LANE) {
        int lanes = int(width - i < LANES * LANE ? (width - i) / LANE : LANES);
        Lane sums[SHARED][LANES] = {};
        for (int64_t t = 0; t < count; t++)
            for (int l = 0; l < lanes; l++) {
                Lane value = load(values + t * width + i + l * LANE);
                for (int g = 0; g < SHARED; g++) sums[g][l] = sums[g][l] + value * scores[g * count + t];
            }
        for (int g = 0; g < SHARED; g++)
            for (int l = 0; l < lanes; l++) store(out.of<Number>(row, first_head + g) + i + l * LANE, sums[g][l]);
    }
}

template <class Number>
void cached(const CachedShape& shape, const Remembered* remembered, const Part* parts) {
    const Part &query = parts[0], &key = parts[1], &value = parts[2], &out = parts[3];
    int64_t tokens = 0;
    for (int64_t row = 0; row < shape.rows; row++) tokens += remembered[row].known + 1;
    each_share(shape.rows * shape.heads, tokens * shape.heads * shape.width, [&](Span span, int, int) {
        std::vector<float> scores;
        for (int64_t task = span.begin; task < span.end; task++) {
            int64_t row = task / shape.heads, head = task % shape.heads;
            const Remembered& memory = remembered[row];
            Number *keys = static_cast<Number*>(memory.keys) + head * memory.room * shape.width,
                   *values = static_cast<Number*>(memory.values) + head * memory.room * shape.width;
            std::memcpy(keys + memory.known * shape.width, key.of<Number>(row, head), shape.width * sizeof(Number));
            std::memcpy(values + memory.known * shape.width, value.of<Number>(row, head), shape.width * sizeof(Number));
            int64_t end = memory.known + 1, begin = end > shape.window ? end - shape.window : 0, count = end - begin;
            int64_t offset = begin * shape.width, done = 0;
            scores.resize(4 * count);
            for (; done + 4 <= shape.shared; done += 4)
                attend<Number, 4>(shape, keys + offset, values + offset, query, out, row, head * shape.shared + done,
                                  count, scores.data());
            int64_t next = head * shape.shared + done;
            switch (shape.shared - done) {
                case 3: attend<Number, 3>(shape, keys + offset, values + offset, query, out, row, next, count, scores.data()); break;
                case 2: attend<Number, 2>(shape, keys + offset, values + offset, query, out, row, next, count, scores.data()); break;
                case 1: attend<Number, 1>(shape, keys + offset, values + offset, query, out, row, next, count, scores.data()); break;
            }
        }
    });
}

}  // namespace
}  // namespace tunesmith

#define CACHED(Number, name)                                                                                           \
    extern "C" void cached_attention_##name(const tunesmith::CachedShape* shape,                                       \
                                            const tunesmith::Remembered* remembered, const tunesmith::Part* parts) {   \
        tunesmith::cached<Number>(*shape, remembered, parts);                                                          \
    }

CACHED(tunesmith::bf16, bf16)
CACHED(float, f32)
