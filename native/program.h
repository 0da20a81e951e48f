// What unrolled_program takes: a cell's step as a list of operations, to be run through time.
#pragma once

#include <cstdint>

namespace unrolled {

// A quantity (batch, width) at each step. A stride is 0 where steps, or rows, or groups of rows share what is there.
struct Quantity {
    void* data;
    int64_t time, row, group;  // strides, in numbers
};

enum OperationKind {
    multiply_matrix,  // out = a · matrix (+ bias), or added to what is there
    affine,           // out = factor · a + term
    sigmoid_of,
    tanh_of,
    relu_of,
    exp_of,
    absolute,
    reciprocal,
    add_scaled,  // out = a + factor · b
    multiply_by,
    divide_by,
    greater_of,
    lesser_of,
    normalize,   // of each row: (a − mean) / √(variance + term)
    softmax_of,  // of each row
    nothing      // writes nothing; its gradient is zero: begins a sum of gradients
};

struct Operation {
    int64_t kind;       // see OperationKind
    int64_t a, b, out;  // quantities; b: −1 where there is none
    int64_t width;      // of out; of `nothing`: of a
    double factor, term;
    const void* matrix;  // (depth, width)
    int64_t matrix_row, matrix_column, depth;
    const void* bias;  // (width), or null
    int64_t accumulate;
    int64_t first_a, first_b;  // whether, going backward, a gradient is written here instead of added to
};

// Going backward, the operations are followed from the last to the first; gradients[i] is of quantities[i], and its data
// are null where it is not asked for. A state and its successor share one gradient.
struct Program {
    int64_t bytes;  // of a number: 4 or 8
    int64_t threads;  // and groups of rows (`share`), of which there are no more than rows
    int64_t steps, batch;
    int64_t reverse;
    int64_t backward;
    const int64_t* lengths;  // (batch), descending within each group; or null: all
    int64_t count;
    const Operation* operations;
    const Quantity* quantities;
    const Quantity* gradients;
};

}  // namespace unrolled
