#include "cells.h"

using unrolled::Recurrence;
extern "C" {
void unrolled_rnn_forward(const Recurrence*);
void unrolled_rnn_backward(const Recurrence*);
void unrolled_gru_forward(const Recurrence*);
void unrolled_gru_backward(const Recurrence*);
void unrolled_lstm_forward(const Recurrence*);
void unrolled_lstm_backward(const Recurrence*);
}

const std::vector<Cell> cells{
    {"rnn tanh", unrolled_rnn_forward, unrolled_rnn_backward, 0, 0, 1, 1},
    {"rnn relu", unrolled_rnn_forward, unrolled_rnn_backward, 0, 1, 1, 1},
    {"gru before", unrolled_gru_forward, unrolled_gru_backward, 1, 0, 3, 3},
    {"gru after", unrolled_gru_forward, unrolled_gru_backward, 1, 1, 3, 4},
    {"gru none", unrolled_gru_forward, unrolled_gru_backward, 1, 2, 2, 2},
    {"lstm", unrolled_lstm_forward, unrolled_lstm_backward, 2, 0, 4, 4},
    {"lstm current", unrolled_lstm_forward, unrolled_lstm_backward, 2, 1, 4, 4},
    {"lstm previous, identity", unrolled_lstm_forward, unrolled_lstm_backward, 2, 2, 4, 4, true},
};

namespace {

template <class T>
void train(const Cell& cell, int64_t hidden, const std::vector<int64_t>& lengths, bool masked, bool reverse) {
    Sequences<T> given(cell, hidden, lengths, masked, reverse);
    check(std::string(cell.name) + " of " + std::to_string(hidden), 1e-4, [&](int threads) {
        Run<T> run(given, threads);
        cell.forward(&run.r);
        cell.backward(&run.r);
        return run.result();
    });
}

}  // namespace

void recurrences() {
    const std::vector<std::vector<int64_t>> batches{{1}, {3, 3, 3, 3, 3}, {4, 0, 1, 2, 4, 1, 3}, {0, 0}, many};
    for (const Cell& cell : cells)
        for (const int64_t hidden : {1, 7, 16, 37})
            for (size_t b = 0; b < batches.size(); ++b) {
                train<float>(cell, hidden, batches[b], b % 2, hidden % 3 == 1);
                train<double>(cell, hidden, batches[b], !(b % 2), hidden % 3 != 1);
            }
}
