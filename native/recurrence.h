// What the recurrent kernels share: their arguments, and the product of one step.
//
// Sequences are packed: sorted by length, longest first, the rows of step t stand at offsets[t] … offsets[t + 1], so
// that only real steps are stored and no row is looked at past its end. A batch of equal lengths is packed as it is.
#pragma once

#include <cstdint>

namespace unrolled {

// Shapes: N = offsets[steps] rows in all, B = batch, H = hidden, G = the cell's gates.
struct Recurrence {
    int64_t bytes;    // of a number: 4 or 8
    int64_t threads;
    int64_t steps, batch, hidden;
    const int64_t* offsets;  // (steps + 1)
    int64_t reverse;         // from each sequence's last step to its first
    int64_t variant;         // of the cell: see its source
    int64_t plain_output;    // LSTM: a = Γo ∗ c
    int64_t training;        // whether to keep what the backward pass needs

    const void* weight;          // (G·H, H)
    const void* recurrent_bias;  // (H), GRU with the reset gate after the matrix
    const void* peephole;        // (3, H), LSTM
    const void* mask;            // (B, H), on the hidden state's way into the matrix, or null
    const void* initial_hidden;  // (B, H)
    const void* initial_cell;    // (B, H), LSTM

    void* gates;         // (N, G·H): the inputs' product; after the forward pass the gates
    void* output;        // (N, H)
    void* cells;         // (N, H), LSTM
    void* seen;          // (N, H): the hidden state as the matrix sees it; null where it is the previous output
    void* inner;         // (N, H), GRU: Γr ∗ state ("before"), or the candidate's product ("after")
    void* final_hidden;  // (B, H)
    void* final_cell;    // (B, H), LSTM

    // Backward. grad_hidden and grad_cell hold the final state's gradient, and become the initial state's.
    const void* grad_output;  // (N, H)
    void* grad_hidden;        // (B, H)
    void* grad_cell;          // (B, H), LSTM
    void* grad_gates;         // (N, G'·H); G' = G, or 4 for GRU "after": reset, update, product, candidate
    void* grad_sums;          // (threads, G' + 3, H), zeros: sums over N for biases, then peepholes
};

}  // namespace unrolled

#ifdef UNROLLED_ISA

#include "panels.h"

namespace unrolled::UNROLLED_ISA {

// One thread among those that run a sequence. They share each step's panels and rows evenly and wait for one another,
// or, while the matrix stays in the caches, own rows for the whole loop and need not.
template <class T>
class Worker {
   public:
    // `gates` of the recurrent matrix.
    Worker(const Recurrence& r, int64_t gates, int thread, int threads, Barrier& barrier)
        : thread_(thread),
          threads_(threads),
          barrier_(barrier),
          by_rows_(threads == 1 || (gates * r.hidden * r.hidden * static_cast<int64_t>(sizeof(T)) <= near_ &&
                                    owned_to(r, 0, threads) >= enough_rows_)) {
        if (by_rows_) rows_ = {owned_to(r, thread - 1, threads), owned_to(r, thread, threads)};
    }

    int thread() const { return thread_; }
    void wait() { barrier_.wait(); }
    void end_phase() {
        if (!by_rows_) barrier_.wait();
    }

    // For tiles of the product of `product_rows` rows of a with the panels: finish(row, rows, panel, tile), with rows up
    // to `all_rows`; those beyond product_rows are zero.
    template <class Finish>
    void product(const Panels<T>& panels, const T* a, int64_t stride, int64_t product_rows, int64_t all_rows,
                 Finish&& finish) {
        int64_t first = 0, last = all_rows;
        if (by_rows_) {
            first = rows_.begin;
            last = rows_.end < all_rows ? rows_.end : all_rows;
        }
        if (last <= first) return;
        const int64_t rows = last - first;
        // Work is counted in vectors × row blocks; a thread takes what begins within its part of it.
        int64_t at = 0, begin = 0, end = INT64_MAX;
        if (!by_rows_ && threads_ > 1) {
            const int64_t total = panels.vectors() * blocks(rows, panels[0].vectors);
            begin = total * thread_ / threads_;
            end = thread_ + 1 == threads_ ? INT64_MAX : total * (thread_ + 1) / threads_;
        }
        alignas(64) T tile[tile_size];
        for (int64_t p = 0; p < panels.count() && at < end; ++p) {
            const auto panel = panels[p];
            const int64_t count = blocks(rows, panel.vectors);
            for (int64_t b = 0; b < count; ++b, at += panel.vectors) {
                if (at < begin || at >= end) continue;
                const int64_t row = first + rows * b / count, next = first + rows * (b + 1) / count;
                const int size = static_cast<int>(next - row);
                const int made = static_cast<int>(product_rows >= next ? size : product_rows <= row ? 0 : product_rows - row);
                if (made) tile_product_for<T>(made, panel.vectors)(a + row * stride, stride, panel.data, panels.depth(), tile);
                for (int i = made * panel.vectors * lanes<T>; i < size * panel.vectors * lanes<T>; ++i) tile[i] = 0;
                finish(row, size, panel, tile);
            }
        }
    }

    // Calls each(row) for this thread's part of the rows.
    template <class Each>
    void each_row(int64_t rows, Each&& each) const {
        if (by_rows_)
            for (int64_t row = rows_.begin; row < rows_.end && row < rows; ++row) each(row);
        else
            for (int64_t row = thread_; row < rows; row += threads_) each(row);
    }

   private:
    static int64_t blocks(int64_t rows, int vectors) { return (rows + tile_rows(vectors) - 1) / tile_rows(vectors); }

    // Where the rows end that a thread owns: those of all threads have as many steps, so that the first, with the longest
    // sequences, has the fewest.
    static int64_t owned_to(const Recurrence& r, int thread, int threads) {
        if (thread < 0) return 0;
        if (thread + 1 == threads) return r.batch;
        int64_t row = 0, before = 0;
        for (int64_t length = r.steps; row < r.batch && before * threads < r.offsets[r.steps] * (thread + 1); ++row) {
            while (length > 0 && r.offsets[length] - r.offsets[length - 1] <= row) --length;
            before += length;
        }
        return row;
    }
    // With fewer rows, or larger matrices, reading the whole matrix costs a thread more than waiting at each step.
    static constexpr int64_t enough_rows_ = 16, near_ = 1 << 20;

    const int thread_, threads_;
    Barrier& barrier_;
    const bool by_rows_;
    Share rows_{};
};

// Where a packed sequence keeps the rows of each step, and in which order the steps are made.
template <class T>
class Walk {
   public:
    explicit Walk(const Recurrence& r) : r_(r), size_(r.hidden) {}

    int64_t step(int64_t s) const { return r_.reverse ? r_.steps - 1 - s : s; }
    int64_t step_back(int64_t s) const { return step(r_.steps - 1 - s); }
    int64_t offset(int64_t t) const { return r_.offsets[t]; }
    int64_t rows(int64_t t) const { return t < 0 || t >= r_.steps ? 0 : r_.offsets[t + 1] - r_.offsets[t]; }
    int64_t before(int64_t t) const { return r_.reverse ? t + 1 : t - 1; }
    int64_t after(int64_t t) const { return r_.reverse ? t - 1 : t + 1; }

    // A row of `sequence` (N, H) at the step made before t, or of `initial` (B, H) where t is the row's first.
    const T* previous(const void* sequence, const void* initial, int64_t t, int64_t row) const {
        const int64_t b = before(t);
        if (row < rows(b)) return static_cast<const T*>(sequence) + (offset(b) + row) * size_;
        return static_cast<const T*>(initial) + row * size_;
    }

    // The left operand of step t: what the recurrent matrix sees. Rows follow one another.
    const T* seen(int64_t t) const {
        if (r_.seen) return static_cast<const T*>(r_.seen) + offset(t) * size_;
        return previous(r_.output, r_.initial_hidden, t, 0);
    }

    // Hands on a new hidden state: to the output, to the next step's operand, to the final state.
    UNROLLED_INLINE void put_hidden(int64_t t, int64_t row, int64_t unit, int count, Vector<T> h) const {
        store(static_cast<T*>(r_.output) + (offset(t) + row) * size_ + unit, h, count);
        const int64_t next = after(t);
        if (row >= rows(next))
            store(static_cast<T*>(r_.final_hidden) + row * size_ + unit, h, count);
        else if (r_.seen)
            store(static_cast<T*>(r_.seen) + (offset(next) + row) * size_ + unit, masked(row, unit, count, h), count);
    }

    UNROLLED_INLINE Vector<T> masked(int64_t row, int64_t unit, int count, Vector<T> h) const {
        return r_.mask ? h * load(static_cast<const T*>(r_.mask) + row * size_ + unit, count) : h;
    }

    // The operand's rows that come from the initial state, and the final state of empty sequences. One thread's work.
    void begin() const {
        const T* initial = static_cast<const T*>(r_.initial_hidden);
        if (r_.seen)
            for (int64_t t = 0; t < r_.steps; ++t)
                for (int64_t row = rows(before(t)); row < rows(t); ++row)
                    for (int64_t unit = 0; unit < size_; unit += lanes<T>) {
                        const int count = width(unit);
                        store(static_cast<T*>(r_.seen) + (offset(t) + row) * size_ + unit,
                              masked(row, unit, count, load(initial + row * size_ + unit, count)), count);
                    }
        const int64_t empty = rows(0);
        std::memcpy(static_cast<T*>(r_.final_hidden) + empty * size_, initial + empty * size_,
                    (r_.batch - empty) * size_ * sizeof(T));
        if (r_.final_cell)
            std::memcpy(static_cast<T*>(r_.final_cell) + empty * size_,
                        static_cast<const T*>(r_.initial_cell) + empty * size_, (r_.batch - empty) * size_ * sizeof(T));
    }

    int width(int64_t unit) const { return size_ - unit < lanes<T> ? static_cast<int>(size_ - unit) : lanes<T>; }

   private:
    const Recurrence& r_;
    const int64_t size_;
};

// What may surround a cell within the time loop: every thread calls pack before the first step, before and after at each
// step t with the rows that have it, and in a backward pass end after the last. Here: nothing.
struct Alone {
    void pack(int, int) const {}
    template <class T>
    void before(Worker<T>&, int64_t, int64_t) const {}
    template <class T>
    void after(Worker<T>&, int64_t, int64_t) const {}
    template <class T>
    void end(Worker<T>&) const {}
};

// Steps before which a product of the previous step's gate gradients with the recurrent matrix reaches the hidden
// state: the skeleton of every backward pass. step(worker, t, row, rows, panel, tile) finishes rows that have a step t.
template <class T, class Around, class Step, class After>
void walk_back(const Recurrence& r, Worker<T>& worker, const Panels<T>& panels, int64_t gates, Around& around,
               Step&& step, After&& after) {
    const Walk<T> walk(r);
    T* grad_hidden = static_cast<T*>(r.grad_hidden);
    // Rows whose first step has been passed: the product is the rest of their initial state's gradient.
    auto leave = [&](int64_t row, int64_t end, const auto& panel, const T* tile, int64_t tile_row) {
        for (; row < end; ++row, ++tile_row)
            for (int v = 0; v < panel.vectors; ++v) {
                const int64_t unit = panel.unit + v * lanes<T>;
                const int count = walk.width(unit);
                T* to = grad_hidden + row * r.hidden + unit;
                const Vector<T> p = load(tile + (tile_row * panel.vectors + v) * lanes<T>);
                store(to, load(to, count) + walk.masked(row, unit, count, p), count);
            }
    };
    for (int64_t s = 0; s <= r.steps; ++s) {
        const int64_t t = s < r.steps ? walk.step_back(s) : -1;
        const int64_t made = s > 0 ? walk.step_back(s - 1) : -1;
        const int64_t rows = walk.rows(t), product_rows = walk.rows(made);
        if (t >= 0) around.before(worker, t, rows);
        const T* a = made < 0 ? nullptr : static_cast<const T*>(r.grad_gates) + walk.offset(made) * gates * r.hidden;
        worker.product(panels, a, gates * r.hidden, product_rows, rows > product_rows ? rows : product_rows,
                       [&](int64_t row, int size, const auto& panel, const T* tile) {
                           const int64_t alive = row + size <= rows ? size : rows <= row ? 0 : rows - row;
                           if (alive) step(t, row, static_cast<int>(alive), panel, tile);
                           if (alive < size) leave(row + alive, row + size, panel, tile, alive);
                       });
        worker.end_phase();
        if (t >= 0) after(t, rows);
        if (t >= 0) around.after(worker, t, rows);
    }
    around.end(worker);
}

}  // namespace unrolled::UNROLLED_ISA
#endif
