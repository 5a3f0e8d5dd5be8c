// AdamW's step and what surrounds it, each one pass over the memory of many tensors.
//
// The tensors are cut into pieces of one size, and the pieces are shared out: small ones cost no more than large ones,
// and a sum over them is the same for any number of threads.
#include <vector>

#include "adamw.h"

namespace tunesmith {
namespace {

constexpr int64_t PIECE = 16384;

struct Piece {
    int64_t tensor, begin, end;
};

std::vector<Piece> pieces(int64_t tensors, const int64_t* sizes) {
    std::vector<Piece> all;
    for (int64_t tensor = 0; tensor < tensors; tensor++)
        for (int64_t begin = 0; begin < sizes[tensor]; begin += PIECE)
            all.push_back({tensor, begin, begin + PIECE < sizes[tensor] ? begin + PIECE : sizes[tensor]});
    return all;
}

// Calls work(piece, its number).
template <class Work>
inline void each_piece(const std::vector<Piece>& all, Work&& work) {
    each_share(int64_t(all.size()), int64_t(all.size()) * PIECE, [&](Span span, int, int) {
        for (int64_t number = span.begin; number < span.end; number++) work(all[number], number);
    });
}

template <class Work>
inline void each_lane(Piece piece, Work&& work) {
    int64_t i = piece.begin;
    for (; i + LANE <= piece.end; i += LANE) work(i, LANE);
    if (i < piece.end) work(i, int(piece.end - i));
}

}  // namespace
}  // namespace tunesmith

using namespace tunesmith;

// The sum of squares of all numbers.
extern "C" double squares_f32(int64_t tensors, const int64_t* sizes, const float* const* values) {
    std::vector<Piece> all = pieces(tensors, sizes);
    std::vector<double> sums(all.size());
    each_piece(all, [&](Piece piece, int64_t number) {
        const float* from = values[piece.tensor];
        Lane total[4] = {};
        int turn = 0;
        each_lane(piece, [&](int64_t i, int count) {
            Lane value = load(from + i, count);
            total[turn++ & 3] += value * value;
        });
        sums[number] = sum((total[0] + total[1]) + (total[2] + total[3]));
    });
    double total = 0;
    for (double part : sums) total += part;
    return total;
}

// One step on `scale` times the gradients; `copies`, where there are any, take the new numbers in bfloat16.
extern "C" void adamw_f32(int64_t tensors, const int64_t* sizes, float* const* parameters,
                          const float* const* gradients, float* const* means, float* const* squares,
                          float* const* steps, bf16* const* copies, double scale, double rate, double beta1,
                          double beta2, double epsilon, double decay) {
    std::vector<Pace> paces(tensors);  // tensors may have taken different numbers of steps
    for (int64_t tensor = 0; tensor < tensors; tensor++)
        paces[tensor] = pace_of(*steps[tensor] += 1.0f, rate, beta1, beta2, decay);
    float by = float(scale);
    Betas betas(beta1, beta2, epsilon);
    each_piece(pieces(tensors, sizes), [&](Piece piece, int64_t) {
        Flushing tiny;
        const float* gradient = gradients[piece.tensor];
        float *parameter = parameters[piece.tensor], *mean = means[piece.tensor], *square = squares[piece.tensor];
        bf16* copy = copies ? copies[piece.tensor] : nullptr;
        Pace pace = paces[piece.tensor];
        each_lane(piece, [&](int64_t i, int count) {
            Moving at{load(parameter + i, count), load(mean + i, count), load(square + i, count)};
            take_step(at, load(gradient + i, count) * by, pace, betas);
            store(parameter + i, at.value, count);
            store(mean + i, at.mean, count);
            store(square + i, at.square, count);
            if (copy) store(copy + i, at.value, count);
        });
    });
}
