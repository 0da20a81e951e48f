// Long short-term memory. Gates: update, forget, candidate, output. Variants: 0 no peepholes, 1 the output gate sees
// the current memory cell, 2 all gates see the previous one.
#pragma once

#include "recurrence.h"

namespace unrolled::UNROLLED_ISA {
namespace lstm {

enum Peepholes { none, current, previous };

template <class T, class Around>
void forward(const Recurrence& r, Around&& around) {
    const int64_t H = r.hidden;
    const Walk<T> walk(r);
    Panels<T> panels(static_cast<const T*>(r.weight), 1, H, H, H, 4);
    const T* peephole = static_cast<const T*>(r.peephole);

    auto finish = [&](int64_t t, int64_t first, int rows, int64_t unit, const T* tile) {
        const int count = walk.width(unit);
        Vector<T> p[3]{};
        if (r.variant != none)
            for (int i = 0; i < 3; ++i) p[i] = load(peephole + i * H + unit, count);
        for (int i = 0; i < rows; ++i, tile += 4 * lanes<T>) {
            const int64_t row = first + i, at = walk.offset(t) + row;
            T* gates = static_cast<T*>(r.gates) + at * 4 * H + unit;
            const Vector<T> c = load(walk.previous(r.cells, r.initial_cell, t, row) + unit, count);
            Vector<T> z[4];
            for (int g = 0; g < 4; ++g) z[g] = load(gates + g * H, count) + load(tile + g * lanes<T>);
            if (r.variant != none) z[0] += p[0] * c, z[1] += p[1] * c;
            const Vector<T> update = sigmoid<T>(z[0]), forget = sigmoid<T>(z[1]), candidate = tanh<T>(z[2]);
            const Vector<T> cell = update * candidate + forget * c;
            if (r.variant != none) z[3] += p[2] * (r.variant == current ? cell : c);
            const Vector<T> open = sigmoid<T>(z[3]);
            if (r.training) {
                store(gates, update, count);
                store(gates + H, forget, count);
                store(gates + 2 * H, candidate, count);
                store(gates + 3 * H, open, count);
            }
            store(static_cast<T*>(r.cells) + at * H + unit, cell, count);
            if (row >= walk.rows(walk.after(t))) store(static_cast<T*>(r.final_cell) + row * H + unit, cell, count);
            walk.put_hidden(t, row, unit, count, open * (r.plain_output ? cell : tanh<T>(cell)));
        }
    };

    together(static_cast<int>(r.threads), [&](int thread, int threads, Barrier& barrier) {
        Worker<T> worker(r, 4, thread, threads, barrier);
        if (thread == 0) walk.begin();
        panels.pack(thread, threads);
        around.pack(thread, threads);
        worker.wait();
        for (int64_t s = 0; s < r.steps; ++s) {
            const int64_t t = walk.step(s), rows = walk.rows(t);
            around.before(worker, t, rows);
            worker.product(panels, walk.seen(t), H, rows, rows,
                           [&](int64_t row, int size, const auto& panel, const T* tile) {
                               finish(t, row, size, panel.unit, tile);
                           });
            worker.end_phase();
            around.after(worker, t, rows);
        }
    });
}

template <class T, class Around>
void backward(const Recurrence& r, Around&& around) {
    const int64_t H = r.hidden;
    const Walk<T> walk(r);
    Panels<T> panels(static_cast<const T*>(r.weight), H, 1, H, 4 * H, 1);
    const T* peephole = static_cast<const T*>(r.peephole);

    auto finish = [&](int64_t t, int64_t first, int rows, int64_t unit, const T* tile, int64_t stride, T* sums) {
        const int count = walk.width(unit);
        Vector<T> p[3]{}, bias[4]{}, through[3]{};
        if (r.variant != none)
            for (int i = 0; i < 3; ++i) p[i] = load(peephole + i * H + unit, count);
        for (int i = 0; i < rows; ++i, tile += stride) {
            const int64_t row = first + i, at = walk.offset(t) + row;
            const T* gates = static_cast<const T*>(r.gates) + at * 4 * H + unit;
            T* grads = static_cast<T*>(r.grad_gates) + at * 4 * H + unit;
            T* grad_hidden = static_cast<T*>(r.grad_hidden) + row * H + unit;
            T* grad_cell = static_cast<T*>(r.grad_cell) + row * H + unit;
            const Vector<T> update = load(gates, count), forget = load(gates + H, count),
                            candidate = load(gates + 2 * H, count), open = load(gates + 3 * H, count);
            const Vector<T> cell = load(static_cast<const T*>(r.cells) + at * H + unit, count);
            const Vector<T> c = load(walk.previous(r.cells, r.initial_cell, t, row) + unit, count);

            const Vector<T> dh = load(static_cast<const T*>(r.grad_output) + at * H + unit, count) +
                                 load(grad_hidden, count) + walk.masked(row, unit, count, load(tile));
            store(grad_hidden, Vector<T>{}, count);
            const Vector<T> shown = r.plain_output ? cell : tanh<T>(cell);
            const Vector<T> slope = r.plain_output ? splat<T>(1) : T(1) - shown * shown;
            const Vector<T> d_open = dh * shown * open * (T(1) - open);
            Vector<T> dc = load(grad_cell, count) + dh * open * slope;
            if (r.variant == current) dc += d_open * p[2];
            const Vector<T> d_update = dc * candidate * update * (T(1) - update);
            const Vector<T> d_forget = dc * c * forget * (T(1) - forget);
            const Vector<T> d_candidate = dc * update * (T(1) - candidate * candidate);
            Vector<T> dc_before = dc * forget;
            if (r.variant != none) {
                dc_before += d_update * p[0] + d_forget * p[1];
                if (r.variant == previous) dc_before += d_open * p[2];
                through[0] += d_update * c;
                through[1] += d_forget * c;
                through[2] += d_open * (r.variant == current ? cell : c);
            }
            store(grad_cell, dc_before, count);
            store(grads, d_update, count);
            store(grads + H, d_forget, count);
            store(grads + 2 * H, d_candidate, count);
            store(grads + 3 * H, d_open, count);
            bias[0] += d_update;
            bias[1] += d_forget;
            bias[2] += d_candidate;
            bias[3] += d_open;
        }
        for (int g = 0; g < 4; ++g) add(sums + g * H + unit, bias[g], count);
        if (r.variant != none)
            for (int i = 0; i < 3; ++i) add(sums + (4 + i) * H + unit, through[i], count);
    };

    together(static_cast<int>(r.threads), [&](int thread, int threads, Barrier& barrier) {
        Worker<T> worker(r, 4, thread, threads, barrier);
        T* sums = static_cast<T*>(r.grad_sums) + thread * 7 * H;
        panels.pack(thread, threads);
        around.pack(thread, threads);
        worker.wait();
        walk_back<T>(
            r, worker, panels, 4, around,
            [&](int64_t t, int64_t row, int rows, const auto& panel, const T* tile) {
                for (int v = 0; v < panel.vectors; ++v)
                    finish(t, row, rows, panel.unit + v * lanes<T>, tile + v * lanes<T>, panel.vectors * lanes<T>, sums);
            },
            [](int64_t, int64_t) {});
    });
}

}  // namespace lstm
}  // namespace unrolled::UNROLLED_ISA
