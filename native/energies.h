#pragma once

#include <cstdint>

namespace unrolled {

struct Energies {
    int64_t bytes, threads;
    int64_t batch, queries, source, size;
    const void* asked;   // (batch, queries, size)
    const void* keys;    // (batch, source, size)
    const void* weight;  // (size): v
    void* energies;      // (batch, queries, source)

    // Backward; results are zeros at first.
    const void* grads;  // (batch, queries, source)
    void* grad_asked;   // (batch, queries, size)
    void* grad_keys;    // (batch, source, size)
    void* grad_weight;  // (size)
};

}  // namespace unrolled
