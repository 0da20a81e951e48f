// The gated recurrent unit. Gates: reset, update, candidate. Variants: 0 the reset gate meets the state before the
// matrix, 1 after it, 2 there is none (gates: update, candidate).
#pragma once

#include "recurrence.h"

namespace unrolled::UNROLLED_ISA {
namespace gru {

enum Reset { before, after, none };

template <class T>
struct Forward {
    const Recurrence& r;
    const int64_t H = r.hidden;
    const int64_t G = r.variant == none ? 2 : 3;
    const Walk<T> walk{r};

    T* gates(int64_t t, int64_t row, int64_t unit) const {
        return static_cast<T*>(r.gates) + (walk.offset(t) + row) * G * H + unit;
    }
    T* inner(int64_t t, int64_t row, int64_t unit) const {
        return static_cast<T*>(r.inner) + (walk.offset(t) + row) * H + unit;
    }
    UNROLLED_INLINE Vector<T> state(int64_t t, int64_t row, int64_t unit, int count) const {
        return load(walk.previous(r.output, r.initial_hidden, t, row) + unit, count);
    }

    // Γr and Γu, and Γr ∗ c⟨t−1⟩ for the candidate's matrix.
    void open(int64_t t, int64_t first, int rows, int64_t unit, const T* tile) const {
        const int count = walk.width(unit);
        for (int i = 0; i < rows; ++i, tile += 2 * lanes<T>) {
            T* z = gates(t, first + i, unit);
            const Vector<T> reset = sigmoid<T>(load(z, count) + load(tile));
            const Vector<T> update = sigmoid<T>(load(z + H, count) + load(tile + lanes<T>));
            const Vector<T> seen = walk.masked(first + i, unit, count, state(t, first + i, unit, count));
            store(z, reset, count);
            store(z + H, update, count);
            store(inner(t, first + i, unit), reset * seen, count);
        }
    }
    void close(int64_t t, int64_t first, int rows, int64_t unit, const T* tile, int64_t stride) const {
        const int count = walk.width(unit);
        for (int i = 0; i < rows; ++i, tile += stride) {
            T* z = gates(t, first + i, unit);
            const Vector<T> update = load(z + H, count), c = state(t, first + i, unit, count);
            const Vector<T> candidate = tanh<T>(load(z + 2 * H, count) + load(tile));
            if (r.training) store(z + 2 * H, candidate, count);
            walk.put_hidden(t, first + i, unit, count, c + update * (candidate - c));
        }
    }
    void whole(int64_t t, int64_t first, int rows, int64_t unit, const T* tile) const {
        const int count = walk.width(unit);
        const T* bias = static_cast<const T*>(r.recurrent_bias);
        const Vector<T> shift = r.variant == after ? load(bias + unit, count) : Vector<T>{};
        for (int i = 0; i < rows; ++i, tile += G * lanes<T>) {
            T* z = gates(t, first + i, unit);
            const Vector<T> c = state(t, first + i, unit, count);
            const T *last = z + (G - 1) * H, *last_tile = tile + (G - 1) * lanes<T>;
            const Vector<T> update = sigmoid<T>(load(last - H, count) + load(last_tile - lanes<T>));
            Vector<T> product = load(last_tile);
            if (r.variant == after) {
                product += shift;
                const Vector<T> reset = sigmoid<T>(load(z, count) + load(tile));
                if (r.training) {
                    store(z, reset, count);
                    store(inner(t, first + i, unit), product, count);
                }
                product *= reset;
            }
            const Vector<T> candidate = tanh<T>(load(last, count) + product);
            if (r.training) {
                store(z + (G - 2) * H, update, count);
                store(z + (G - 1) * H, candidate, count);
            }
            walk.put_hidden(t, first + i, unit, count, c + update * (candidate - c));
        }
    }

    template <class Around>
    void run(Around&& around) const {
        const T* weight = static_cast<const T*>(r.weight);
        const bool apart = r.variant == before;
        Panels<T> panels(weight, 1, H, H, H, static_cast<int>(apart ? 2 : G));
        Panels<T> candidate(weight + 2 * H * H, 1, H, apart ? H : 0, H, 1);
        together(static_cast<int>(r.threads), [&](int thread, int threads, Barrier& barrier) {
            Worker<T> worker(r, G, thread, threads, barrier);
            if (thread == 0) walk.begin();
            panels.pack(thread, threads);
            candidate.pack(thread, threads);
            around.pack(thread, threads);
            worker.wait();
            for (int64_t s = 0; s < r.steps; ++s) {
                const int64_t t = walk.step(s), rows = walk.rows(t);
                around.before(worker, t, rows);
                worker.product(panels, walk.seen(t), H, rows, rows,
                               [&](int64_t row, int size, const auto& panel, const T* tile) {
                                   apart ? open(t, row, size, panel.unit, tile) : whole(t, row, size, panel.unit, tile);
                               });
                worker.end_phase();
                if (apart) {
                    worker.product(candidate, inner(t, 0, 0), H, rows, rows,
                                   [&](int64_t row, int size, const auto& panel, const T* tile) {
                                       for (int v = 0; v < panel.vectors; ++v)
                                           close(t, row, size, panel.unit + v * lanes<T>, tile + v * lanes<T>,
                                                 panel.vectors * lanes<T>);
                                   });
                    worker.end_phase();
                }
                around.after(worker, t, rows);
            }
        });
    }
};

template <class T>
struct Backward {
    const Recurrence& r;
    const int64_t H = r.hidden;
    const int64_t G = r.variant == none ? 2 : 3;              // gates stored
    const int64_t out = r.variant == none ? 2 : r.variant == after ? 4 : 3;  // gradients stored
    const Walk<T> walk{r};

    T* grads(int64_t t, int64_t row, int64_t unit) const {
        return static_cast<T*>(r.grad_gates) + (walk.offset(t) + row) * out * H + unit;
    }

    void close(int64_t t, int64_t first, int rows, int64_t unit, const T* tile, int64_t stride, T* sums) const {
        const int count = walk.width(unit);
        Vector<T> total_reset{}, total_update{}, total_product{}, total_candidate{};
        for (int i = 0; i < rows; ++i, tile += stride) {
            const int64_t row = first + i, at = walk.offset(t) + row;
            const T* gates = static_cast<const T*>(r.gates) + at * G * H + unit;
            T *to = grads(t, row, unit), *grad_hidden = static_cast<T*>(r.grad_hidden) + row * H + unit;
            const Vector<T> update = load(gates + (G - 2) * H, count), candidate = load(gates + (G - 1) * H, count);
            const Vector<T> c = load(walk.previous(r.output, r.initial_hidden, t, row) + unit, count);
            const Vector<T> dh = load(static_cast<const T*>(r.grad_output) + at * H + unit, count) +
                                 load(grad_hidden, count) + walk.masked(row, unit, count, load(tile));
            store(grad_hidden, dh * (T(1) - update), count);
            const Vector<T> d_candidate = dh * update * (T(1) - candidate * candidate);
            const Vector<T> d_update = dh * (candidate - c) * update * (T(1) - update);
            store(to + (G - 2) * H, d_update, count);
            store(to + (out - 1) * H, d_candidate, count);
            total_update += d_update;
            total_candidate += d_candidate;
            if (r.variant == after) {
                const Vector<T> reset = load(gates, count);
                const Vector<T> product = load(static_cast<const T*>(r.inner) + at * H + unit, count);
                const Vector<T> d_reset = d_candidate * product * reset * (T(1) - reset), d_product = d_candidate * reset;
                store(to, d_reset, count);
                store(to + 2 * H, d_product, count);
                total_reset += d_reset;
                total_product += d_product;
            }
        }
        add(sums + (G - 2) * H + unit, total_update, count);
        add(sums + (out - 1) * H + unit, total_candidate, count);
        if (r.variant == after) {
            add(sums + unit, total_reset, count);
            add(sums + 2 * H + unit, total_product, count);
        }
    }
    // From the gradient of Γr ∗ c⟨t−1⟩, where the reset gate stands before the matrix.
    void open(int64_t t, int64_t first, int rows, int64_t unit, const T* tile, int64_t stride, T* sums) const {
        const int count = walk.width(unit);
        Vector<T> total{};
        for (int i = 0; i < rows; ++i, tile += stride) {
            const int64_t row = first + i, at = walk.offset(t) + row;
            const Vector<T> reset = load(static_cast<const T*>(r.gates) + at * G * H + unit, count);
            const Vector<T> c = load(walk.previous(r.output, r.initial_hidden, t, row) + unit, count);
            const Vector<T> d_inner = walk.masked(row, unit, count, load(tile));
            const Vector<T> d_reset = d_inner * c * reset * (T(1) - reset);
            add(static_cast<T*>(r.grad_hidden) + row * H + unit, d_inner * reset, count);
            store(grads(t, row, unit), d_reset, count);
            total += d_reset;
        }
        add(sums + unit, total, count);
    }

    template <class Around>
    void run(Around&& around) const {
        const T* weight = static_cast<const T*>(r.weight);
        const bool apart = r.variant == before;
        Panels<T> panels(weight, H, 1, H, (apart ? 2 : G) * H, 1);
        Panels<T> candidate(weight + 2 * H * H, H, 1, apart ? H : 0, H, 1);
        together(static_cast<int>(r.threads), [&](int thread, int threads, Barrier& barrier) {
            Worker<T> worker(r, G, thread, threads, barrier);
            T* sums = static_cast<T*>(r.grad_sums) + thread * (out + 3) * H;
            panels.pack(thread, threads);
            candidate.pack(thread, threads);
            around.pack(thread, threads);
            worker.wait();
            walk_back<T>(
                r, worker, panels, out, around,
                [&](int64_t t, int64_t row, int rows, const auto& panel, const T* tile) {
                    for (int v = 0; v < panel.vectors; ++v)
                        close(t, row, rows, panel.unit + v * lanes<T>, tile + v * lanes<T>, panel.vectors * lanes<T>,
                              sums);
                },
                [&](int64_t t, int64_t rows) {
                    if (!apart) return;
                    worker.product(candidate, grads(t, 0, 2 * H), 3 * H, rows, rows,
                                   [&](int64_t row, int size, const auto& panel, const T* tile) {
                                       for (int v = 0; v < panel.vectors; ++v)
                                           open(t, row, size, panel.unit + v * lanes<T>, tile + v * lanes<T>,
                                                panel.vectors * lanes<T>, sums);
                                   });
                    worker.end_phase();
                });
        });
    }
};

template <class T, class Around>
void forward(const Recurrence& r, Around&& around) {
    Forward<T>{r}.run(around);
}
template <class T, class Around>
void backward(const Recurrence& r, Around&& around) {
    Backward<T>{r}.run(around);
}

}  // namespace gru
}  // namespace unrolled::UNROLLED_ISA
