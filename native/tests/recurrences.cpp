#include "../recurrence.h"

#include <algorithm>

#include "driver.h"

using unrolled::Recurrence;
extern "C" {
void unrolled_rnn_forward(const Recurrence*);
void unrolled_rnn_backward(const Recurrence*);
void unrolled_gru_forward(const Recurrence*);
void unrolled_gru_backward(const Recurrence*);
void unrolled_lstm_forward(const Recurrence*);
void unrolled_lstm_backward(const Recurrence*);
}

namespace {

using Kernel = void (*)(const Recurrence*);

struct Cell {
    const char* name;
    Kernel forward, backward;
    int64_t variant, gates, grad_gates;
    bool plain_output = false;
};

constexpr Cell cells[] = {
    {"rnn tanh", unrolled_rnn_forward, unrolled_rnn_backward, 0, 1, 1},
    {"rnn relu", unrolled_rnn_forward, unrolled_rnn_backward, 1, 1, 1},
    {"gru before", unrolled_gru_forward, unrolled_gru_backward, 0, 3, 3},
    {"gru after", unrolled_gru_forward, unrolled_gru_backward, 1, 3, 4},
    {"gru none", unrolled_gru_forward, unrolled_gru_backward, 2, 2, 2},
    {"lstm", unrolled_lstm_forward, unrolled_lstm_backward, 0, 4, 4},
    {"lstm current", unrolled_lstm_forward, unrolled_lstm_backward, 1, 4, 4},
    {"lstm previous, identity", unrolled_lstm_forward, unrolled_lstm_backward, 2, 4, 4, true},
};

template <class T>
void train(const Cell& cell, int64_t hidden, std::vector<int64_t> lengths, bool masked, bool reverse) {
    std::sort(lengths.begin(), lengths.end(), std::greater<>());
    const int64_t batch = static_cast<int64_t>(lengths.size()), steps = lengths.front();
    std::vector<int64_t> offsets(steps + 1);
    for (int64_t t = 0; t < steps; ++t)
        offsets[t + 1] = offsets[t] + std::count_if(lengths.begin(), lengths.end(), [&](int64_t n) { return n > t; });
    const int64_t rows = offsets[steps];
    const bool lstm = cell.gates == 4, gru = cell.forward == unrolled_gru_forward, after = cell.grad_gates > cell.gates;
    const bool ragged = lengths.back() < steps;

    auto weight = numbers<T>(cell.gates * hidden * hidden, 0.3), bias = numbers<T>(after ? hidden : 0);
    auto peephole = numbers<T>(lstm && cell.variant ? 3 * hidden : 0), mask = numbers<T>(masked ? batch * hidden : 0);
    auto initial = numbers<T>(batch * hidden), initial_cell = numbers<T>(lstm ? batch * hidden : 0);
    const auto inputs = numbers<T>(rows * cell.gates * hidden), above = numbers<T>(rows * hidden);
    const auto final_above = numbers<T>(batch * hidden);
    check(std::string(cell.name) + " of " + std::to_string(hidden), 1e-4, [&](int threads) {
        auto gates = inputs, grad_output = above, grad_hidden = final_above;
        auto grad_cell = std::vector<T>(initial_cell.size());
        std::vector<T> output(rows * hidden), cell_states(lstm ? rows * hidden : 0);
        std::vector<T> seen(masked || ragged ? rows * hidden : 0), inner(gru && cell.gates == 3 ? rows * hidden : 0);
        std::vector<T> last(batch * hidden), last_cell(initial_cell.size());
        std::vector<T> grads(rows * cell.grad_gates * hidden), sums(threads * (cell.grad_gates + 3) * hidden);
        Recurrence r{};
        r.bytes = sizeof(T), r.threads = threads, r.steps = steps, r.batch = batch, r.hidden = hidden;
        r.offsets = offsets.data(), r.reverse = reverse, r.variant = cell.variant, r.plain_output = cell.plain_output;
        r.training = 1;
        r.weight = address(weight), r.recurrent_bias = address(bias), r.peephole = address(peephole);
        r.mask = address(mask), r.initial_hidden = address(initial), r.initial_cell = address(initial_cell);
        r.gates = address(gates), r.output = address(output), r.cells = address(cell_states), r.seen = address(seen);
        r.inner = address(inner), r.final_hidden = address(last), r.final_cell = address(last_cell);
        cell.forward(&r);
        r.grad_output = address(grad_output), r.grad_hidden = address(grad_hidden), r.grad_cell = address(grad_cell);
        r.grad_gates = address(grads), r.grad_sums = address(sums);
        cell.backward(&r);
        Result result;
        for (const auto* part : {&output, &last, &last_cell, &grads, &grad_hidden, &grad_cell}) result.add(*part);
        return result;
    });
}

}  // namespace

void recurrences() {
    const std::vector<std::vector<int64_t>> batches{{1}, {3, 3, 3, 3, 3}, {4, 0, 1, 2, 4, 1, 3}, {0, 0}};
    for (const Cell& cell : cells)
        for (const int64_t hidden : {1, 7, 16, 37})
            for (size_t b = 0; b < batches.size(); ++b) {
                train<float>(cell, hidden, batches[b], b % 2, hidden % 3 == 1);
                train<double>(cell, hidden, batches[b], !(b % 2), hidden % 3 != 1);
            }
}
