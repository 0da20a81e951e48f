#pragma once

#include <cstdint>

namespace unrolled {

// log softmax(features · weightᵀ + bias) at each row's target, and the gradients of
// Σ_rows log Σ_w exp z(w) − target_weight · z(target). Everything is contiguous.
struct CrossEntropy {
    int64_t bytes;  // of a number: 4 or 8
    int64_t threads;
    int64_t rows, size, vocabulary;
    const void* features;    // (rows, size)
    const void* weight;      // (vocabulary, size)
    const void* bias;        // (vocabulary), or null
    const int64_t* targets;  // (rows), each within the vocabulary
    double floor;            // probabilities below it count as zero in the gradients
    double target_weight;

    void* log_sums;   // (rows): log Σ exp z
    void* log_probs;  // (rows)
    // Null where not wanted.
    void* grad_features;  // (rows, size)
    void* grad_weight;    // (vocabulary, size), added to
    void* grad_bias;      // (vocabulary), added to
};

}  // namespace unrolled
