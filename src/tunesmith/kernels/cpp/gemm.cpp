// Products of bfloat16 matrices on AMX tiles, summed in float32: C (M, N) = A (M, K) B (K, N) and what is added to it.
//
// A block of 32 x 32 of C stays in four tiles over the whole depth and the low-rank addition, and is rounded once.
#include "shares.h"

#ifdef TUNESMITH_TILES

#include <cstdlib>
#include <utility>

#include <sys/mman.h>

namespace tunesmith {
namespace {

constexpr int64_t MOST_THREADS = 64;  // beyond which products of this size are not shared
constexpr int64_t LEAST_STEPS = 128;  // of all blocks: less is not worth waking the team
constexpr int64_t SKINNY = 64;        // columns of an operand that is cheaply turned

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

// Operands that the team packs before anyone multiplies.
class Packing {
  public:
    void add(Operand& operand, bf16*& at) {
        operand.panels = to[count] = at;
        operands[count++] = operand;
        at += operand.numbers();
    }
    bool any() const { return count; }
    void work(int64_t part, int64_t parts) const {
        for (int i = 0; i < count; i++) {
            const Operand& each = operands[i];
            int64_t steps = steps_of(each.rows, each.how);
            Span panels = share(panels_of(each.rows, each.how), part, parts);
            pack(each.rows, each.how, panels, Span{0, steps}, steps * STEP, to[i] + panels.begin * steps * STEP);
        }
    }

  private:
    Operand operands[3];
    bf16* to[3];
    int count = 0;
};

struct Grid {
    int64_t rows, columns;
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

// All of C, by the calling thread and its team.
TUNESMITH_TILES void run(const Job& job, const Packing& packing, bf16* rooms) {
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
        Room room(rooms + part * Room::NUMBERS);
        configure_tiles();
        for (int64_t i = 0; i < team; i++) shares[(part + i) % team].work(job, room, pending);
        pending.write(WIDTH);
        _tile_release();
    };
    if (team == 1) {
        packing.work(0, 1);
        return work(0);
    }
#pragma omp parallel num_threads(team)
    {
        packing.work(omp_get_thread_num(), omp_get_num_threads());
        if (packing.any()) {
#pragma omp barrier
        }
        work(omp_get_thread_num());
    }
}

// Packs what is still to be packed, of these operands, and multiplies.
void run(Job job, bool a, bool b) {
    int64_t numbers = (a ? job.a.numbers() : 0) + (b ? job.b.numbers() : 0);
    if (job.low_steps) numbers += job.wide.numbers() + job.through.numbers();
    bf16* at = workspace.of(numbers + Room::NUMBERS * omp_get_max_threads());
    Packing packing;
    if (a) packing.add(job.a, at);
    if (b) packing.add(job.b, at);
    if (job.low_steps) packing.add(job.wide, at);
    if (job.low_steps && job.through.rows.data) packing.add(job.through, at);
    run(job, packing, at);
}

}  // namespace
}  // namespace tunesmith

using namespace tunesmith;

extern "C" {

// Numbers of the panels of a weight whose product has so many columns and is so deep.
int64_t packed_numbers(int64_t columns, int64_t depth) { return up(columns, WIDTH) * up(depth, WIDTH) * STEP; }

// Panels of B from a weight (tall, wide): its rows are B's columns, or, `back`, B's rows.
void pack_weight(const bf16* weight, int64_t apart, int64_t tall, int64_t wide, int64_t back, bf16* to) {
    Packing packing;
    Operand operand = {Rows{weight, apart, tall, wide}, back ? From::pairs : From::rows_turned, nullptr};
    packing.add(operand, to);
#pragma omp parallel
    packing.work(omp_get_thread_num(), omp_get_num_threads());
}

// out (+)= x W^T + bias + narrow low^T or, `back`, out (+)= x W + narrow low. packed: panels of W, or null. through: if
// not null, narrow is first made: x through^T (rank, depth), or, `back`, x through (depth, rank).
void multiply_bf16(const bf16* x, int64_t x_apart, int64_t rows, const bf16* weight, int64_t weight_apart, int64_t tall,
                   int64_t wide, int64_t back, const bf16* packed, bf16* narrow, int64_t narrow_apart, const bf16* low,
                   int64_t low_apart, const bf16* through, int64_t through_apart, int64_t rank, const bf16* bias,
                   void* out, int64_t out_apart, int64_t out_wide, int64_t add) {
    int64_t columns = back ? wide : tall, depth = back ? tall : wide;
    From how = back ? From::pairs : From::rows_turned;
    Job job = {};
    job.a = Operand{Rows{x, x_apart, rows, depth}, From::rows, nullptr};
    job.b = Operand{Rows{weight, weight_apart, tall, wide}, how, packed};
    job.steps = up(depth, WIDTH);
    job.low_steps = up(rank, WIDTH);
    job.narrow.rows = Rows{narrow, narrow_apart, rows, rank};
    job.wide = Operand{back ? Rows{low, low_apart, rank, wide} : Rows{low, low_apart, tall, rank}, how, nullptr};
    if (through) {
        job.through = Operand{Rows{through, through_apart, rank, depth}, how, nullptr};
        if (back) std::swap(job.through.rows.tall, job.through.rows.wide);
    }
    job.result = Result{out, out_apart, rows, columns, bias, 1.0f, bool(out_wide), bool(add), false};
    if (through && job.steps > MOST_STEPS) {  // a panel of A is not at hand as a whole
        Job before = {};
        before.a = job.a, before.b = job.through, before.steps = job.steps;
        before.result = Result{narrow, narrow_apart, rows, rank, nullptr, 1.0f, false, false, false};
        run(before, false, true);
        job.through = Operand{};
    }
    run(job, false, !packed);
}

// out (+)= scale left^T right, over `rows`. A is dear to pack: the narrower becomes A where the other is much wider.
void multiply_across_bf16(const bf16* left, int64_t left_apart, int64_t left_wide, const bf16* right,
                          int64_t right_apart, int64_t right_wide, int64_t rows, void* out, int64_t out_apart,
                          int64_t out_wide, int64_t add, double scale) {
    bool turned = right_wide <= SKINNY && left_wide > right_wide;
    Rows a = {left, left_apart, rows, left_wide}, b = {right, right_apart, rows, right_wide};
    if (turned) std::swap(a, b);
    Job job = {};
    job.a = Operand{a, From::pairs_turned, nullptr};
    job.b = Operand{b, From::pairs, nullptr};
    job.steps = up(rows, WIDTH);
    job.result = Result{out, out_apart, a.wide, b.wide, nullptr, float(scale), bool(out_wide), bool(add), turned};
    bool whole = a.wide > SKINNY;  // else B is packed on the way, and never leaves the caches
    run(job, true, whole);
}

}  // extern "C"

#endif
