// Products of bfloat16 matrices on AMX tiles, summed in float32: C (M, N) = A (M, K) B (K, N) and what is added to it.
//
// A block of 32 x 32 of C stays in four tiles over the whole depth, the low-rank addition included, and is rounded once.
// Threads share C as a grid; each walks its own part so that its panels of B stay in the second-level cache while panels
// of A pass by. Letters: "panel" and "step" as in panels.h.
#include "panels.h"

#ifdef TUNESMITH_TILES

#include <cstdlib>
#include <utility>

#include <sys/mman.h>

namespace tunesmith {
namespace {

constexpr int64_t MOST_STEPS = 64;          // in one go; deeper products keep partial sums
constexpr int64_t CACHED = 512 * 1024;      // numbers of B that stay in the second-level cache
constexpr int64_t ROW_PANELS = 8;           // whose partial sums are kept at a time
constexpr int64_t SKINNY = 64;           // columns of an operand that is cheaply turned
constexpr int64_t BLOCK = 4 * 256;          // sums of one block of C, as four tiles

// Where A's tiles lie: in panels, or in the matrix itself.
struct Left {
    const bf16* tile;
    int64_t row_bytes, second, step;  // numbers to the panel's second tile, and to the next step
};

struct Result {
    void* data;
    int64_t apart, rows, columns;
    const bf16* bias;  // or null
    float scale;
    bool wide, add, turned;  // float32 instead of bfloat16; added to what is there; C's transpose is written
};

struct Job {
    Rows a;
    const bf16* a_panels;  // or null: the tiles are read where A stands
    const bf16* b_panels;
    int64_t steps;
    Rows narrow;  // the low-rank pair: rows as in A, panels as in B
    const bf16* wide_panels;
    int64_t low_steps;
    Result result;
};

struct Grid {
    int64_t rows, columns;
};

TUNESMITH_TILES inline void clear() {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
}

TUNESMITH_TILES inline void resume(const float* sums) {
    _tile_loadd(0, sums, 64);
    _tile_loadd(1, sums + 256, 64);
    _tile_loadd(2, sums + 512, 64);
    _tile_loadd(3, sums + 768, 64);
}

TUNESMITH_TILES inline void keep(float* sums) {
    _tile_stored(0, sums, 64);
    _tile_stored(1, sums + 256, 64);
    _tile_stored(2, sums + 512, 64);
    _tile_stored(3, sums + 768, 64);
}

template <bool tall, bool broad>
TUNESMITH_TILES inline void accumulate(const Left& a, const bf16* b, int64_t steps) {
    const bf16* at = a.tile;
    for (int64_t step = 0; step < steps; step++, at += a.step, b += STEP) {
        _tile_loadd(6, b, 64);
        _tile_loadd(4, at, a.row_bytes);
        _tile_dpbf16ps(0, 4, 6);
        if (broad) {
            _tile_loadd(7, b + TILE, 64);
            _tile_dpbf16ps(1, 4, 7);
        }
        if (tall) {
            _tile_loadd(5, at + a.second, a.row_bytes);
            _tile_dpbf16ps(2, 5, 6);
            if (broad) _tile_dpbf16ps(3, 5, 7);
        }
    }
}

TUNESMITH_TILES inline void accumulate(const Left& a, const bf16* b, int64_t steps, bool tall, bool broad) {
    if (tall && broad) accumulate<true, true>(a, b, steps);
    else if (tall) accumulate<true, false>(a, b, steps);
    else if (broad) accumulate<false, true>(a, b, steps);
    else accumulate<false, false>(a, b, steps);
}

template <class Number>
inline void finish_row(const float* sums, const Result& to, Number* at, Lane first, Lane second, int64_t columns) {
    Lane one = load(sums) * to.scale + first, two = load(sums + 256) * to.scale + second;
    if (columns >= 32) {
        if (to.add) one += load(at), two += load(at + 16);
        store(at, one);
        store(at + 16, two);
        return;
    }
    int left = int(least(columns, 16)), right = int(columns) - left;
    if (to.add) one += load(at, left), two += load(at + 16, right);
    store(at, one, left);
    store(at + 16, two, right);
}

// Writes a block's sums (four tiles) where C has them from (row, column) on.
template <class Number>
inline void finish(const float* sums, const Result& to, int64_t row, int64_t column) {
    int64_t rows = least(32, to.rows - row), columns = least(32, to.columns - column);
    if (to.turned) {
        for (int64_t j = 0; j < columns; j++)
            for (int64_t i = 0; i < rows; i++) {
                Number* at = (Number*)to.data + (column + j) * to.apart + row + i;
                float sum = to.scale * sums[(i / 16) * 512 + (j / 16) * 256 + (i % 16) * 16 + j % 16];
                *at = narrow<Number>(to.add ? sum + widen(*at) : sum);
            }
        return;
    }
    Lane first = {}, second = {};
    if (to.bias) {
        int left = int(least(columns, 16));
        first = load(to.bias + column, left);
        second = load(to.bias + column + 16, int(columns) - left);
    }
    for (int64_t i = 0; i < rows; i++)
        finish_row(sums + (i / 16) * 512 + (i % 16) * 16, to, (Number*)to.data + (row + i) * to.apart + column, first,
                   second, columns);
}

// A's panel, of some steps: packed before, or where it stands, or packed into `room` where it has edges.
inline Left left_panel(const Job& job, int64_t panel, Span steps, bf16* room) {
    const Rows& a = job.a;
    if (job.a_panels) return Left{job.a_panels + (panel * job.steps + steps.begin) * STEP, 64, TILE, STEP};
    if ((panel + 1) * WIDTH <= a.tall && steps.end * WIDTH <= a.wide)
        return Left{a.data + panel * WIDTH * a.apart + steps.begin * WIDTH, a.apart * 2, 16 * a.apart, WIDTH};
    pack(a, From::rows, Span{panel, panel + 1}, steps, 0, room);
    return Left{room, 64, TILE, STEP};
}

struct Part {
    Span rows, columns, steps;  // panels, panels, steps
    bool begins, ends;          // of the depth: else sums are taken up from, or left in, `partial`
};

// Where one thread works: a panel of A, one of `narrow`, and partial sums.
struct Room {
    bf16 *a, *narrow;
    float* partial;
};

TUNESMITH_TILES void compute(const Job& job, const Part& part, const Room& room) {
    alignas(64) float sums[BLOCK];
    Left low = {room.narrow, 64, TILE, STEP};
    float* kept = room.partial;
    for (int64_t i = part.rows.begin; i < part.rows.end; i++) {
        Left a = left_panel(job, i, part.steps, room.a);
        if (part.ends && job.low_steps)
            pack(job.narrow, From::rows, Span{i, i + 1}, Span{0, job.low_steps}, 0, room.narrow);
        bool tall = job.result.rows - i * WIDTH > 16;
        for (int64_t j = part.columns.begin; j < part.columns.end; j++, kept += BLOCK) {
            bool broad = job.result.columns - j * WIDTH > 16;
            if (part.begins) clear();
            else resume(kept);
            accumulate(a, job.b_panels + (j * job.steps + part.steps.begin) * STEP, part.steps.end - part.steps.begin,
                       tall, broad);
            if (!part.ends) {
                keep(kept);
                continue;
            }
            accumulate(low, job.wide_panels + j * job.low_steps * STEP, job.low_steps, tall, broad);
            keep(sums);
            if (job.result.wide) finish<float>(sums, job.result, i * WIDTH, j * WIDTH);
            else finish<bf16>(sums, job.result, i * WIDTH, j * WIDTH);
        }
    }
}

// The rectangle of C (in panels) that belongs to one thread.
TUNESMITH_TILES void compute(const Job& job, Span rows, Span columns, const Room& room) {
    int64_t wide = columns.end - columns.begin, tall = rows.end - rows.begin;
    int64_t cuts = most(1, up(job.steps, MOST_STEPS)), parts = most(1, up(wide * up(job.steps, cuts) * STEP, CACHED));
    int64_t strips = cuts == 1 ? 1 : up(tall, ROW_PANELS);
    configure_tiles();
    for (int64_t part = 0; part < parts; part++)
        for (int64_t strip = 0; strip < strips; strip++)
            for (int64_t cut = 0; cut < cuts; cut++) {
                Span across = share(wide, part, parts), down = share(tall, strip, strips);
                compute(job, Part{moved(down, rows.begin), moved(across, columns.begin), share(job.steps, cut, cuts),
                                  cut == 0, cut == cuts - 1}, room);
            }
    _tile_release();
}

// How a team shares C: the fewest blocks for the busiest thread, then the least to read.
inline Grid grid_of(int64_t row_panels, int64_t column_panels, int64_t team) {
    Grid best = {1, team};
    int64_t least_cost = INT64_MAX;
    for (int64_t tall = 1; tall <= team; tall++) {
        if (team % tall) continue;
        int64_t rows = up(row_panels, tall), columns = up(column_panels, team / tall);
        int64_t cost = rows * columns + 2 * (rows + columns);
        if (cost < least_cost) best = {tall, team / tall}, least_cost = cost;
    }
    return best;
}

// Memory that a calling thread keeps from product to product: fresh pages cost more than the products themselves.
class Workspace {
  public:
    bf16* of(int64_t numbers) {
        if (numbers > size) {
            std::free(data);
            size = up(numbers, 1 << 20) << 20;
            data = (bf16*)std::aligned_alloc(1 << 21, size_t(size) * sizeof(bf16));
            madvise(data, size_t(size) * sizeof(bf16), MADV_HUGEPAGE);
        }
        return data;
    }
    ~Workspace() { std::free(data); }

  private:
    bf16* data = nullptr;
    int64_t size = 0;
};

thread_local Workspace workspace;

// An operand yet to be packed, and how many numbers it takes.
struct Packing {
    Rows from;
    From how;
    bf16* to;

    int64_t numbers() const { return panels_of(from, how) * steps_of(from, how) * STEP; }
    void share_of(int64_t part, int64_t parts) const {
        int64_t steps = steps_of(from, how);
        Span panels = share(panels_of(from, how), part, parts);
        pack(from, how, panels, Span{0, steps}, steps * STEP, to + panels.begin * steps * STEP);
    }
};

constexpr int64_t ROOM_FOR_PANELS = 2 * MOST_STEPS * STEP;
constexpr int64_t ROOM = ROOM_FOR_PANELS + 2 * ROW_PANELS * (2 * CACHED / (MOST_STEPS * STEP)) * BLOCK;  // of a thread

inline Room room_of(bf16* rooms, int64_t part) {
    bf16* at = rooms + part * ROOM;
    return Room{at, at + ROOM_FOR_PANELS / 2, (float*)(at + ROOM_FOR_PANELS)};
}

void run(const Job& job, const Packing* packings, int count, bf16* rooms) {
    int64_t tall = up(job.result.rows, WIDTH), wide = up(job.result.columns, WIDTH);
    if (omp_get_max_threads() == 1 || tall * wide * job.steps < 128 || omp_in_parallel()) {
        for (int i = 0; i < count; i++) packings[i].share_of(0, 1);
        compute(job, Span{0, tall}, Span{0, wide}, room_of(rooms, 0));
        return;
    }
#pragma omp parallel
    {
        int64_t part = omp_get_thread_num(), parts = omp_get_num_threads();
        for (int i = 0; i < count; i++) packings[i].share_of(part, parts);
        Grid grid = grid_of(tall, wide, parts);
        if (count) {
#pragma omp barrier
        }
        compute(job, share(tall, part / grid.columns, grid.rows), share(wide, part % grid.columns, grid.columns),
                room_of(rooms, part));
    }
}

// Hands out one piece of the workspace after the other to what is packed.
struct Plan {
    Packing packings[2];
    int count = 0;
    bf16* at;

    explicit Plan(int64_t numbers) : at(workspace.of(numbers + ROOM * omp_get_max_threads())) {}
    const bf16* panels(const Rows& from, From how) {
        packings[count] = Packing{from, how, at};
        bf16* panels = at;
        at += packings[count++].numbers();
        return panels;
    }
    void run(const Job& job) { tunesmith::run(job, packings, count, at); }
};

}  // namespace
}  // namespace tunesmith

using namespace tunesmith;

extern "C" {

// Numbers of the panels of a weight whose product has so many columns and is so deep.
int64_t packed_numbers(int64_t columns, int64_t depth) { return up(columns, WIDTH) * up(depth, WIDTH) * STEP; }

// Panels of B from a weight (tall, wide): its rows are B's columns, or, `back`, B's rows.
void pack_weight(const bf16* weight, int64_t apart, int64_t tall, int64_t wide, int64_t back, bf16* to) {
    Packing packing = {Rows{weight, apart, tall, wide}, back ? From::pairs : From::rows_turned, to};
#pragma omp parallel
    packing.share_of(omp_get_thread_num(), omp_get_num_threads());
}

// out (+)= x W^T + bias + narrow low^T or, `back`, out (+)= x W + narrow low. packed: panels of W, or null.
void multiply_bf16(const bf16* x, int64_t x_apart, int64_t rows, const bf16* weight, int64_t weight_apart, int64_t tall,
                   int64_t wide, int64_t back, const bf16* packed, const bf16* narrow, int64_t narrow_apart,
                   const bf16* low, int64_t low_apart, int64_t rank, const bf16* bias, void* out, int64_t out_apart,
                   int64_t out_wide, int64_t add) {
    int64_t columns = back ? wide : tall, depth = back ? tall : wide;
    From how = back ? From::pairs : From::rows_turned;
    Rows low_rows = back ? Rows{low, low_apart, rank, wide} : Rows{low, low_apart, tall, rank};
    Plan plan((packed ? 0 : packed_numbers(columns, depth)) + packed_numbers(columns, rank));
    Job job = {};
    job.a = Rows{x, x_apart, rows, depth};
    job.b_panels = packed ? packed : plan.panels(Rows{weight, weight_apart, tall, wide}, how);
    job.steps = up(depth, WIDTH);
    job.narrow = Rows{narrow, narrow_apart, rows, rank};
    if (rank) job.wide_panels = plan.panels(low_rows, how);
    job.low_steps = up(rank, WIDTH);
    job.result = Result{out, out_apart, rows, columns, bias, 1.0f, bool(out_wide), bool(add), false};
    plan.run(job);
}

// out (+)= scale left^T right, over `rows`. The narrower becomes A where the other is much wider: A is dear to pack.
void multiply_across_bf16(const bf16* left, int64_t left_apart, int64_t left_wide, const bf16* right,
                          int64_t right_apart, int64_t right_wide, int64_t rows, void* out, int64_t out_apart,
                          int64_t out_wide, int64_t add, double scale) {
    bool turned = right_wide <= SKINNY && left_wide > right_wide;
    Rows a = {left, left_apart, rows, left_wide}, b = {right, right_apart, rows, right_wide};
    if (turned) std::swap(a, b);
    Plan plan(packed_numbers(a.wide, rows) + packed_numbers(b.wide, rows));
    Job job = {};
    job.a = a;
    job.a_panels = plan.panels(a, From::pairs_turned);
    job.b_panels = plan.panels(b, From::pairs);
    job.steps = up(rows, WIDTH);
    job.result = Result{out, out_apart, a.wide, b.wide, nullptr, float(scale), bool(out_wide), bool(add), turned};
    plan.run(job);
}

}  // extern "C"

#endif
