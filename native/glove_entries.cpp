// One step of AdaGrad (Duchi et al. 2011) for each entry of a co-occurrence matrix: see glove_entries.h.

#include "glove_entries.h"

#include "vector.h"

namespace unrolled {
namespace UNROLLED_ISA {

// A bias, and its sum of squares, one step on.
static UNROLLED_INLINE void step(float* value, float* squares, float gradient, float rate) {
    *value -= rate * gradient / __builtin_sqrtf(*squares);
    *squares += gradient * gradient;
}

// Two rows, each against the gradient: the other one, scaled.
static UNROLLED_INLINE void steps(float* a, float* b, float a_scale, float b_scale, int count) {
    const Vector<float> x = load(a, count), y = load(b, count);
    store(a, x - a_scale * y, count);
    store(b, y - b_scale * x, count);
}

void glove_entries(const GloveEntries& e) {
    constexpr int width = lanes<float>;
    const int64_t whole = e.dimensions / width * width;
    const int rest = static_cast<int>(e.dimensions - whole);
    double loss = 0;
    for (int64_t k = 0; k < e.count; ++k) {
        const int64_t i = e.rows[k], j = e.columns[k];
        if (k + 2 < e.count)
            for (int64_t c = 0; c < e.dimensions; c += 16) {
                __builtin_prefetch(e.input + e.rows[k + 2] * e.dimensions + c);
                __builtin_prefetch(e.output + e.columns[k + 2] * e.dimensions + c);
            }
        float *a = e.input + i * e.dimensions, *b = e.output + j * e.dimensions;
        Vector<float> dot{}, a_norm{}, b_norm{};
        auto add = [&](int64_t c, int count) {
            const Vector<float> x = load(a + c, count), y = load(b + c, count);
            dot += x * y, a_norm += x * x, b_norm += y * y;
        };
        for (int64_t c = 0; c < whole; c += width) add(c, width);
        if (rest) add(whole, rest);
        const float difference = sum<float>(dot) + e.input_bias[i] + e.output_bias[j] - e.logs[k];
        const float error = e.weights[k] * difference;
        loss += static_cast<double>(error) * difference;
        float *a_squares = e.input_squares + i, *b_squares = e.output_squares + j;
        const float a_scale = e.rate * error / __builtin_sqrtf(*a_squares);
        const float b_scale = e.rate * error / __builtin_sqrtf(*b_squares);
        for (int64_t c = 0; c < whole; c += width) steps(a + c, b + c, a_scale, b_scale, width);
        if (rest) steps(a + whole, b + whole, a_scale, b_scale, rest);
        // The mean of the squares of the row's gradient.
        *a_squares += error * error * sum<float>(b_norm) / static_cast<float>(e.dimensions);
        *b_squares += error * error * sum<float>(a_norm) / static_cast<float>(e.dimensions);
        step(e.input_bias + i, e.input_bias_squares + i, error, e.rate);
        step(e.output_bias + j, e.output_bias_squares + j, error, e.rate);
    }
    *e.loss += loss;
}

}  // namespace UNROLLED_ISA
}  // namespace unrolled

UNROLLED_KERNEL(glove_entries, GloveEntries);
