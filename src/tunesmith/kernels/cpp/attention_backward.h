// Attention's gradients: what one block of rows and 32 keys do with each other.
//
// Scores are made turned over, keys by rows, so that a row's numbers lie side by side and no sum runs across a
// register; the gradient by the queries comes out turned over as well.
#pragma once

#include "attention.h"

#ifdef TUNESMITH_ATTENTION

namespace tunesmith::attention {

namespace {

// Rows of a head, and keys, taken together; of several heads at once as many as stay in the second cache.
constexpr int64_t ROWS = 128, KEYS = 128, GROUP = KEYS / BLOCK, HELD = 32768;
constexpr int64_t SCORES_ROW = BLOCK + 16;

struct Backward {
    const Shape& shape;
    View given, out, query, key, value, d_query, d_key, d_value;
    const float* lse;
    void (*multiply)(const Product&);
};

// What a task holds of its keys, and what it adds up for them.
struct Keys {
    bf16 *key, *value, *turned;
    float *d_key, *d_value;
};

// What it holds of up to ROWS rows of `heads` heads. Blocks are those of the first 32 rows, head by head, then of the
// next 32. `apart`: numbers from row to row where the rows held run from left to right.
struct Held {
    bf16 *query_across, *query_along, *given_across, *given_along;
    float *d_query, *lse, *inner, *scale;
    int64_t heads, apart, head, first, blocks;
};

// Weights and slopes of the rows held: of 32 keys, key by key (left factors); of KEYS keys, in pairs (right factor).
struct Slopes {
    float *scores, *d_weights;
    bf16 *weights, *d_scores, *paired;
};

// What is done with the rows held: a block of them meets 32 keys at a time, key by key.
struct Unit {
    int64_t key, row;  // blocks: of keys in the task, of rows held
    bool last_of_keys, last_of_group;
};

template <bool Capped, bool Edge>
void weigh_block(const Shape& shape, const Held& rows, const Slopes& at, const Unit& unit, int64_t side,
                 int64_t ahead, int64_t left) {
    const int64_t b = unit.row, pairs = (unit.key % GROUP * (rows.heads * ROWS / 16) + 2 * b) * TILE;
    const __m512 by = _mm512_set1_ps((Capped ? shape.softcap : shape.scale) * LOG2_E);
    const __m512 inside = _mm512_set1_ps(Capped ? 2 * LOG2_E * shape.scale / shape.softcap : 0.0f);
    const float *scores = at.scores + side * BLOCK * SCORES_ROW, *d_weights = at.d_weights + side * BLOCK * SCORES_ROW;
    for (int j = 0; j < BLOCK; j += 2) {
        __m512 weight[2][2], slope[2][2];
        for (int i = 0; i < 2; i++)
            for (int half = 0; half < 2; half++) {
                int64_t from = (j + i) * SCORES_ROW + 16 * half, row = BLOCK * b + 16 * half;
                __m512 score = _mm512_load_ps(scores + from);
                if (Capped) score = tanh_of(inside * score);
                __m512 p = power_of_two(_mm512_fmsub_ps(score, by, _mm512_load_ps(rows.lse + row)));
                if (Edge) p = _mm512_maskz_mov_ps(j + i < left ? sees(ahead + 16 * half - j - i, shape) : 0, p);
                weight[i][half] = p;
                p = p * (_mm512_load_ps(d_weights + from) - _mm512_load_ps(rows.inner + row));
                slope[i][half] = Capped ? _mm512_fnmadd_ps(p * score, score, p) : p;
            }
        for (int i = 0; i < 2; i++) {
            int64_t to = (j + i) * rows.apart + BLOCK * b;
            _mm512_store_si512(at.weights + to, (__m512i)_mm512_cvtne2ps_pbh(weight[i][1], weight[i][0]));
            _mm512_store_si512(at.d_scores + to, (__m512i)_mm512_cvtne2ps_pbh(slope[i][1], slope[i][0]));
        }
        for (int half = 0; half < 2; half++)
            _mm512_store_si512(at.paired + pairs + half * TILE + 16 * j, in_pairs(slope[0][half], slope[1][half]));
    }
}

// Blocks of rows that see one of the keys key .. key + 32.
Span seeing(const Shape& shape, const Held& rows, int64_t key) {
    int64_t begin = std::max<int64_t>(0, (key + shape.nearest() - rows.first) / BLOCK) * rows.heads;
    int64_t beyond = key + BLOCK - 1 + shape.window - rows.first;
    int64_t end = beyond <= 0 ? 0 : std::min(rows.blocks, (beyond + BLOCK - 1) / BLOCK * rows.heads);
    return {begin, std::max(begin, end)};
}

// q.k and given.v of a unit.
void score(const Backward& all, const Keys& keys, const Held& rows, const Slopes& slopes, const Unit& unit,
           int64_t side) {
    int64_t width = all.shape.width, steps = width / 32;
    int64_t from = unit.key * BLOCK * width, at = 2 * unit.row * steps * TILE;
    Product product{keys.key + from, rows.query_across + at, slopes.scores + side * BLOCK * SCORES_ROW, width, TILE,
                    steps * TILE, SCORES_ROW, 2, 2, int(steps), false};
    all.multiply(product);
    product.left = keys.value + from;
    product.right = rows.given_across + at;
    product.out = slopes.d_weights + side * BLOCK * SCORES_ROW;
    all.multiply(product);
}

void weigh(const Backward& all, const Task& task, const Held& rows, const Slopes& slopes, const Unit& unit,
           int64_t side) {
    const Shape& shape = all.shape;
    int64_t ahead = rows.first + BLOCK * (unit.row / rows.heads) - task.seen - BLOCK * unit.key;
    int64_t key = task.seen + BLOCK * unit.key;
    bool edge = is_edge(ahead, key, task, shape);
    auto* block = shape.softcap > 0 ? edge ? weigh_block<true, true> : weigh_block<true, false>
                                    : edge ? weigh_block<false, true> : weigh_block<false, false>;
    block(shape, rows, slopes, unit, side, ahead, task.end - key);
}

// 32 keys gather their gradients from the rows that see them.
void gather(const Backward& all, const Keys& keys, const Held& rows, const Slopes& slopes, int64_t key, Span span) {
    int64_t width = all.shape.width, right = span.begin * BLOCK * width, to = key * BLOCK * width;
    int64_t left = BLOCK * span.begin;
    Product product{slopes.weights + left, rows.given_along + right, keys.d_value + to, rows.apart,
                    width / 16 * TILE, TILE, width, 2, int(width / 16), int(span.end - span.begin), true};
    all.multiply(product);
    product.left = slopes.d_scores + left;
    product.right = rows.query_along + right;
    product.out = keys.d_key + to;
    all.multiply(product);
}

// The rows held gather theirs from a group of KEYS keys.
void gather_rows(const Backward& all, const Keys& keys, const Held& rows, const Slopes& slopes, int64_t group,
                 const Span* spans, int64_t end, bool begun) {
    int64_t width = all.shape.width, first = group * GROUP, count = std::min(GROUP, end - first);
    int64_t tiles = rows.heads * ROWS / 16;
    auto met = [&](int64_t k, int64_t b) { return spans[first + k].begin <= b && b < spans[first + k].end; };
    for (int64_t b = 0; b < rows.blocks; b++) {
        int64_t from = 0, to = count;
        while (from < to && !met(from, b)) from++;
        while (from < to && !met(to - 1, b)) to--;
        if (from == to && begun) continue;
        all.multiply({keys.turned + group * KEYS * width + from * BLOCK, slopes.paired + (from * tiles + 2 * b) * TILE,
                      rows.d_query + BLOCK * b, KEYS, tiles * TILE, TILE, rows.apart, int(width / 16), 2,
                      int(to - from), begun});
    }
}

}  // namespace

}  // namespace tunesmith::attention

#endif
