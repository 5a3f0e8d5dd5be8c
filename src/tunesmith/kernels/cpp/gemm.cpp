// Products of bfloat16 matrices on AMX tiles, summed in float32: C (M, N) = A (M, K) B (K, N) and what is added to it.
//
// A block of 32 x 32 of C stays in four tiles over the whole depth, the low-rank addition included, and is rounded once.
// Threads share C as a grid; each walks its own part so that its panels of B stay in the second-level cache while panels
// of A pass by. Letters: "panel" and "step" as in panels.h.
#include "blocks.h"

#ifdef TUNESMITH_TILES

#include <atomic>
#include <cstdlib>
#include <utility>

#include <sys/mman.h>

namespace tunesmith {
namespace {

constexpr int64_t MOST_STEPS = 64;          // in one go; deeper products keep partial sums
constexpr int64_t CACHED = 512 * 1024;      // numbers of B that stay in the second-level cache
constexpr int64_t ROW_PANELS = 8;           // whose partial sums are kept at a time
constexpr int64_t MOST_THREADS = 64;        // beyond which products of this size are not shared
constexpr int64_t LEAST_STEPS = 128;        // of all blocks: less is not worth waking the team
constexpr int64_t SKINNY = 64;              // columns of an operand that is cheaply turned

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

// A's panel, of some steps: packed before, or where it stands, or packed into `room` where it has edges.
inline Left left_panel(const Job& job, int64_t panel, Span steps, bf16* room) {
    const Rows& a = job.a;
    if (job.a_panels) return Left{job.a_panels + (panel * job.steps + steps.begin) * STEP, 64, TILE, STEP};
    if ((panel + 1) * WIDTH <= a.tall && steps.end * WIDTH <= a.wide)
        return Left{a.data + panel * WIDTH * a.apart + steps.begin * WIDTH, a.apart * 2, 16 * a.apart, WIDTH};
    pack(a, From::rows, Span{panel, panel + 1}, steps, 0, room);
    return Left{room, 64, TILE, STEP};
}

// Where one thread works: a panel of A, one of `narrow`, and partial sums.
struct Room {
    bf16 *a, *narrow;
    float* partial;
};

struct Part {
    Span rows, columns, steps;  // panels, panels, steps
    bool begins, ends;          // of the depth: else sums are taken up from, or left in, `partial`
};

TUNESMITH_TILES void compute(const Job& job, const Part& part, const Room& room, Pending& carried) {
    Pending pending = carried;  // in registers: as far as the compiler knows, writing C could change what is carried
    Left low = {room.narrow, 64, TILE, STEP};
    float* partial = room.partial;
    for (int64_t i = part.rows.begin; i < part.rows.end; i++) {
        Left a = left_panel(job, i, part.steps, room.a);
        if (part.ends && job.low_steps)
            pack(job.narrow, From::rows, Span{i, i + 1}, Span{0, job.low_steps}, 0, room.narrow);
        bool tall = job.result.rows - i * WIDTH > 16;
        for (int64_t j = part.columns.begin; j < part.columns.end; j++, partial += BLOCK) {
            bool broad = job.result.columns - j * WIDTH > 16;
            if (part.begins) clear();
            else resume(partial);
            accumulate(a, job.b_panels + (j * job.steps + part.steps.begin) * STEP, part.steps.end - part.steps.begin,
                       tall, broad, pending);
            if (!part.ends) {
                keep(partial);
                continue;
            }
            accumulate(low, job.wide_panels + j * job.low_steps * STEP, job.low_steps, tall, broad, pending);
            pending.write(WIDTH);
            keep(pending.room());
            pending.take(i * WIDTH, j * WIDTH);
        }
    }
    carried = pending;
}

// A rectangle of C (in panels) that one thread begins, cut so that panels of B stay in the cache; threads that are done
// with their own help with what is left. Each block is summed up by one thread alone, so it does not matter by whom.
class Share {
  public:
    void plan(const Job& job, Span its_rows, Span its_columns) {
        rows = its_rows, columns = its_columns;
        cuts = most(1, up(job.steps, MOST_STEPS));
        wide_parts = most(1, up((columns.end - columns.begin) * up(job.steps, cuts) * STEP, CACHED));
        tall_parts = up(rows.end - rows.begin, cuts == 1 ? 1 : ROW_PANELS);
        next.store(0, std::memory_order_relaxed);
    }
    TUNESMITH_TILES void work(const Job& job, const Room& room, Pending& pending) {
        for (;;) {
            int64_t unit = next.fetch_add(1, std::memory_order_relaxed);
            if (unit >= wide_parts * tall_parts) return;
            Span across = share(columns.end - columns.begin, unit / tall_parts, wide_parts);
            Span down = share(rows.end - rows.begin, unit % tall_parts, tall_parts);
            for (int64_t cut = 0; cut < cuts; cut++)
                compute(job, Part{moved(down, rows.begin), moved(across, columns.begin), share(job.steps, cut, cuts),
                                  cut == 0, cut == cuts - 1}, room, pending);
        }
    }

  private:
    Span rows, columns;
    int64_t cuts, wide_parts, tall_parts;
    alignas(64) std::atomic<int64_t> next;
};

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

// All of C by the calling thread and its team. Where there is something to pack, all pack before anyone multiplies.
TUNESMITH_TILES void run(const Job& job, const Packing* packings, int count, bf16* rooms) {
    int64_t tall = up(job.result.rows, WIDTH), wide = up(job.result.columns, WIDTH);
    bool alone = tall * wide * job.steps < LEAST_STEPS || omp_in_parallel();
    int64_t team = alone ? 1 : least(omp_get_max_threads(), MOST_THREADS);
    Grid grid = grid_of(tall, wide, team);
    Share shares[MOST_THREADS];
    for (int64_t i = 0; i < team; i++)
        shares[i].plan(job, share(tall, i / grid.columns, grid.rows), share(wide, i % grid.columns, grid.columns));
    auto work = [&](int64_t part) TUNESMITH_TILES {
        alignas(64) float sums[BLOCK];
        Pending pending(job.result, sums);
        configure_tiles();
        for (int64_t i = 0; i < team; i++) shares[(part + i) % team].work(job, room_of(rooms, part), pending);
        pending.write(WIDTH);
        _tile_release();
    };
    if (team == 1) {
        for (int i = 0; i < count; i++) packings[i].share_of(0, 1);
        return work(0);
    }
#pragma omp parallel num_threads(team)
    {
        for (int i = 0; i < count; i++) packings[i].share_of(omp_get_thread_num(), omp_get_num_threads());
        if (count) {
#pragma omp barrier
        }
        work(omp_get_thread_num());
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
