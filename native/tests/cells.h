// The recurrent cells as their kernels take them, and the arrays of a run.
#pragma once

#include <algorithm>
#include <functional>

#include "../recurrence.h"
#include "driver.h"

struct Cell {
    const char* name;
    void (*forward)(const unrolled::Recurrence*);
    void (*backward)(const unrolled::Recurrence*);
    int64_t kind, variant, gates, grad_gates;
    bool plain_output = false;
};
extern const std::vector<Cell> cells;

// Lengths of a batch in which every one of four threads owns rows.
inline const std::vector<int64_t> many = [] {
    std::vector<int64_t> lengths(72, 3);
    std::fill(lengths.begin(), lengths.begin() + 36, 4);
    return lengths;
}();

// What does not depend on the threads. Sequences are packed, longest first.
template <class T>
struct Sequences {
    Sequences(const Cell& cell, int64_t hidden, std::vector<int64_t> lengths, bool masked, bool reverse)
        : cell(cell), hidden(hidden), batch(static_cast<int64_t>(lengths.size())), reverse(reverse) {
        std::sort(lengths.begin(), lengths.end(), std::greater<>());
        const bool ragged = lengths.back() < lengths.front(), lstm = cell.kind == 2;
        offsets.push_back(0);
        for (int64_t t = 0; t < lengths.front(); ++t)
            offsets.push_back(offsets.back() + std::count_if(lengths.begin(), lengths.end(), [&](int64_t n) { return n > t; }));
        rows = offsets.back();
        keeps_seen = masked || ragged;
        weight = numbers<T>(cell.gates * hidden * hidden, 0.3);
        bias = numbers<T>(cell.grad_gates > cell.gates ? hidden : 0);
        peephole = numbers<T>(lstm && cell.variant ? 3 * hidden : 0);
        mask = numbers<T>(masked ? batch * hidden : 0);
        initial = numbers<T>(batch * hidden), initial_cell = numbers<T>(lstm ? batch * hidden : 0);
        inputs = numbers<T>(rows * cell.gates * hidden), above = numbers<T>(rows * hidden);
        final_above = numbers<T>(batch * hidden);
    }

    const Cell& cell;
    const int64_t hidden, batch;
    const bool reverse;
    int64_t rows;
    bool keeps_seen;
    std::vector<int64_t> offsets;
    std::vector<T> weight, bias, peephole, mask, initial, initial_cell, inputs, above, final_above;
};

// The arrays of one run over them.
template <class T>
struct Run {
    Run(Sequences<T>& of, int threads) : gates(of.inputs), grad_output(of.above), grad_hidden(of.final_above) {
        const Cell& cell = of.cell;
        const int64_t all = of.rows * of.hidden, each = of.batch * of.hidden;
        const bool lstm = cell.kind == 2;
        output.resize(all), cell_states.resize(lstm ? all : 0), seen.resize(of.keeps_seen ? all : 0);
        inner.resize(cell.kind == 1 && cell.gates == 3 ? all : 0), last.resize(each), last_cell.resize(lstm ? each : 0);
        grad_cell.resize(last_cell.size()), grads.resize(cell.grad_gates * all);
        sums.resize(threads * (cell.grad_gates + 3) * of.hidden);
        r.bytes = sizeof(T), r.threads = threads, r.steps = static_cast<int64_t>(of.offsets.size()) - 1;
        r.batch = of.batch, r.hidden = of.hidden, r.offsets = of.offsets.data(), r.reverse = of.reverse;
        r.variant = cell.variant, r.plain_output = cell.plain_output, r.training = 1;
        r.weight = address(of.weight), r.recurrent_bias = address(of.bias), r.peephole = address(of.peephole);
        r.mask = address(of.mask), r.initial_hidden = address(of.initial), r.initial_cell = address(of.initial_cell);
        r.gates = address(gates), r.output = address(output), r.cells = address(cell_states), r.seen = address(seen);
        r.inner = address(inner), r.final_hidden = address(last), r.final_cell = address(last_cell);
        r.grad_output = address(grad_output), r.grad_hidden = address(grad_hidden), r.grad_cell = address(grad_cell);
        r.grad_gates = address(grads), r.grad_sums = address(sums);
    }
    Result result() const {
        Result all;
        for (const auto* part : {&output, &last, &last_cell, &grads, &grad_hidden, &grad_cell}) all.add(*part);
        return all;
    }

    std::vector<T> gates, grad_output, grad_hidden;
    std::vector<T> output, cell_states, seen, inner, last, last_cell, grad_cell, grads, sums;
    unrolled::Recurrence r{};
};
