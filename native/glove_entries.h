// GloVe's objective (Pennington et al. 2014, equation 8) on a run of entries of the co-occurrence matrix.
#pragma once

#include <cstdint>

namespace unrolled {

struct GloveEntries {
    const int32_t *rows, *columns;  // (count) which words meet
    const float *logs, *weights;    // (count) log X and f(X)
    int64_t count, dimensions;
    float rate;
    float *input, *output;            // (vocabulary, dimensions) w and w̃
    float *input_bias, *output_bias;  // (vocabulary)
    // (vocabulary) AdaGrad's sums of squared gradients, one a row: of its numbers the mean.
    float *input_squares, *output_squares;
    float *input_bias_squares, *output_bias_squares;
    double* loss;  // Σ f(X) (w·w̃ + b + b̃ − log X)² is added to it
};

extern "C" void unrolled_glove_entries(const GloveEntries*);

}  // namespace unrolled
