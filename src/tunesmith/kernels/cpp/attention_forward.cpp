// Attention's answer: softmax of one block of 32 rows at a time, over its keys in stretches that stay in the cache,
// rescaled where a later stretch has a larger score (Milakov and Gimelshein 2018).
//
// Scores are made turned over, keys by rows: sixteen rows lie side by side in a register, and neither their largest
// score nor their sum is looked for across it. The answer comes out turned over as well.
#include "attention.h"

namespace tunesmith {

#ifdef TUNESMITH_ATTENTION

namespace {

constexpr int64_t STRETCH = 128, ROWS_A_PART = 512;
constexpr float LOWEST = -1e30f;  // the largest score of a row that has seen nothing: minus infinity would give NaN

struct Forward {
    const AttentionShape& shape;
    View query, key, value, out;
    float* lse;
    void (*multiply)(const Product&);
};

// 32 rows of one head: (STRETCH, 32) scores, the weights they become, and the (D, 32) answer.
struct Block {
    bf16 *plain, *query, *paired;
    float *scores, *answer;
    __m512 top[2], total[2];
};

void cap(float* scores, int64_t keys, const AttentionShape& shape) {
    __m512 inner = _mm512_set1_ps(2 * LOG2_E * shape.scale / shape.softcap), outer = _mm512_set1_ps(shape.softcap);
    for (int64_t i = 0; i < keys * BLOCK; i += 16)
        _mm512_store_ps(scores + i, outer * tanh_of(inner * _mm512_load_ps(scores + i)));
}

// Minus infinity where a row does not see one of the keys `from` to `to` of the stretch; the first row stands `ahead`
// rows behind the first key of the stretch.
void hide(float* scores, int64_t from, int64_t to, int64_t ahead, int64_t window) {
    for (int64_t k = from; k < to; k++)
        for (int half = 0; half < 2; half++) {
            __mmask16 hidden = ~sees(ahead + 16 * half - k, window);
            _mm512_mask_store_ps(scores + k * BLOCK + 16 * half, hidden, _mm512_set1_ps(-INFINITY));
        }
}

// Scores become weights, as yet not divided by their sum; what was summed before counts `factor` as much.
void weigh(Block& block, int64_t keys, float scale, __m512 factor[2]) {
    __m512 by = _mm512_set1_ps(scale), less[2], sum[2][2], top[2][2];
    for (int half = 0; half < 2; half++) top[0][half] = top[1][half] = block.top[half];
    for (int64_t k = 0; k < keys; k += 2)
        for (int i = 0; i < 2; i++)
            for (int half = 0; half < 2; half++)
                top[i][half] = _mm512_max_ps(top[i][half], _mm512_load_ps(block.scores + (k + i) * BLOCK + 16 * half));
    for (int half = 0; half < 2; half++) {
        __m512 most = _mm512_max_ps(top[0][half], top[1][half]);
        factor[half] = power_of_two((block.top[half] - most) * by);
        block.top[half] = most;
        less[half] = most * by;
        sum[0][half] = block.total[half] * factor[half];
        sum[1][half] = _mm512_setzero_ps();
    }
    for (int64_t k = 0; k < keys; k += 2)
        for (int half = 0; half < 2; half++) {
            const float* at = block.scores + k * BLOCK + 16 * half;
            __m512 upper = power_of_two(_mm512_fmsub_ps(_mm512_load_ps(at), by, less[half]));
            __m512 lower = power_of_two(_mm512_fmsub_ps(_mm512_load_ps(at + BLOCK), by, less[half]));
            sum[0][half] += upper;
            sum[1][half] += lower;
            _mm512_store_si512(block.paired + (k / 32 * 2 + half) * TILE + k % 32 * 16, in_pairs(upper, lower));
        }
    for (int half = 0; half < 2; half++) block.total[half] = sum[0][half] + sum[1][half];
}

void rescale(float* answer, const __m512 factor[2], int64_t width) {
    __m512 least = _mm512_min_ps(factor[0], factor[1]);
    if (_mm512_cmp_ps_mask(least, _mm512_set1_ps(1.0f), _CMP_EQ_OQ) == 0xFFFF) return;
    for (int64_t i = 0; i < width * BLOCK; i += 16)
        _mm512_store_ps(answer + i, _mm512_load_ps(answer + i) * factor[i / 16 % 2]);
}

void write(const Forward& all, const Block& block, int64_t first, int64_t count, int64_t head, float scale) {
    alignas(64) float shares[BLOCK];
    for (int half = 0; half < 2; half++) {
        _mm512_store_ps(shares + 16 * half, _mm512_set1_ps(1.0f) / block.total[half]);
        __m512 lse = (block.top[half] * scale + log_of(block.total[half])) / LOG2_E;
        int64_t rows = std::min<int64_t>(16, count - 16 * half);
        if (rows > 0) store(all.lse + head * all.shape.rows + first + 16 * half, (Lane)lse, int(rows));
    }
    write_turned(all.out, first, count, head, block.answer, BLOCK, shares, all.shape.width);
}

// Rows r .. r + 32 of the document; keys and values are packed from row `task.seen` on.
void answer_block(const Forward& all, const AttentionTask& task, int64_t r, int64_t head, Block& block,
                  const bf16* keys, const bf16* values) {
    const AttentionShape& shape = all.shape;
    int64_t width = shape.width, count = std::min(BLOCK, task.last - r), window = shape.window, end = r + BLOCK;
    float scale = (shape.softcap > 0 ? 1.0f : shape.scale) * LOG2_E;
    __m512 factor[2];
    copy_rows(all.query, task.start + r, count, BLOCK, head, width, block.plain);
    pack_across(block.plain, BLOCK, width, block.query);
    for (int half = 0; half < 2; half++) {
        block.top[half] = _mm512_set1_ps(LOWEST);
        block.total[half] = _mm512_setzero_ps();
    }
    int64_t lowest = std::max(task.seen, r - window + 1) - task.seen;
    int64_t begin = task.seen + lowest / STRETCH * STRETCH;
    for (int64_t c = begin; c < end; c += STRETCH) {
        int64_t length = std::min(STRETCH, end - c), from = (c - task.seen) * width;
        all.multiply({keys + from, block.query, block.scores, width, TILE, width / 32 * TILE, BLOCK, int(length / 16), 2,
                      int(width / 32), false});
        if (shape.softcap > 0) cap(block.scores, length, shape);
        hide(block.scores, std::max<int64_t>(0, r - c), length, r - c, window);
        hide(block.scores, 0, std::min(length, r + BLOCK - window - c), r - c, window);
        weigh(block, length, scale, factor);
        if (c > begin) rescale(block.answer, factor, width);
        all.multiply({values + from, block.paired, block.answer, STRETCH, 2 * TILE, TILE, BLOCK, int(width / 16), 2,
                      int(length / 32), c > begin});
    }
    write(all, block, task.start + r, count, head, scale);
}

void answer(const Forward& all, const AttentionTask& task, Room& room) {
    const AttentionShape& shape = all.shape;
    int64_t width = shape.width, count = task.last - task.seen, padded = whole_blocks(count);
    room.reset((padded * 3 + STRETCH + BLOCK * 4) * width * 2 + BLOCK * STRETCH * 6 + 1024);
    bf16 *rows = room.take<bf16>(padded * width), *keys = room.take<bf16>(padded * width);
    bf16* values = room.take<bf16>((padded + STRETCH) * width);
    Block block;
    block.plain = room.take<bf16>(BLOCK * width);
    block.query = room.take<bf16>(BLOCK * width);
    block.paired = room.take<bf16>(BLOCK * STRETCH);
    block.scores = room.take<float>(BLOCK * STRETCH);
    block.answer = room.take<float>(BLOCK * width);
    copy_rows(all.key, task.start + task.seen, count, padded, task.key_head, width, keys);
    copy_rows(all.value, task.start + task.seen, count, padded, task.key_head, width, rows);
    turn_over(rows, padded, width, STRETCH, values);
    int64_t group = shape.heads / shape.shared, head = task.key_head * group;
    for (int64_t r = task.first; r < task.last; r += BLOCK) {
        for (int64_t next = r + BLOCK; next < std::min(task.last, r + 2 * BLOCK); next++)
            fetch(all.query, task.start + next, head, width * group);
        for (int64_t g = 0; g < group; g++) answer_block(all, task, r, head + g, block, keys, values);
    }
}

}  // namespace

// views: query, key, value, out. lse: (heads, rows).
extern "C" void attention_forward(const AttentionShape* shape, const View* views, const int64_t* borders, float* lse) {
    std::vector<AttentionTask> tasks = attention_tasks(*shape, borders, ROWS_A_PART);
    Forward all{*shape, views[0], views[1], views[2], views[3], lse, shape->tiles ? multiply_by_tiles : multiply_by_pairs};
#pragma omp parallel
    {
        static thread_local Room room;
        if (shape->tiles) begin_tiles();
#pragma omp for schedule(dynamic, 1)
        for (size_t i = 0; i < tasks.size(); i++) answer(all, tasks[i], room);
        if (shape->tiles) end_tiles();
    }
}

#endif

}  // namespace tunesmith
