#pragma once

#include <cstdint>

namespace unrolled {

// c(m, n) = Σ_k a(m, k) · b(k, n) + bias(n), or that added to c; k < depth, which is at least 1.
struct Product {
    int64_t rows, columns, depth;
    const void* a;
    int64_t a_row, a_column;  // strides, in numbers
    const void* b;
    int64_t b_row, b_column;
    void* c;
    int64_t c_row;     // its columns are contiguous
    const void* bias;  // (columns), or null
    int64_t accumulate;
    int64_t bytes;  // of a number: 4 or 8
    int64_t threads;
    // b as product_pack left it there for products to come (b is not read then), or null: depth rows of its columns,
    // these rounded up to 16, the numbers of a widest vector.
    void* packed;
};

}  // namespace unrolled
