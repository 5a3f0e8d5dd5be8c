// Attention's answer, block by block: 32 rows with 32 keys at a time.
//
// Weights are powers of two of a score less a level that each row keeps. The level is the row's largest score among
// the first keys it sees, and is raised only where a later score stands far above it: between, weights may exceed one
// without harm, and nothing is rescaled (Milakov and Gimelshein 2018 rescale at every new maximum).
#include "attention.h"

namespace tunesmith::attention {

#ifdef TUNESMITH_ATTENTION

namespace {

constexpr int64_t STRETCH = 128, WEIGHTS_ROW = STRETCH + 32;  // keys whose weights are kept until they meet the values
constexpr int64_t ROWS_A_PART = 512;
constexpr float LOWEST = -1e30f;  // the level of a row that has seen nothing: minus infinity would give NaN
constexpr float FAR = 40.0f;      // a power of two: weights of up to 2^40 are as exact as others

struct Forward {
    const Shape& shape;
    View query, key, value, out;
    float* lse;
    void (*multiply)(const Product&);
    float scale;  // of scores that are exponents of two
};

// Keys and values of a task, packed from row `task.seen` on.
struct Packed {
    const bf16 *keys, *values;
};

// 32 rows of one head from row `first` of the document; keys `next` and on have not been met.
struct Block {
    bf16 *query, *weights;
    float *scores[2], *sums, *answer, *level;
    int64_t first, count, head, next, end, kept;
    bool begun;
};

void score(const Forward& all, const Task& task, const Packed& packed, const Block& block, int64_t key) {
    int64_t width = all.shape.width;
    float* scores = block.scores[key / BLOCK % 2];
    all.multiply({block.query, packed.keys + (key - task.seen) * width, scores, width, TILE, width / 32 * TILE, BLOCK,
                  2, 2, int(width / 32), false});
}

void cap(float* scores, const Shape& shape) {
    __m512 inner = _mm512_set1_ps(2 * LOG2_E * shape.scale / shape.softcap), outer = _mm512_set1_ps(shape.softcap);
    for (int64_t i = 0; i < BLOCK * BLOCK; i += 16)
        _mm512_store_ps(scores + i, outer * tanh_of(inner * _mm512_load_ps(scores + i)));
}

// Minus infinity where a row does not see a key; the first row stands `ahead` rows behind the first key, of which
// `left` are there.
void hide(float* scores, int64_t ahead, int64_t left, const Shape& shape) {
    for (int64_t r = 0; r < BLOCK; r++)
        for (int half = 0; half < 2; half++) {
            __mmask16 hidden = ~seen_from(ahead + r - 16 * half, left - 16 * half, shape);
            _mm512_mask_store_ps(scores + r * BLOCK + 16 * half, hidden, _mm512_set1_ps(-INFINITY));
        }
}

// Scores become weights, as yet not divided by their sum. False, with nothing changed but the place of the weights, if
// one stands far above its row's level.
bool weigh(Block& block, const float* scores, float scale) {
    __m512 by = _mm512_set1_ps(scale), most = _mm512_set1_ps(LOWEST), sums[BLOCK];
    for (int64_t r = 0; r < BLOCK; r++) {
        __m512 level = _mm512_set1_ps(block.level[r]);
        __m512 left = _mm512_fmsub_ps(_mm512_load_ps(scores + r * BLOCK), by, level);
        __m512 right = _mm512_fmsub_ps(_mm512_load_ps(scores + r * BLOCK + 16), by, level);
        most = _mm512_max_ps(most, _mm512_max_ps(left, right));
        left = power_of_two(left);
        right = power_of_two(right);
        sums[r] = _mm512_load_ps(block.sums + 16 * r) + (left + right);
        _mm512_store_si512(block.weights + r * WEIGHTS_ROW + block.kept, (__m512i)_mm512_cvtne2ps_pbh(right, left));
    }
    if (_mm512_cmp_ps_mask(most, _mm512_set1_ps(FAR), _CMP_GT_OQ)) return false;
    for (int64_t r = 0; r < BLOCK; r++) _mm512_store_ps(block.sums + 16 * r, sums[r]);
    return true;
}

// The weights kept meet their values: the keys before `key`.
void answer(const Forward& all, const Task& task, const Packed& packed, Block& block, int64_t key) {
    if (block.kept == 0) return;
    int64_t width = all.shape.width, first = key - block.kept - task.seen;
    all.multiply({block.weights, packed.values + first * width, block.answer, WEIGHTS_ROW, width / 16 * TILE, TILE,
                  width, 2, int(width / 16), int(block.kept / 32), block.begun});
    block.kept = 0;
    block.begun = true;
}

// Raises each row's level to the largest of these scores; what was added up before counts accordingly less.
void raise(Block& block, const float* scores, float scale, int64_t width) {
    for (int64_t r = 0; r < BLOCK; r++) {
        __m512 both = _mm512_max_ps(_mm512_load_ps(scores + r * BLOCK), _mm512_load_ps(scores + r * BLOCK + 16));
        float level = std::max(block.level[r], _mm512_reduce_max_ps(both) * scale);
        if (block.level[r] > LOWEST && level > block.level[r]) {
            __m512 less = power_of_two(_mm512_set1_ps(block.level[r] - level));
            _mm512_store_ps(block.sums + 16 * r, _mm512_load_ps(block.sums + 16 * r) * less);
            for (int64_t c = 0; block.begun && c < width; c += 16) {
                float* place = block.answer + r * width + c;
                _mm512_store_ps(place, _mm512_load_ps(place) * less);
            }
        }
        block.level[r] = level;
    }
}

void write(const Forward& all, const Task& task, const Block& block) {
    int64_t width = all.shape.width, start = task.start + block.first;
    alignas(64) float shares[BLOCK];
    for (int64_t r = 0; r < block.count; r += 16) {
        __m512 total = sums_of_rows(block.sums + 16 * r);
        _mm512_store_ps(shares + r, _mm512_set1_ps(1.0f) / total);
        __m512 lse = (_mm512_load_ps(block.level + r) + log_of(total)) / LOG2_E;
        int here = int(std::min<int64_t>(16, block.count - r));
        store(all.lse + block.head * all.shape.rows + start + r, (Lane)lse, here);
    }
    for (int64_t r = 0; r < block.count; r++) {
        __m512 share = _mm512_set1_ps(shares[r]);
        const float* from = block.answer + r * width;
        bf16* to = all.out.of(start + r, block.head);
        for (int64_t c = 0; c < width; c += 32) {
            __m512 left = _mm512_load_ps(from + c) * share, right = _mm512_load_ps(from + c + 16) * share;
            _mm512_storeu_si512(to + c, (__m512i)_mm512_cvtne2ps_pbh(right, left));
        }
    }
}

// The i-th block of a task: its heads take turns.
void begin(const Forward& all, const Task& task, const Packed& packed, Block& block, int64_t i) {
    const Shape& shape = all.shape;
    int64_t group = shape.heads / shape.shared;
    block.first = task.first + i / group * BLOCK;
    block.head = task.key_head * group + i % group;
    block.count = std::min(BLOCK, task.last - block.first);
    int64_t beyond = std::min(task.end, shape.end_of_keys(block.first + BLOCK, task.end));
    block.end = shape.causal ? block.first + BLOCK : task.seen + whole_blocks(beyond - task.seen);
    block.next = task.seen + (std::max(task.seen, block.first - shape.window + 1) - task.seen) / BLOCK * BLOCK;
    block.kept = 0;
    block.begun = false;
    copy_rows({all.query, task.start + block.first, block.count, block.head}, BLOCK, shape.width, block.query);
    bool more = i % group + 1 < group;  // heads of these rows; else the next block's first
    for (int64_t r = block.first + (more ? 0 : BLOCK), end = std::min(r + BLOCK, task.last); r < end; r++)
        fetch(all.query, task.start + r, more ? block.head + 1 : task.key_head * group, shape.width);
    std::fill(block.level, block.level + BLOCK, LOWEST);
    std::memset(block.sums, 0, BLOCK * 16 * sizeof(float));
    score(all, task, packed, block, block.next);
}

void meet(const Forward& all, const Task& task, const Packed& packed, Block& block) {
    const Shape& shape = all.shape;
    int64_t key = block.next, ahead = block.first - key;
    float* scores = block.scores[key / BLOCK % 2];
    if (shape.softcap > 0) cap(scores, shape);
    if (is_edge(ahead, key, task, shape)) hide(scores, ahead, task.end - key, shape);
    if (block.level[0] == LOWEST) raise(block, scores, all.scale, shape.width);
    if (!weigh(block, scores, all.scale)) {
        answer(all, task, packed, block, key);
        raise(block, scores, all.scale, shape.width);
        weigh(block, scores, all.scale);
    }
    block.kept += BLOCK;
    block.next += BLOCK;
    if (block.kept == STRETCH || block.next == block.end) answer(all, task, packed, block, block.next);
}

// The scores of the next keys, or of the next block's first, are made before these are weighed, so that none waits for
// what it follows.
void answer_all(const Forward& all, const Task& task, const Packed& packed, Block blocks[2]) {
    int64_t total = whole_blocks(task.last - task.first) / BLOCK * (all.shape.heads / all.shape.shared);
    begin(all, task, packed, blocks[0], 0);
    for (int64_t i = 0; i < total; i++) {
        Block& block = blocks[i % 2];
        while (block.next < block.end) {
            if (block.next + BLOCK < block.end) score(all, task, packed, block, block.next + BLOCK);
            else if (i + 1 < total) begin(all, task, packed, blocks[(i + 1) % 2], i + 1);
            meet(all, task, packed, block);
        }
        write(all, task, block);
    }
}

struct Work {
    bf16 *keys, *values;
    Block blocks[2];
};

void take_task(const Forward& all, const Task& task, Room& room) {
    int64_t width = all.shape.width, count = task.end - task.seen, padded = whole_blocks(count);
    Work work = room.hand_out([&] {
        Work made{room.take<bf16>(padded * width), room.take<bf16>(padded * width), {}};
        for (Block& block : made.blocks) {
            block.query = room.take<bf16>(BLOCK * width);
            block.weights = room.take<bf16>(BLOCK * WEIGHTS_ROW);
            for (float*& scores : block.scores) scores = room.take<float>(BLOCK * BLOCK);
            block.sums = room.take<float>(BLOCK * 16);
            block.answer = room.take<float>(BLOCK * width);
            block.level = room.take<float>(BLOCK);
        }
        return made;
    });
    pack_across({all.key, task.start + task.seen, count, task.key_head}, padded, width, work.keys);
    pack_along({all.value, task.start + task.seen, count, task.key_head}, padded, width, work.values);
    answer_all(all, task, {work.keys, work.values}, work.blocks);
}

}  // namespace

// views: query, key, value, out. lse: (heads, rows).
extern "C" void attention_forward(const Shape* shape, const View* views, const int64_t* borders, float* lse) {
    std::vector<Task> tasks = tasks_of(*shape, borders, ROWS_A_PART);
    Forward all{*shape, views[0], views[1], views[2], views[3], lse,
                shape->tiles ? multiply_by_tiles : multiply_by_pairs,
                (shape->softcap > 0 ? 1.0f : shape->scale) * LOG2_E};
#pragma omp parallel
    {
        static thread_local Room room;
        if (shape->tiles) begin_tiles();
#pragma omp for schedule(dynamic, 1)
        for (size_t i = 0; i < tasks.size(); i++) take_task(all, tasks[i], room);
        if (shape->tiles) end_tiles();
    }
}

#endif

}  // namespace tunesmith::attention
