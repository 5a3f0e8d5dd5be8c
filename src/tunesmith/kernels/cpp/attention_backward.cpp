// Attention's gradients, task by task: scores made again block by block, and never held for more than a few (Dao 2022).
#include "attention_backward.h"

namespace tunesmith::attention {

#ifdef TUNESMITH_ATTENTION

namespace {

constexpr int64_t ROWS_A_PART = 1024;

// All that the rows held do with the keys they see. Products wait until the next unit's scores are made, so that none
// follows at once on what it reads.
void meet(const Backward& all, const Task& task, const Keys& keys, const Held& rows, const Slopes& slopes,
          std::vector<Unit>& units, std::vector<Span>& spans) {
    int64_t lowest = std::max(task.seen, rows.first - all.shape.window + 1) - task.seen;
    int64_t begin = lowest / KEYS * GROUP, last = rows.first + rows.blocks / rows.heads * BLOCK;
    int64_t end = whole_blocks(all.shape.end_of_keys(last, task.end) - task.seen) / BLOCK;
    units.clear();
    spans.assign(whole_blocks(end * BLOCK) / BLOCK + GROUP, Span{0, 0});
    for (int64_t key = begin; key < end; key++) {
        spans[key] = seeing(all.shape, rows, task.seen + key * BLOCK);
        for (int64_t b = spans[key].begin; b < spans[key].end; b++)
            units.push_back({key, b, b + 1 == spans[key].end, false});
        if (!units.empty() && (key % GROUP == GROUP - 1 || key + 1 == end)) units.back().last_of_group = true;
    }
    auto finish = [&](const Unit& unit) {
        if (unit.last_of_keys) gather(all, keys, rows, slopes, unit.key, spans[unit.key]);
        if (unit.last_of_group)
            gather_rows(all, keys, rows, slopes, unit.key / GROUP, spans.data(), end, unit.key / GROUP > begin / GROUP);
    };
    score(all, keys, rows, slopes, units[0], 0);
    for (size_t i = 0; i < units.size(); i++) {
        if (i + 1 < units.size()) score(all, keys, rows, slopes, units[i + 1], (i + 1) % 2);
        if (i > 0) finish(units[i - 1]);
        weigh(all, task, rows, slopes, units[i], i % 2);
    }
    finish(units.back());
}

// The sums of given * out over the width, for 32 rows.
void multiply_rows(const Rows& given, const Rows& out, int64_t width, float* to) {
    alignas(64) float products[16 * 16];
    for (int64_t r = 0; r < BLOCK; r += 16) {
        for (int64_t i = 0; i < 16; i++) {
            __m512 sum = _mm512_setzero_ps();
            const bf16 *left = given[r + i], *right = out[r + i];
            for (int64_t c = 0; c < width; c += 32) {
                __m512i one = _mm512_loadu_si512(left + c), other = _mm512_loadu_si512(right + c);
                sum = _mm512_dpbf16_ps(sum, (__m512bh)one, (__m512bh)other);
            }
            _mm512_store_ps(products + 16 * i, sum);
        }
        _mm512_store_ps(to + r, sums_of_rows(products));
    }
}

// The rows of the b-th block, up to 32, in the whole buffer.
Span place(const Task& task, const Held& rows, int64_t b) {
    int64_t first = rows.first + b / rows.heads * BLOCK;
    return {task.start + first, task.start + std::min(first + BLOCK, task.last)};
}

void hold_rows(const Backward& all, const Task& task, Held& rows) {
    const Shape& shape = all.shape;
    int64_t width = shape.width;
    rows.blocks = whole_blocks(std::min(ROWS, task.last - rows.first)) / BLOCK * rows.heads;
    for (int64_t b = 0; b < rows.blocks; b++) {
        Span span = place(task, rows, b);
        int64_t head = rows.head + b % rows.heads, count = span.end - span.begin, to = b * BLOCK * width;
        Rows query{all.query, span.begin, count, head}, given{all.given, span.begin, count, head};
        pack_across(query, BLOCK, width, rows.query_across + to);
        pack_along(query, BLOCK, width, rows.query_along + to);
        pack_across(given, BLOCK, width, rows.given_across + to);
        pack_along(given, BLOCK, width, rows.given_along + to);
        multiply_rows(given, {all.out, span.begin, count, head}, width, rows.inner + BLOCK * b);
        for (int64_t r = 0; r < BLOCK; r += 16) {
            const float* lse = all.lse + head * shape.rows + span.begin + r;
            store(rows.lse + BLOCK * b + r, load(lse, int(std::clamp<int64_t>(count - r, 0, 16))) * LOG2_E);
        }
    }
}

void write_rows(const Backward& all, const Task& task, const Held& rows) {
    for (int64_t b = 0; b < rows.blocks; b++) {
        Span span = place(task, rows, b);
        write_turned(all.d_query, span.begin, span.end - span.begin, rows.head + b % rows.heads,
                     rows.d_query + BLOCK * b, rows.apart, rows.scale, all.shape.width);
    }
}

void write_keys(const View& to, int64_t first, int64_t count, int64_t head, const float* from, int64_t width,
                float scale) {
    for (int64_t r = 0; r < count; r++)
        for (int64_t c = 0; c < width; c += 16)
            store(to.of(first + r, head) + c, load(from + r * width + c) * scale);
}

struct Work {
    Keys keys;
    Held rows;
    Slopes slopes;
};

Work hand_out(const Task& task, int64_t width, int64_t padded, int64_t heads, Room& room) {
    return room.hand_out([&] {
        auto halves = [&](int64_t count) { return room.take<bf16>(count); };
        auto floats = [&](int64_t count) { return room.take<float>(count); };
        float* sums = task.slopes ? task.slopes : floats(padded * width * 2);
        int64_t rows = heads * ROWS, held = rows * width, apart = rows + 32, scores = 2 * BLOCK * SCORES_ROW;
        return Work{
            {halves(padded * width), halves(padded * width), halves((padded + KEYS) * width), sums,
             sums + padded * width},
            {halves(held), halves(held), halves(held), halves(held), floats(apart * width), floats(rows), floats(rows),
             floats(BLOCK), heads, apart, 0, 0, 0},
            {floats(scores), floats(scores), halves(BLOCK * apart), halves(BLOCK * apart), halves(KEYS * rows)}};
    });
}

void hold_keys(const Backward& all, const Task& task, int64_t padded, const Keys& keys) {
    int64_t width = all.shape.width, first = task.start + task.seen, count = task.end - task.seen;
    Rows key{all.key, first, count, task.key_head};
    copy_rows(key, padded, width, keys.key);
    turn_over(key, padded, width, KEYS, keys.turned);
    copy_rows({all.value, first, count, task.key_head}, padded, width, keys.value);
    std::memset(keys.d_key, 0, padded * width * 2 * sizeof(float));
}

void take_task(const Backward& all, const Task& task, Room& room) {
    const Shape& shape = all.shape;
    int64_t width = shape.width, count = task.end - task.seen, padded = whole_blocks(count);
    int64_t group = shape.heads / shape.shared, heads = std::clamp<int64_t>(HELD / (ROWS * width), 1, group);
    auto [keys, rows, slopes] = hand_out(task, width, padded, heads, room);
    hold_keys(all, task, padded, keys);
    std::fill(rows.scale, rows.scale + BLOCK, shape.scale);
    std::vector<Unit> units;
    std::vector<Span> spans;
    for (int64_t g = 0; g < group; g += heads)
        for (rows.first = task.first; rows.first < task.last; rows.first += ROWS) {
            rows.head = task.key_head * group + g;
            rows.heads = std::min(heads, group - g);
            hold_rows(all, task, rows);
            meet(all, task, keys, rows, slopes, units, spans);
            write_rows(all, task, rows);
        }
    if (task.slopes) return;
    write_keys(all.d_key, task.start, count, task.key_head, keys.d_key, width, shape.scale);
    write_keys(all.d_value, task.start, count, task.key_head, keys.d_value, width, 1.0f);
}

// Memory for the sums of tasks that are only a part of their document.
void lend(const Shape& shape, std::vector<Task>& tasks, Room& room) {
    room.hand_out([&] {
        for (Task& task : tasks)
            if (task.parts > 1) task.slopes = room.take<float>(whole_blocks(task.end - task.seen) * shape.width * 2);
    });
}

// Adds what one part found for these keys.
void add_part(const Shape& shape, const Task& part, float* sums, Span keys) {
    int64_t width = shape.width, begin = std::max(keys.begin, part.seen), end = std::min(keys.end, part.end);
    int64_t padded = whole_blocks(part.end - part.seen);
    for (int64_t key = begin; key < end; key++)
        for (int half = 0; half < 2; half++) {
            const float* from = part.slopes + (half * padded + key - part.seen) * width;
            float* to = sums + (half * (keys.end - keys.begin) + key - keys.begin) * width;
            for (int64_t c = 0; c < width; c += 16) store(to + c, load(to + c) + load(from + c));
        }
}

// The gradients of `keys` of one document, from all its parts.
void write_sum(const Backward& all, const std::vector<Task>& tasks, const Task& last, Span keys,
               Room& room) {
    int64_t width = all.shape.width, count = keys.end - keys.begin;
    float* sums = room.hand_out([&] { return room.take<float>(count * width * 2); });
    std::memset(sums, 0, count * width * 2 * sizeof(float));
    for (int64_t part = 0; part < last.parts; part++)
        for (const Task& task : tasks)
            if (task.start == last.start && task.key_head == last.key_head && task.part == part)
                add_part(all.shape, task, sums, keys);
    int64_t first = last.start + keys.begin;
    write_keys(all.d_key, first, count, last.key_head, sums, width, all.shape.scale);
    write_keys(all.d_value, first, count, last.key_head, sums + count * width, width, 1.0f);
}

}  // namespace

// views: given, out, query, key, value, and the gradients by query, key and value. lse: (heads, rows).
extern "C" void attention_backward(const Shape* shape, const View* views, const int64_t* borders,
                                   const float* lse) {
    static thread_local Room shared;
    std::vector<Task> tasks = tasks_of(*shape, borders, ROWS_A_PART);
    lend(*shape, tasks, shared);
    std::vector<std::pair<const Task*, Span>> sums;
    for (const Task& task : tasks)
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
        for (size_t i = 0; i < tasks.size(); i++) take_task(all, tasks[i], room);
        if (shape->tiles) end_tiles();
#pragma omp for schedule(dynamic, 1)
        for (size_t i = 0; i < sums.size(); i++) write_sum(all, tasks, *sums[i].first, sums[i].second, room);
    }
}

#endif

}  // namespace tunesmith::attention
