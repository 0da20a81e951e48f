#pragma once

#include <cstdint>

namespace unrolled {

struct Dropout {
    int64_t bytes, threads;
    int64_t size;
    int64_t seed;
    int64_t kept;        // the numbers below it, of 2³² equally probable ones, keep an input
    double scale;        // of an input that is kept
    const void* inputs;  // (size)
    void* outputs;       // (size)
};

}  // namespace unrolled
