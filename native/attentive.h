#pragma once

#include "recurrence.h"

namespace unrolled {

// Shapes: N, B, H, G as of the recurrence; S source positions, A features of keys, F of values. A row is a sentence's
// place in packed order. L features come late to the cell's input: F (Bahdanau) or D, those of s̃ (Luong).
struct Attentive {
    const Recurrence* cell;
    int64_t kind;               // 0 RNN, 1 GRU, 2 LSTM
    int64_t gates, grad_gates;  // G, and G' as of the recurrence's backward pass
    int64_t luong, additive;
    int64_t source, size, features, late;
    const int64_t* sentence;  // (B): which entry of keys and values is a row's
    const int64_t* lengths;   // (B), by sentence
    const void* keys;         // (B, S, A)
    const void* values;       // (B, S, F)
    const void* late_weight;  // (G·H, L), of row stride late_stride; backward (G'·H, L)
    int64_t late_stride;
    const void* query_weight;   // (A, H), additive
    const void* energy_weight;  // (A), additive
    const void* combine;        // (D, F + H), Luong

    void* asked;       // (N, A), additive: W s
    void* weights;     // (N, S), zeros at first
    void* context;     // (N, F), Bahdanau; (N, F + H), Luong: [context, s]
    void* fed;         // (N, D), Luong: s̃ of the step before; that of the first step is given
    void* attended;    // (N, D), Luong: s̃
    void* final_late;  // (B, L), given where there is no step

    // Backward. grad_final holds the last context's or s̃'s gradient; it becomes that of Luong's first s̃.
    void* grad_late;           // (N, L): that of the contexts (whole, at the end) or of s̃ (before its tanh, at the end)
    void* grad_final;          // (B, L)
    void* grad_context;        // (N, F + H), Luong
    const void* grad_weights;  // (N, S), or null
    void* grad_energies;       // (N, S), zeros at first
    void* grad_asked;          // (N, A), zeros at first
    void* grad_keys;           // (B, S, A), additive: zeros at first; else made after the call
    void* grad_energy_weight;  // (threads, A), additive: zeros at first
};

}  // namespace unrolled
