// One step of AdaGrad (Duchi et al. 2011) for each entry of a co-occurrence matrix: see glove_entries.h.

#include "glove_entries.h"

#include "vector.h"

namespace unrolled {
namespace UNROLLED_ISA {

// 1/√x
static UNROLLED_INLINE Vector<float> inverse_root(Vector<float> x) {
#if UNROLLED_ISA_LEVEL == 2
    const Vector<float> y = _mm512_maskz_rsqrt14_ps(0xffff, x);
    return y * (1.5f - 0.5f * x * y * y);
#else
    Vector<float> root;
    for (int i = 0; i < lanes<float>; ++i) root[i] = __builtin_sqrtf(x[i]);
    return 1.f / root;
#endif
}

// A value, and its sum of squares, one step on.
static UNROLLED_INLINE void step(float* value, float* squares, float gradient, float rate) {
    *value -= rate * gradient / __builtin_sqrtf(*squares);
    *squares += gradient * gradient;
}

static UNROLLED_INLINE void steps(float* a, float* a_squares, float* b, float* b_squares, float error, float rate,
                                  int count) {
    const Vector<float> x = load(a, count), y = load(b, count);
    const Vector<float> s = load(a_squares, count), t = load(b_squares, count);
    const Vector<float> gx = error * y, gy = error * x;
    store(a, x - rate * gx * inverse_root(s), count);
    store(b, y - rate * gy * inverse_root(t), count);
    store(a_squares, s + gx * gx, count);
    store(b_squares, t + gy * gy, count);
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
                const int64_t row = e.rows[k + 2] * e.dimensions + c, column = e.columns[k + 2] * e.dimensions + c;
                __builtin_prefetch(e.input + row), __builtin_prefetch(e.input_squares + row);
                __builtin_prefetch(e.output + column), __builtin_prefetch(e.output_squares + column);
            }
        float *a = e.input + i * e.dimensions, *b = e.output + j * e.dimensions;
        float *a_squares = e.input_squares + i * e.dimensions, *b_squares = e.output_squares + j * e.dimensions;
        Vector<float> dot{};
        for (int64_t c = 0; c < whole; c += width) dot += load(a + c) * load(b + c);
        if (rest) dot += load(a + whole, rest) * load(b + whole, rest);
        const float difference = sum<float>(dot) + e.input_bias[i] + e.output_bias[j] - e.logs[k];
        const float error = e.weights[k] * difference;
        loss += static_cast<double>(error) * difference;
        for (int64_t c = 0; c < whole; c += width)
            steps(a + c, a_squares + c, b + c, b_squares + c, error, e.rate, width);
        if (rest) steps(a + whole, a_squares + whole, b + whole, b_squares + whole, error, e.rate, rest);
        step(e.input_bias + i, e.input_bias_squares + i, error, e.rate);
        step(e.output_bias + j, e.output_bias_squares + j, error, e.rate);
    }
    *e.loss += loss;
}

}  // namespace UNROLLED_ISA
}  // namespace unrolled

UNROLLED_KERNEL(glove_entries, GloveEntries);
