// The arithmetic of one window of skip-gram or CBOW, as small matrix products: see embedding_window.h.
//
// The window's rows are copied together, six output rows at a time meet two hidden rows at a time in registers,
// and the changes are added back. Copying costs less than it saves: every product runs over aligned, padded rows.

#include "embedding_window.h"

#include "vector.h"

namespace unrolled {
namespace UNROLLED_ISA {

using Lanes = Vector<float>;
constexpr int width = lanes<float>;

// row += scale · change
static inline void add_scaled(float* row, const float* change, float scale, int64_t dimensions) {
    int64_t c = 0;
    for (; c + width <= dimensions; c += width) store(row + c, load(row + c) + scale * load(change + c));
    const int rest = static_cast<int>(dimensions - c);
    if (rest) store(row + c, load(row + c, rest) + scale * load(change + c, rest), rest);
}

// G = A Bᵀ for R rows of A and six of B.
template <int R>
static inline void logits(const float* a, const float* b, int64_t columns, float* g, int64_t stride) {
    Lanes total[R][6] = {};
    for (int64_t c = 0; c < columns; c += width)
        for (int m = 0; m < 6; ++m) {
            const Lanes y = load(b + m * columns + c);
            for (int r = 0; r < R; ++r) total[r][m] += load(a + r * columns + c) * y;
        }
    for (int r = 0; r < R; ++r)
        for (int m = 0; m < 6; ++m) g[r * stride + m] = sum<float>(total[r][m]);
}

// dH += G O and dO = Gᵀ H for six output rows, in one pass over the columns.
static inline void products(const float* h, float* dh, const float* o, float* change, const float* g, int64_t stride,
                            int64_t hidden, int64_t columns, bool first) {
    for (int64_t c = 0; c < columns; c += width) {
        Lanes y[6], dy[6] = {};
        for (int m = 0; m < 6; ++m) y[m] = load(o + m * columns + c);
        for (int64_t n = 0; n < hidden; ++n) {
            const Lanes x = load(h + n * columns + c);
            Lanes dx = first ? Lanes{} : load(dh + n * columns + c);
            for (int m = 0; m < 6; ++m) {
                const float coefficient = g[n * stride + m];
                dx += coefficient * y[m];
                dy[m] += coefficient * x;
            }
            store(dh + n * columns + c, dx);
        }
        for (int m = 0; m < 6; ++m) store(change + m * columns + c, dy[m]);
    }
}

void embedding_descend(const EmbeddingWindow& w) {
    const int64_t columns = w.columns, hidden = w.combined ? 1 : w.inputs, stride = (w.outputs + 5) / 6 * 6;
    if (w.combined) {
        std::memset(w.H, 0, columns * sizeof(float));
        for (int64_t k = 0; k < w.inputs; ++k)
            add_scaled(w.H, w.input + w.rows[k] * w.dimensions, w.scales[k], w.dimensions);
    } else {
        for (int64_t n = 0; n < hidden; ++n)
            std::memcpy(w.H + n * columns, w.input + w.rows[n] * w.dimensions, w.dimensions * sizeof(float));
        if (hidden % 2) std::memset(w.H + hidden * columns, 0, columns * sizeof(float));
    }
    for (int64_t m = 0; m < w.outputs; ++m)
        std::memcpy(w.O + m * columns, w.output + w.targets[m] * w.dimensions, w.dimensions * sizeof(float));
    std::memset(w.O + w.outputs * columns, 0, (stride - w.outputs) * columns * sizeof(float));

    for (int64_t m = 0; m < stride; m += 6)
        if (hidden == 1)
            logits<1>(w.H, w.O + m * columns, columns, w.G + m, stride);
        else
            for (int64_t n = 0; n < hidden; n += 2)
                logits<2>(w.H + n * columns, w.O + m * columns, columns, w.G + n * stride + m, stride);
    if (w.measure) std::memcpy(w.logits, w.G, hidden * stride * sizeof(float));
    for (int64_t k = 0; k < hidden * stride; k += width) store(w.G + k, sigmoid<float>(load(w.G + k)));
    for (int64_t n = 0; n < hidden; ++n) {
        float* g = w.G + n * stride;
        for (int64_t m = 0; m < w.outputs; ++m) g[m] = (w.labels[m] - g[m]) * w.mask[m] * w.rate;
        for (int64_t m = w.outputs; m < stride; ++m) g[m] = 0;
    }
    for (int64_t m = 0; m < stride; m += 6)
        products(w.H, w.dH, w.O + m * columns, w.dO + m * columns, w.G + m, stride, hidden, columns, m == 0);
}

void embedding_add(const EmbeddingWindow& w) {
    for (int64_t k = 0; k < w.inputs; ++k)
        if (w.parts == 1 || w.rows[k] % w.parts == w.part)
            add_scaled(w.input + w.rows[k] * w.dimensions, w.dH + (w.combined ? 0 : k * w.columns),
                       w.combined ? w.scales[k] : 1.f, w.dimensions);
    for (int64_t m = 0; m < w.outputs; ++m)
        if (w.parts == 1 || w.targets[m] % w.parts == w.part)
            add_scaled(w.output + w.targets[m] * w.dimensions, w.dO + m * w.columns, 1.f, w.dimensions);
}

}  // namespace UNROLLED_ISA
}  // namespace unrolled

UNROLLED_KERNEL(embedding_descend, EmbeddingWindow);
UNROLLED_KERNEL(embedding_add, EmbeddingWindow);
