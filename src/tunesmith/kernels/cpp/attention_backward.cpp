// Attention's gradients: scores made again, block by block, and never held for more than a few blocks (Dao 2022).
//
// Scores are made turned over, keys by rows, so that a row's numbers lie side by side and no sum runs across a
// register; the gradient by the queries comes out turned over as well.
#include "attention.h"

namespace tunesmith {

#ifdef TUNESMITH_ATTENTION

namespace {

constexpr int64_t ROWS = 128, KEYS = 64;  // taken together: what is held of them stays in the second cache
constexpr int64_t SCORES_ROW = BLOCK + 16, WEIGHTS_ROW = ROWS + 32;
constexpr int64_t ROWS_A_PART = 1024;

struct Backward {
    const AttentionShape& shape;
    View given, out, query, key, value, d_query, d_key, d_value;
    const float* lse;
    void (*multiply)(const Product&);
};

// What a task holds of its keys, and what it adds up for them.
struct Keys {
    bf16 *key, *value, *turned;
    float *d_key, *d_value;
};

// What it holds of up to ROWS rows of one head.
struct Rows {
    bf16 *plain, *query_across, *query_along, *given_across, *given_along;
    float *d_query, *lse, *inner, *scale;
    int64_t first, blocks;
};

// Weights and slopes of KEYS keys by ROWS rows: keys row by row (left factors), and in pairs of keys (right factor).
struct Slopes {
    float *scores, *d_weights;
    bf16 *weights, *d_scores, *paired;
};

template <bool Capped, bool Edge>
void weigh_block(const AttentionShape& shape, const Rows& rows, const Slopes& at, int64_t b, int64_t k, int64_t ahead) {
    const __m512 by = _mm512_set1_ps((Capped ? shape.softcap : shape.scale) * LOG2_E);
    const __m512 inside = _mm512_set1_ps(Capped ? 2 * LOG2_E * shape.scale / shape.softcap : 0.0f);
    const float *scores = at.scores + b % 2 * BLOCK * SCORES_ROW, *d_weights = at.d_weights + b % 2 * BLOCK * SCORES_ROW;
    for (int j = 0; j < BLOCK; j += 2) {
        __m512 weight[2][2], slope[2][2];
        for (int i = 0; i < 2; i++)
            for (int half = 0; half < 2; half++) {
                int64_t from = (j + i) * SCORES_ROW + 16 * half, row = BLOCK * b + 16 * half;
                __m512 score = _mm512_load_ps(scores + from);
                if (Capped) score = tanh_of(inside * score);
                __m512 p = power_of_two(_mm512_fmsub_ps(score, by, _mm512_load_ps(rows.lse + row)));
                if (Edge) p = _mm512_maskz_mov_ps(sees(ahead + 16 * half - j - i, shape.window), p);
                weight[i][half] = p;
                p = p * (_mm512_load_ps(d_weights + from) - _mm512_load_ps(rows.inner + row));
                slope[i][half] = Capped ? _mm512_fnmadd_ps(p * score, score, p) : p;
            }
        for (int i = 0; i < 2; i++) {
            int64_t to = (BLOCK * k + j + i) * WEIGHTS_ROW + BLOCK * b;
            _mm512_store_si512(at.weights + to, (__m512i)_mm512_cvtne2ps_pbh(weight[i][1], weight[i][0]));
            _mm512_store_si512(at.d_scores + to, (__m512i)_mm512_cvtne2ps_pbh(slope[i][1], slope[i][0]));
        }
        for (int half = 0; half < 2; half++)
            _mm512_store_si512(at.paired + (k * (ROWS / 16) + 2 * b + half) * TILE + 16 * j,
                               in_pairs(slope[0][half], slope[1][half]));
    }
}

// Blocks of rows, counted from `rows.first`, that see one of the keys key .. key + 32.
Span seeing(const AttentionShape& shape, const Rows& rows, int64_t key) {
    int64_t begin = std::max<int64_t>(0, (key - rows.first) / BLOCK);
    int64_t beyond = key + BLOCK - 1 + shape.window - rows.first;
    int64_t end = beyond <= 0 ? 0 : std::min(rows.blocks, (beyond + BLOCK - 1) / BLOCK);
    return {begin, std::max(begin, end)};
}

// q.k and given.v of 32 keys and the b-th block of rows.
void score(const Backward& all, const bf16* key, const bf16* value, const Rows& rows, const Slopes& slopes, int64_t b) {
    int64_t width = all.shape.width, steps = width / 32, at = 2 * b * steps * TILE, to = b % 2 * BLOCK * SCORES_ROW;
    Product product{key, rows.query_across + at, slopes.scores + to, width, TILE, steps * TILE, SCORES_ROW, 2, 2,
                    int(steps), false};
    all.multiply(product);
    product.left = value;
    product.right = rows.given_across + at;
    product.out = slopes.d_weights + to;
    all.multiply(product);
}

// 32 keys with the blocks of rows that see them. The next scores are begun before these are weighed: tiles and vectors
// work side by side.
void weigh(const Backward& all, const Keys& keys, int64_t key, int64_t at_key, int64_t k, const Rows& rows,
           const Slopes& slopes, Span span) {
    const AttentionShape& shape = all.shape;
    const bf16 *key_rows = keys.key + at_key * shape.width, *value_rows = keys.value + at_key * shape.width;
    score(all, key_rows, value_rows, rows, slopes, span.begin);
    for (int64_t b = span.begin; b < span.end; b++) {
        if (b + 1 < span.end) score(all, key_rows, value_rows, rows, slopes, b + 1);
        int64_t ahead = rows.first + BLOCK * b - key;
        bool edge = ahead < BLOCK || ahead + BLOCK > shape.window;
        auto* block = shape.softcap > 0 ? edge ? weigh_block<true, true> : weigh_block<true, false>
                                        : edge ? weigh_block<false, true> : weigh_block<false, false>;
        block(shape, rows, slopes, b, k, ahead);
    }
}

// KEYS keys from `key` on (`at_key` in what is held) with all rows held.
void meet(const Backward& all, const Keys& keys, int64_t key, int64_t at_key, int64_t key_blocks, const Rows& rows,
          const Slopes& slopes, bool begun) {
    int64_t width = all.shape.width;
    Span spans[KEYS / BLOCK];
    for (int64_t k = 0; k < key_blocks; k++) {
        Span span = spans[k] = seeing(all.shape, rows, key + BLOCK * k);
        if (span.begin == span.end) continue;
        weigh(all, keys, key + BLOCK * k, at_key + BLOCK * k, k, rows, slopes, span);
        int64_t left = BLOCK * (k * WEIGHTS_ROW + span.begin), right = span.begin * BLOCK * width;
        int64_t to = (at_key + BLOCK * k) * width;
        Product product{slopes.weights + left, rows.given_along + right, keys.d_value + to, WEIGHTS_ROW,
                        width / 16 * TILE, TILE, width, 2, int(width / 16), int(span.end - span.begin), true};
        all.multiply(product);
        product.left = slopes.d_scores + left;
        product.right = rows.query_along + right;
        product.out = keys.d_key + to;
        all.multiply(product);
    }
    for (int64_t b = 0; b < rows.blocks; b++) {
        int64_t begin = 0, end = key_blocks;
        while (begin < end && !(spans[begin].begin <= b && b < spans[begin].end)) begin++;
        while (begin < end && !(spans[end - 1].begin <= b && b < spans[end - 1].end)) end--;
        if (begin == end && begun) continue;
        all.multiply({keys.turned + at_key * width + begin * BLOCK, slopes.paired + (begin * (ROWS / 16) + 2 * b) * TILE,
                      rows.d_query + BLOCK * b, KEYS, ROWS / 16 * TILE, TILE, ROWS, int(width / 16), 2,
                      int(end - begin), begun});
    }
}

void hold_rows(const Backward& all, const AttentionTask& task, int64_t first, int64_t head, Rows& rows) {
    const AttentionShape& shape = all.shape;
    int64_t width = shape.width, count = std::min(ROWS, task.last - first), padded = whole_blocks(count);
    int64_t row = task.start + first;
    rows.first = first;
    rows.blocks = padded / BLOCK;
    copy_rows(all.query, row, count, padded, head, width, rows.plain);
    pack_across(rows.plain, padded, width, rows.query_across);
    pack_along(rows.plain, padded, width, rows.query_along);
    copy_rows(all.given, row, count, padded, head, width, rows.plain);
    pack_across(rows.plain, padded, width, rows.given_across);
    pack_along(rows.plain, padded, width, rows.given_along);
    for (int64_t r = 0; r < padded; r++) {
        __m512 sum = _mm512_setzero_ps();
        for (int64_t c = 0; r < count && c < width; c += 32) {
            __m512bh given = (__m512bh)_mm512_load_si512(rows.plain + r * width + c);
            sum = _mm512_dpbf16_ps(sum, given, (__m512bh)_mm512_loadu_si512(all.out.of(row + r, head) + c));
        }
        rows.inner[r] = _mm512_reduce_add_ps(sum);
        rows.lse[r] = r < count ? all.lse[head * shape.rows + row + r] * LOG2_E : 0.0f;
    }
}

void write_keys(const View& to, int64_t first, int64_t count, int64_t head, const float* from, int64_t width, float scale) {
    for (int64_t r = 0; r < count; r++)
        for (int64_t c = 0; c < width; c += 16)
            store(to.of(first + r, head) + c, load(from + r * width + c) * scale);
}

void slopes_of(const Backward& all, const AttentionTask& task, Room& room) {
    const AttentionShape& shape = all.shape;
    int64_t width = shape.width, count = task.last - task.seen, padded = whole_blocks(count);
    int64_t held = (padded + KEYS) * width;
    room.reset(held * 6 + (task.slopes ? 0 : held * 8) + ROWS * width * 14 + (ROWS + BLOCK * SCORES_ROW) * 16 +
               KEYS * WEIGHTS_ROW * 6 + 4096);
    Keys keys{room.take<bf16>(held), room.take<bf16>(held), room.take<bf16>(held), task.slopes, nullptr};
    if (!task.slopes) keys.d_key = room.take<float>(held * 2);
    keys.d_value = keys.d_key + padded * width;
    Rows rows{room.take<bf16>(ROWS * width), room.take<bf16>(ROWS * width), room.take<bf16>(ROWS * width),
              room.take<bf16>(ROWS * width), room.take<bf16>(ROWS * width), room.take<float>(ROWS * width),
              room.take<float>(ROWS), room.take<float>(ROWS), room.take<float>(ROWS), 0, 0};
    std::fill(rows.scale, rows.scale + ROWS, shape.scale);
    Slopes slopes{room.take<float>(2 * BLOCK * SCORES_ROW), room.take<float>(2 * BLOCK * SCORES_ROW),
                  room.take<bf16>(KEYS * WEIGHTS_ROW), room.take<bf16>(KEYS * WEIGHTS_ROW), room.take<bf16>(KEYS * ROWS)};
    copy_rows(all.key, task.start + task.seen, count, padded, task.key_head, width, keys.key);
    copy_rows(all.value, task.start + task.seen, count, padded, task.key_head, width, keys.value);
    turn_over(keys.key, padded, width, KEYS, keys.turned);
    std::memset(keys.d_key, 0, padded * width * 2 * sizeof(float));
    int64_t group = shape.heads / shape.shared;
    for (int64_t head = task.key_head * group; head < (task.key_head + 1) * group; head++)
        for (int64_t first = task.first; first < task.last; first += ROWS) {
            hold_rows(all, task, first, head, rows);
            int64_t lowest = std::max(task.seen, first - shape.window + 1);
            int64_t begin = task.seen + (lowest - task.seen) / KEYS * KEYS;
            int64_t end = std::min(task.seen + padded, first + rows.blocks * BLOCK);
            for (int64_t key = begin; key < end; key += KEYS)
                meet(all, keys, key, key - task.seen, std::min(KEYS, end - key) / BLOCK, rows, slopes, key > begin);
            write_turned(all.d_query, task.start + first, std::min(ROWS, task.last - first), head, rows.d_query, ROWS,
                         rows.scale, width);
        }
    if (task.slopes) return;
    write_keys(all.d_key, task.start, count, task.key_head, keys.d_key, width, shape.scale);
    write_keys(all.d_value, task.start, count, task.key_head, keys.d_value, width, 1.0f);
}

// Memory for the sums of tasks that are only a part of their document.
void lend(const AttentionShape& shape, std::vector<AttentionTask>& tasks, Room& room) {
    auto needed = [&](const AttentionTask& task) {
        return task.parts > 1 ? whole_blocks(task.last - task.seen) * shape.width * 2 : 0;
    };
    int64_t total = 0;
    for (const AttentionTask& task : tasks) total += needed(task);
    room.reset(total * sizeof(float) + 64 * tasks.size());
    for (AttentionTask& task : tasks)
        if (task.parts > 1) task.slopes = room.take<float>(needed(task));
}

// Adds what one part found for these keys.
void add_part(const AttentionShape& shape, const AttentionTask& part, float* sums, Span keys) {
    int64_t width = shape.width, begin = std::max(keys.begin, part.seen), end = std::min(keys.end, part.last);
    int64_t padded = whole_blocks(part.last - part.seen);
    for (int64_t key = begin; key < end; key++)
        for (int half = 0; half < 2; half++) {
            const float* from = part.slopes + (half * padded + key - part.seen) * width;
            float* to = sums + (half * (keys.end - keys.begin) + key - keys.begin) * width;
            for (int64_t c = 0; c < width; c += 16) store(to + c, load(to + c) + load(from + c));
        }
}

// The gradients of `keys` of one document, from all its parts.
void write_sum(const Backward& all, const std::vector<AttentionTask>& tasks, const AttentionTask& last, Span keys, Room& room) {
    int64_t width = all.shape.width, count = keys.end - keys.begin;
    room.reset(count * width * 2 * sizeof(float));
    float* sums = room.take<float>(count * width * 2);
    std::memset(sums, 0, count * width * 2 * sizeof(float));
    for (int64_t part = 0; part < last.parts; part++)
        for (const AttentionTask& task : tasks)
            if (task.start == last.start && task.key_head == last.key_head && task.part == part)
                add_part(all.shape, task, sums, keys);
    int64_t first = last.start + keys.begin;
    write_keys(all.d_key, first, count, last.key_head, sums, width, all.shape.scale);
    write_keys(all.d_value, first, count, last.key_head, sums + count * width, width, 1.0f);
}

}  // namespace

// views: given, out, query, key, value, and the gradients by query, key and value. lse: (heads, rows).
extern "C" void attention_backward(const AttentionShape* shape, const View* views, const int64_t* borders,
                                   const float* lse) {
    static thread_local Room shared;
    std::vector<AttentionTask> tasks = attention_tasks(*shape, borders, ROWS_A_PART);
    lend(*shape, tasks, shared);
    std::vector<std::pair<const AttentionTask*, Span>> sums;
    for (const AttentionTask& task : tasks)
        if (task.parts > 1 && task.part + 1 == task.parts)
            for (int64_t key = 0; key < task.last; key += ROWS_A_PART / 4)
                sums.push_back({&task, {key, std::min(task.last, key + ROWS_A_PART / 4)}});
    Backward all{*shape, views[0], views[1], views[2], views[3], views[4], views[5], views[6], views[7], lse,
                 shape->tiles ? multiply_by_tiles : multiply_by_pairs};
#pragma omp parallel
    {
        static thread_local Room room;
        if (shape->tiles) begin_tiles();
#pragma omp for schedule(dynamic, 1)
        for (size_t i = 0; i < tasks.size(); i++) slopes_of(all, tasks[i], room);
        if (shape->tiles) end_tiles();
#pragma omp for schedule(dynamic, 1)
        for (size_t i = 0; i < sums.size(); i++) write_sum(all, tasks, *sums[i].first, sums[i].second, room);
    }
}

#endif

}  // namespace tunesmith
