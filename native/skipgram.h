#pragma once

#include <cstdint>

namespace unrolled {

// Mirrored field for field by unrolled/kernels/embeddings.py.
struct EmbeddingJob {
    int32_t architecture, dimensions, window, negatives, vocabulary, threads, synchronous, unused;
    uint64_t seed;
    int64_t total;                 // words of the whole training, all epochs: where the rate reaches last_rate
    double first_rate, last_rate;
    const uint32_t* keep;          // (vocabulary) a word stays when 32 random bits are <= keep
    const uint32_t* noise_odds;    // (vocabulary) alias table of the noise: keep the column drawn ...
    const int32_t* noise_alias;    // (vocabulary) ... or take its alias
    const int64_t* pieces_begin;   // (vocabulary + 1) where a word's pieces begin, or null: its own row is all it has
    const int32_t* pieces;         // rows of `input` whose sum / √count is the word's vector
    float* input;                  // (rows, dimensions)
    float* output;                 // (vocabulary, dimensions)
};

}  // namespace unrolled
