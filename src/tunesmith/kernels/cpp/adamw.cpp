// AdamW's step and what surrounds it, each one pass over the memory of many tensors.
//
// The tensors are cut into pieces of one size, and the pieces are shared out: small ones cost no more than large ones,
// and a sum over them is the same for any number of threads.
#include <cmath>
#include <vector>

#include "vector.h"

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

// What a tensor's update is made of beside its four rows: its own, as tensors may have taken different numbers of steps.
struct Pace {
    float rate, root;  // of the mean, and of the root of the mean square, both with the bias taken out
};

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
    std::vector<Pace> paces(tensors);
    for (int64_t tensor = 0; tensor < tensors; tensor++) {
        double taken = *steps[tensor] += 1.0f;
        paces[tensor] = {float(rate / (1 - std::pow(beta1, taken))), float(1 / std::sqrt(1 - std::pow(beta2, taken)))};
    }
    float by = float(scale), kept = float(1 - rate * decay), old = float(beta2), least = float(epsilon);
    float fresh = float(1 - beta1), fresh_square = float(1 - beta2);
    each_piece(pieces(tensors, sizes), [&](Piece piece, int64_t) {
        const float* gradient = gradients[piece.tensor];
        float *parameter = parameters[piece.tensor], *mean = means[piece.tensor], *square = squares[piece.tensor];
        bf16* copy = copies ? copies[piece.tensor] : nullptr;
        Pace pace = paces[piece.tensor];
        each_lane(piece, [&](int64_t i, int count) {
            Lane g = load(gradient + i, count) * by, m = load(mean + i, count);
            m += (g - m) * fresh;
            Lane v = load(square + i, count) * old + g * g * fresh_square;
            store(mean + i, m, count);
            store(square + i, v, count);
            Lane step = m * pace.rate / (square_root(v) * pace.root + least);
            Lane stepped = load(parameter + i, count) * kept - step;
            store(parameter + i, stepped, count);
            if (copy) store(copy + i, stepped, count);
        });
    });
}
