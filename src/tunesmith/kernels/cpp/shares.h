// A product, and the pieces in which threads do it.
//
// Each walks its own part of C so that its panels of B stay in the second-level cache while panels of A pass by.
#pragma once

#include "blocks.h"

#ifdef TUNESMITH_TILES

#include <atomic>

namespace tunesmith {

constexpr int64_t MOST_STEPS = 64;         // in one go; deeper products keep partial sums
constexpr int64_t FEW_STEPS = 2;           // in one go, where B is packed on the way
constexpr int64_t CACHED = 512 * 1024;     // numbers of B that stay in the second-level cache
constexpr int64_t ROW_PANELS = 8;          // whose partial sums are kept at a time
constexpr int64_t KEPT = ROW_PANELS * 16;  // blocks of partial sums
static_assert(2 * CACHED / (MOST_STEPS * STEP) <= 16, "partial sums have room");

struct Operand {
    Rows rows;
    From how;
    const bf16* panels;  // all of them, packed before; or null

    int64_t numbers() const { return panels_of(rows, how) * steps_of(rows, how) * STEP; }
};

// C = A B + narrow wide, where narrow may be made on the way: narrow = A through.
struct Job {
    Operand a, b;
    int64_t steps;
    Operand narrow, wide, through;
    int64_t low_steps;  // 0: no low-rank addition
    Result result;
};

// Where one thread works: a panel of A, one of `narrow`, some panels of B, and partial sums.
struct Room {
    static constexpr int64_t PANEL = MOST_STEPS * STEP, NUMBERS = 3 * PANEL + 2 * KEPT * BLOCK;

    explicit Room(bf16* at) : a(at), narrow(at + PANEL), b(at + 2 * PANEL), partial((float*)(at + 3 * PANEL)) {}

    bf16 *a, *narrow, *b;
    float* partial;
};

struct Part {
    Span rows, columns, steps;  // panels, panels, steps
    bool begins, ends;          // of the depth: else sums are taken up from, or left in, `partial`
};

// A's panel, of some steps: packed before, or where it stands, or packed into `room`.
inline Left left_panel(const Job& job, int64_t panel, Span steps, bf16* room) {
    const Rows& a = job.a.rows;
    if (job.a.panels) return Left{job.a.panels + (panel * job.steps + steps.begin) * STEP, 64, TILE, STEP};
    if (job.a.how == From::rows && (panel + 1) * WIDTH <= a.tall && steps.end * WIDTH <= a.wide)
        return Left{a.data + panel * WIDTH * a.apart + steps.begin * WIDTH, a.apart * 2, 16 * a.apart, WIDTH};
    pack(a, job.a.how, Span{panel, panel + 1}, steps, 0, room);
    return Left{room, 64, TILE, STEP};
}

// Panel `panel` of narrow = A through, as tiles of A; its rows are written where the caller wants them if `told`.
TUNESMITH_TILES inline void make_narrow(const Job& job, const Left& a, int64_t panel, bool told, const Room& room,
                                        Pending& pending) {
    const Rows& to = job.narrow.rows;
    int64_t rows = least(WIDTH, to.tall - panel * WIDTH);
    for (int64_t step = 0; step < job.low_steps; step++) {
        clear();
        accumulate(a, job.through.panels + step * job.steps * STEP, job.steps, rows > 16, to.wide - step * WIDTH > 16,
                   pending);
        keep(room.partial);
        for (int64_t i = 0; i < WIDTH; i++) {
            bf16* line = room.narrow + step * STEP + (i / 16) * TILE + (i % 16) * WIDTH;
            const float* sums = room.partial + (i / 16) * 512 + (i % 16) * 16;
            store_both(line, load(sums), load(sums + 256));
            if (!told || i >= rows) continue;
            bf16* there = const_cast<bf16*>(to.data) + (panel * WIDTH + i) * to.apart + step * WIDTH;
            _mm512_mask_storeu_epi16(there, first_of_32(to.wide - step * WIDTH), _mm512_load_si512(line));
        }
    }
}

TUNESMITH_TILES inline void compute(const Job& job, const Part& part, const Room& room, Pending& carried) {
    Pending pending = carried;  // in registers: as far as the compiler knows, writing C could change what is carried
    Left low = {room.narrow, 64, TILE, STEP};
    int64_t steps = part.steps.end - part.steps.begin, apart = job.steps * STEP;
    const bf16* panels = job.b.panels + part.columns.begin * apart + part.steps.begin * STEP;
    float* partial = room.partial;
    for (int64_t i = part.rows.begin; i < part.rows.end; i++) {
        Left a = left_panel(job, i, part.steps, room.a);
        if (part.ends && job.low_steps) {
            if (job.through.panels) make_narrow(job, a, i, part.columns.begin == 0, room, pending);
            else pack(job.narrow.rows, From::rows, Span{i, i + 1}, Span{0, job.low_steps}, 0, room.narrow);
        }
        bool tall = job.result.rows - i * WIDTH > 16;
        const bf16* b = panels;
        for (int64_t j = part.columns.begin; j < part.columns.end; j++, b += apart, partial += BLOCK) {
            bool broad = job.result.columns - j * WIDTH > 16;
            if (part.begins) clear();
            else resume(partial);
            accumulate(a, b, steps, tall, broad, pending);
            if (!part.ends) {
                keep(partial);
                continue;
            }
            if (job.low_steps)
                accumulate(low, job.wide.panels + j * job.low_steps * STEP, job.low_steps, tall, broad, pending);
            pending.write(WIDTH);
            keep(pending.room());
            pending.take(i * WIDTH, j * WIDTH);
        }
    }
    carried = pending;
}

// A panel of C's columns where A is thin and packed, and B is not: a few steps of B at a time are packed where the
// first-level cache holds them, and go through the tiles at once.
TUNESMITH_TILES inline void compute_thin(const Job& job, Span rows, int64_t panel, const Room& room, Pending& carried) {
    Pending pending = carried;
    bool broad = job.result.columns - panel * WIDTH > 16;
    for (int64_t i = rows.begin; i < rows.end; i++) {
        bool tall = job.result.rows - i * WIDTH > 16;
        clear();
        for (int64_t step = 0; step < job.steps; step += FEW_STEPS) {
            Span steps = {step, least(step + FEW_STEPS, job.steps)};
            pack(job.b.rows, job.b.how, Span{panel, panel + 1}, steps, 0, room.b);
            accumulate(left_panel(job, i, steps, nullptr), room.b, steps.end - step, tall, broad, pending);
        }
        pending.write(WIDTH);
        keep(pending.room());
        pending.take(i * WIDTH, panel * WIDTH);
    }
    carried = pending;
}

// A rectangle of C (in panels) that one thread begins; threads that are done with their own help with what is left.
// Each block is summed up by one thread alone and in one order, so it does not matter by whom.
class Share {
  public:
    void plan(const Job& job, Span its_rows, Span its_columns) {
        rows = its_rows, columns = its_columns;
        cuts = most(1, up(job.steps, MOST_STEPS));
        int64_t numbers = (columns.end - columns.begin) * up(job.steps, cuts) * STEP;
        wide_parts = job.b.panels ? most(1, up(numbers, CACHED)) : columns.end - columns.begin;
        tall_parts = !job.b.panels ? 1 : up(rows.end - rows.begin, cuts == 1 ? 1 : ROW_PANELS);
        next.store(0, std::memory_order_relaxed);
    }
    TUNESMITH_TILES void work(const Job& job, const Room& room, Pending& pending) {
        for (;;) {
            int64_t unit = next.fetch_add(1, std::memory_order_relaxed);
            if (unit >= wide_parts * tall_parts) return;
            if (!job.b.panels) {
                compute_thin(job, rows, columns.begin + unit, room, pending);
                continue;
            }
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

}  // namespace tunesmith

#endif
