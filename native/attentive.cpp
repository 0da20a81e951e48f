// The decoders that attend, through given words: an attention that goes before each step of the inner cell (Bahdanau) or
// after it (Luong, whose s̃ the next step reads).
#include "attentive.h"

#include "attention.h"
#include "gru.h"
#include "lstm.h"
#include "rnn.h"

namespace unrolled::UNROLLED_ISA {
namespace {

// What both directions know: which query step t asks with, and where a row's sentence is.
template <class T>
class Look {
   public:
    explicit Look(const Attentive& a) : a(a), r(*a.cell), walk(r) {}

   protected:
    const Attentive& a;
    const Recurrence& r;
    const Walk<T> walk;
    const int64_t H = r.hidden, A = a.size, F = a.features, S = a.source, L = a.late;
    const int64_t joined = a.luong ? F + H : F;

    template <class U>
    T* at(U* start, int64_t t, int64_t row, int64_t size) const {
        return static_cast<T*>(const_cast<void*>(static_cast<const void*>(start))) + (walk.offset(t) + row) * size;
    }
    // s⟨t⟩ (Luong) or s⟨t−1⟩ (Bahdanau), whose rows follow one another.
    const T* state(int64_t t) const {
        return a.luong ? at(r.output, t, 0, H) : walk.previous(r.output, r.initial_hidden, t, 0);
    }
    const T* query(int64_t t, int64_t row) const { return a.additive ? at(a.asked, t, row, A) : state(t) + row * H; }
    const T* energy_weight() const { return static_cast<const T*>(a.energy_weight); }
    const T* of_sentence(const void* memory, int64_t row, int64_t size) const {
        return static_cast<const T*>(memory) + a.sentence[row] * S * size;
    }
    int64_t positions(int64_t row) const { return a.lengths[a.sentence[row]]; }
    bool last(int64_t t, int64_t row) const { return row >= walk.rows(t + 1); }

    // finish(row, column, count, value) for each vector of a product with plain panels.
    template <class Finish>
    static auto each_vector(int64_t columns, Finish&& finish) {
        return [columns, finish](int64_t row, int size, const auto& panel, const T* tile) {
            for (int i = 0; i < size; ++i)
                for (int v = 0; v < panel.vectors; ++v, tile += lanes<T>) {
                    const int64_t column = panel.unit + v * lanes<T>;
                    finish(row + i, column, width<T>(columns, column), load(tile));
                }
        };
    }
};

template <class T>
class Forward : Look<T> {
    using Look<T>::a, Look<T>::r, Look<T>::walk, Look<T>::H, Look<T>::A, Look<T>::F, Look<T>::S, Look<T>::L;
    using Look<T>::joined, Look<T>::at, Look<T>::each_vector;

   public:
    explicit Forward(const Attentive& a)
        : Look<T>(a),
          late_(static_cast<const T*>(a.late_weight), 1, a.late_stride, gates_, L, 1),
          query_(static_cast<const T*>(a.query_weight), 1, H, a.additive ? A : 0, H, 1),
          combine_(static_cast<const T*>(a.combine), 1, joined, a.luong ? L : 0, joined, 1) {}

    void pack(int thread, int threads) {
        late_.pack(thread, threads);
        query_.pack(thread, threads);
        combine_.pack(thread, threads);
    }
    void before(Worker<T>& worker, int64_t t, int64_t rows) const {
        if (!a.luong) attend(worker, t, rows);
        const T* input = a.luong ? at(a.fed, t, 0, L) : at(a.context, t, 0, F);
        worker.product(late_, input, L, rows, rows,
                       each_vector(gates_, [&](int64_t row, int64_t column, int count, Vector<T> value) {
                           add(at(r.gates, t, row, gates_) + column, value, count);
                       }));
        worker.end_phase();
    }
    void after(Worker<T>& worker, int64_t t, int64_t rows) const {
        if (!a.luong) return;
        attend(worker, t, rows);
        worker.product(combine_, at(a.context, t, 0, joined), joined, rows, rows,
                       each_vector(L, [&](int64_t row, int64_t column, int count, Vector<T> value) {
                           const Vector<T> attended = tanh<T>(value);
                           store(at(a.attended, t, row, L) + column, attended, count);
                           store((this->last(t, row) ? static_cast<T*>(a.final_late) + row * L : at(a.fed, t + 1, row, L)) + column,
                                 attended, count);
                       }));
        worker.end_phase();
    }

   private:
    void attend(Worker<T>& worker, int64_t t, int64_t rows) const {
        if (a.additive) {
            worker.product(query_, this->state(t), H, rows, rows,
                           each_vector(A, [&](int64_t row, int64_t column, int count, Vector<T> value) {
                               store(at(a.asked, t, row, A) + column, value, count);
                           }));
            worker.end_phase();
        }
        worker.each_row(rows, [&](int64_t row) {
            T *weights = at(a.weights, t, row, S), *context = at(a.context, t, row, joined);
            const int64_t positions = this->positions(row);
            energies<T>(this->query(t, row), this->energy_weight(), this->of_sentence(a.keys, row, A), A, A, positions, weights);
            softmax<T>(weights, positions);
            weighted_sum<T>(weights, this->of_sentence(a.values, row, F), F, F, positions, context);
            if (a.luong)
                std::memcpy(context + F, this->state(t) + row * H, H * sizeof(T));
            else if (this->last(t, row))
                std::memcpy(static_cast<T*>(a.final_late) + row * L, context, F * sizeof(T));
        });
        worker.end_phase();
    }

    const int64_t gates_ = this->a.gates * this->H;
    Panels<T> late_, query_, combine_;
};

template <class T>
class Backward : Look<T> {
    using Look<T>::a, Look<T>::r, Look<T>::walk, Look<T>::H, Look<T>::A, Look<T>::F, Look<T>::S, Look<T>::L;
    using Look<T>::joined, Look<T>::at, Look<T>::each_vector;

   public:
    explicit Backward(const Attentive& a)
        : Look<T>(a),
          late_(static_cast<const T*>(a.late_weight), a.late_stride, 1, L, gates_, 1),
          query_(static_cast<const T*>(a.query_weight), H, 1, a.additive ? H : 0, A, 1),
          combine_(static_cast<const T*>(a.combine), joined, 1, a.luong ? joined : 0, L, 1) {}

    void pack(int thread, int threads) {
        late_.pack(thread, threads);
        query_.pack(thread, threads);
        combine_.pack(thread, threads);
    }
    void before(Worker<T>& worker, int64_t t, int64_t rows) const {
        if (!a.luong) return;
        // s̃⟨t⟩ has been read by the readout and by the next step, or is the last.
        const int64_t went_on = walk.rows(t + 1);
        worker.product(late_, went_on ? at(r.grad_gates, t + 1, 0, gates_) : nullptr, gates_, went_on, rows,
                       each_vector(L, [&](int64_t row, int64_t column, int count, Vector<T> value) {
                           T* to = at(a.grad_late, t, row, L) + column;
                           if (this->last(t, row)) value = load(final(row) + column, count);
                           const Vector<T> attended = load(at(a.attended, t, row, L) + column, count);
                           store(to, (load(to, count) + value) * (T(1) - attended * attended), count);
                       }));
        worker.end_phase();
        worker.product(combine_, at(a.grad_late, t, 0, L), L, rows, rows,
                       each_vector(joined, [&](int64_t row, int64_t column, int count, Vector<T> value) {
                           store(at(a.grad_context, t, row, joined) + column, value, count);
                       }));
        worker.end_phase();
        look_back(worker, t, rows, a.grad_context);
    }
    void after(Worker<T>& worker, int64_t t, int64_t rows) const {
        if (a.luong) return;
        worker.product(late_, at(r.grad_gates, t, 0, gates_), gates_, rows, rows,
                       each_vector(L, [&](int64_t row, int64_t column, int count, Vector<T> value) {
                           if (this->last(t, row)) value += load(final(row) + column, count);
                           add(at(a.grad_late, t, row, L) + column, value, count);
                       }));
        worker.end_phase();
        look_back(worker, t, rows, a.grad_late);
    }
    // The first s̃ was read by the first step.
    void end(Worker<T>& worker) const {
        if (!a.luong) return;
        const int64_t rows = walk.rows(0);
        worker.product(late_, static_cast<const T*>(r.grad_gates), gates_, rows, rows,
                       each_vector(L, [&](int64_t row, int64_t column, int count, Vector<T> value) {
                           store(final(row) + column, value, count);
                       }));
    }

   private:
    T* final(int64_t row) const { return static_cast<T*>(a.grad_final) + row * L; }

    // From the contexts' gradient to the memory's and to the state that asked.
    void look_back(Worker<T>& worker, int64_t t, int64_t rows, const void* grads) const {
        T* sums = a.additive ? static_cast<T*>(a.grad_energy_weight) + worker.thread() * A : nullptr;
        worker.each_row(rows, [&](int64_t row) {
            const int64_t positions = this->positions(row);
            const T *grad_context = at(grads, t, row, joined), *keys = this->of_sentence(a.keys, row, A);
            T *grad = at(a.grad_energies, t, row, S), *grad_hidden = static_cast<T*>(r.grad_hidden) + row * H;
            energies<T>(grad_context, nullptr, this->of_sentence(a.values, row, F), F, F, positions, grad);
            if (a.grad_weights)
                for (int64_t s = 0; s < positions; ++s) grad[s] += at(a.grad_weights, t, row, S)[s];
            softmax_gradient<T>(at(a.weights, t, row, S), grad, positions);
            T* grad_query = at(a.grad_asked, t, row, A);
            if (a.additive)
                additive_gradient<T>(this->query(t, row), this->energy_weight(), keys, A, grad, positions, 0, A, grad_query,
                                     static_cast<T*>(a.grad_keys) + a.sentence[row] * S * A, A, sums);
            else
                weighted_sum<T>(grad, keys, A, A, positions, grad_query);
            for (int64_t unit = 0; unit < H; unit += lanes<T>) {
                const int count = width<T>(H, unit);
                if (a.luong) add(grad_hidden + unit, load(grad_context + F + unit, count), count);
                if (!a.additive) add(grad_hidden + unit, load(grad_query + unit, count), count);
            }
        });
        worker.end_phase();
        if (!a.additive) return;
        worker.product(query_, at(a.grad_asked, t, 0, A), A, rows, rows,
                       each_vector(H, [&](int64_t row, int64_t column, int count, Vector<T> value) {
                           add(static_cast<T*>(r.grad_hidden) + row * H + column, value, count);
                       }));
        worker.end_phase();
    }

    const int64_t gates_ = this->a.grad_gates * this->H;
    Panels<T> late_, query_, combine_;
};

template <class T>
void forward(const Attentive& a) {
    Forward<T> around(a);
    switch (a.kind) {
        case 0: return rnn::forward<T>(*a.cell, around);
        case 1: return gru::forward<T>(*a.cell, around);
        default: return lstm::forward<T>(*a.cell, around);
    }
}
template <class T>
void backward(const Attentive& a) {
    Backward<T> around(a);
    switch (a.kind) {
        case 0: return rnn::backward<T>(*a.cell, around);
        case 1: return gru::backward<T>(*a.cell, around);
        default: return lstm::backward<T>(*a.cell, around);
    }
}

}  // namespace

void attentive_forward(const Attentive& a) { a.cell->bytes == 8 ? forward<double>(a) : forward<float>(a); }
void attentive_backward(const Attentive& a) { a.cell->bytes == 8 ? backward<double>(a) : backward<float>(a); }

}  // namespace unrolled::UNROLLED_ISA

UNROLLED_KERNEL(attentive_forward, Attentive);
UNROLLED_KERNEL(attentive_backward, Attentive);
