// The simple recurrent network. Variants: 0 tanh, 1 relu.
#pragma once

#include "recurrence.h"

namespace unrolled::UNROLLED_ISA {
namespace rnn {

template <class T, class Around>
void forward(const Recurrence& r, Around&& around) {
    const int64_t H = r.hidden;
    const Walk<T> walk(r);
    Panels<T> panels(static_cast<const T*>(r.weight), 1, H, H, H, 1);

    auto finish = [&](int64_t t, int64_t first, int rows, int64_t unit, const T* tile, int64_t stride) {
        const int count = walk.width(unit);
        for (int i = 0; i < rows; ++i, tile += stride) {
            const int64_t row = first + i;
            const T* gates = static_cast<const T*>(r.gates) + (walk.offset(t) + row) * H + unit;
            const Vector<T> z = load(gates, count) + load(tile);
            walk.put_hidden(t, row, unit, count, r.variant == 0 ? tanh<T>(z) : (z < T(0) ? Vector<T>{} : z));
        }
    };

    together(static_cast<int>(r.threads), [&](int thread, int threads, Barrier& barrier) {
        Worker<T> worker(r, 1, thread, threads, barrier);
        if (thread == 0) walk.begin();
        panels.pack(thread, threads);
        around.pack(thread, threads);
        worker.wait();
        for (int64_t s = 0; s < r.steps; ++s) {
            const int64_t t = walk.step(s), rows = walk.rows(t);
            around.before(worker, t, rows);
            worker.product(panels, walk.seen(t), H, rows, rows,
                           [&](int64_t row, int size, const auto& panel, const T* tile) {
                               for (int v = 0; v < panel.vectors; ++v)
                                   finish(t, row, size, panel.unit + v * lanes<T>, tile + v * lanes<T>,
                                          panel.vectors * lanes<T>);
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
    Panels<T> panels(static_cast<const T*>(r.weight), H, 1, H, H, 1);

    auto finish = [&](int64_t t, int64_t first, int rows, int64_t unit, const T* tile, int64_t stride, T* sums) {
        const int count = walk.width(unit);
        Vector<T> bias{};
        for (int i = 0; i < rows; ++i, tile += stride) {
            const int64_t row = first + i, at = (walk.offset(t) + row) * H + unit;
            T* grad_hidden = static_cast<T*>(r.grad_hidden) + row * H + unit;
            const Vector<T> h = load(static_cast<const T*>(r.output) + at, count);
            const Vector<T> dh = load(static_cast<const T*>(r.grad_output) + at, count) + load(grad_hidden, count) +
                                 walk.masked(row, unit, count, load(tile));
            store(grad_hidden, Vector<T>{}, count);
            const Vector<T> dz = r.variant == 0 ? dh * (T(1) - h * h) : h > Vector<T>{} ? dh : Vector<T>{};
            store(static_cast<T*>(r.grad_gates) + at, dz, count);
            bias += dz;
        }
        add(sums + unit, bias, count);
    };

    together(static_cast<int>(r.threads), [&](int thread, int threads, Barrier& barrier) {
        Worker<T> worker(r, 1, thread, threads, barrier);
        T* sums = static_cast<T*>(r.grad_sums) + thread * 4 * H;
        panels.pack(thread, threads);
        around.pack(thread, threads);
        worker.wait();
        walk_back<T>(
            r, worker, panels, 1, around,
            [&](int64_t t, int64_t row, int rows, const auto& panel, const T* tile) {
                for (int v = 0; v < panel.vectors; ++v)
                    finish(t, row, rows, panel.unit + v * lanes<T>, tile + v * lanes<T>, panel.vectors * lanes<T>, sums);
            },
            [](int64_t, int64_t) {});
    });
}

}  // namespace rnn
}  // namespace unrolled::UNROLLED_ISA
