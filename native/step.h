// What unrolled_step takes: instructions that make one step of a model that writes, and what they are made of.
#pragma once

#include <cstdint>

namespace unrolled {

struct Drawing {
    double temperature;  // 0: the likeliest
    int64_t top_k;       // 0: all
    double top_p;
    const int64_t* forbidden;  // ids that are never drawn
    int64_t forbidden_count;
    int64_t spared;      // an id that is not drawn either while step < spared_steps
    int64_t spared_steps;
};

enum Kind { embed, product, gru_open, gru_close, lstm, attend, top };

struct Instruction {
    int64_t kind;     // see Kind
    int64_t variant;  // of a cell; of embed: the id that is no word, or −1
    int64_t a, b, c;  // buffers read
    int64_t out, more;  // buffers written
    int64_t columns, depth;
    const void* weight;    // of a product and of top: in panels, as step_pack leaves it
    int64_t stride;        // embed: of the table's rows
    int64_t format;        // of a product's weight: 0 float32, 1 bfloat16, 2 int8
    const float* scale;    // (columns), int8
    const float* bias;     // (columns), or null
    int64_t accumulate;    // product: added to what is there
    int64_t nonlinearity;  // product: 0 none, 1 tanh, 2 relu
};

// A weight (columns, depth), a row an output, and where its panels go: columns rounded up to 16, times depth, numbers.
struct StepPanels {
    int64_t columns, depth;
    const void* weight;
    int64_t stride;  // of its rows
    int64_t format;
    void* to;
};

struct Step {
    int64_t threads, rows, count;
    const Instruction* instructions;
    float* const* buffers;
    const int64_t* strides;  // of each buffer's rows
    const int64_t* tokens;   // (rows)

    // What is attended to: row r looks at sentence[r] of keys (…, source, size) and values (…, source, features).
    const int64_t* sentence;
    const int64_t* lengths;
    const float *keys, *values;
    int64_t source, size, features;

    int64_t k;         // drawing: 0, or so many of the likeliest among which the one to take is: temperature 0
    float* log_probs;  // (rows, k), descending; of words drawn (steps, rows)
    int64_t* ids;      // (rows, k); of words drawn (steps, rows), −1 where nothing has a probability

    // The first `state` buffers are the state before a step, as many after them that after it; drawing, and where it is
    // reset, the former is overwritten.
    int64_t steps;  // 0: the k likeliest of one step
    int64_t* steps_made;  // how many were: none follows on an id of −1, nor when every row has drawn `end`
    int64_t end;    // an id, or −1
    int64_t state;
    int64_t reset;  // the id before which the state is zero, or −1: the first instruction embeds
    const double* uniform;  // (steps, rows)
    Drawing drawing;
};

}  // namespace unrolled
