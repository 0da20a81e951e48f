// Attention of one query over one sentence, there and back. tanh is made anew in the backward pass, because keeping it
// would take memory of queries × positions × features.
#pragma once

#include "vector.h"

namespace unrolled::UNROLLED_ISA {

template <class T>
UNROLLED_INLINE int width(int64_t size, int64_t at) {
    return size - at < lanes<T> ? static_cast<int>(size - at) : lanes<T>;
}

// energies[s] = vᵀ tanh(query + keys[s]), or queryᵀ keys[s] where v is null; keys[s] is keys + s · stride.
template <class T>
void energies(const T* query, const T* v, const T* keys, int64_t stride, int64_t size, int64_t positions, T* to) {
    for (int64_t s = 0; s < positions; ++s, keys += stride) {
        Vector<T> total{};
        int64_t a = 0;
        if (v) {
            for (; a + lanes<T> <= size; a += lanes<T>) total += load(v + a) * tanh<T>(load(query + a) + load(keys + a));
            if (a < size) {
                const int count = width<T>(size, a);
                total += load(v + a, count) * tanh<T>(load(query + a, count) + load(keys + a, count));
            }
        } else {
            for (; a + lanes<T> <= size; a += lanes<T>) total += load(query + a) * load(keys + a);
            if (a < size) total += load(query + a, width<T>(size, a)) * load(keys + a, width<T>(size, a));
        }
        to[s] = sum<T>(total);
    }
}

// Energies become weights, in place.
template <class T>
void softmax(T* energies, int64_t positions) {
    if (!positions) return;
    T highest = energies[0];
    for (int64_t s = 1; s < positions; ++s) highest = energies[s] > highest ? energies[s] : highest;
    T total = 0;
    for (int64_t s = 0; s < positions; s += lanes<T>) {
        const int count = width<T>(positions, s);
        const Vector<T> e = exp<T>(load(energies + s, count) - highest);
        store(energies + s, e, count);
        for (int i = 0; i < count; ++i) total += e[i];
    }
    for (int64_t s = 0; s < positions; ++s) energies[s] /= total;
}

// to = Σ weights[s] · values[s]: zero without a position.
template <class T>
void weighted_sum(const T* weights, const T* values, int64_t stride, int64_t size, int64_t positions, T* to) {
    constexpr int block = 4;
    int64_t f = 0;
    for (; f + block * lanes<T> <= size; f += block * lanes<T>) {
        Vector<T> total[block]{};
        for (int64_t s = 0; s < positions; ++s)
            for (int i = 0; i < block; ++i) total[i] += weights[s] * load(values + s * stride + f + i * lanes<T>);
        for (int i = 0; i < block; ++i) store(to + f + i * lanes<T>, total[i]);
    }
    for (; f < size; f += lanes<T>) {
        const int count = width<T>(size, f);
        Vector<T> total{};
        for (int64_t s = 0; s < positions; ++s) total += weights[s] * load(values + s * stride + f, count);
        store(to + f, total, count);
    }
}

// The energies' gradient from the weights' (in `grads`, replaced).
template <class T>
void softmax_gradient(const T* weights, T* grads, int64_t positions) {
    T mean = 0;
    for (int64_t s = 0; s < positions; ++s) mean += weights[s] * grads[s];
    for (int64_t s = 0; s < positions; ++s) grads[s] = weights[s] * (grads[s] - mean);
}

// The gradients of vᵀ tanh(query + keys[s]) from that of its energies, for features begin … end: the query's is added to
// grad_query, the keys' to grad_keys, v's to grad_v.
template <class T>
void additive_gradient(const T* query, const T* v, const T* keys, int64_t stride, const T* grads, int64_t positions,
                       int64_t begin, int64_t end, T* grad_query, T* grad_keys, int64_t grad_stride, T* grad_v) {
    for (int64_t a = begin; a < end; a += lanes<T>) {
        const int count = width<T>(end, a);
        const Vector<T> q = load(query + a, count), factor = load(v + a, count);
        Vector<T> total{}, total_v{};
        for (int64_t s = 0; s < positions; ++s) {
            const Vector<T> hidden = tanh<T>(q + load(keys + s * stride + a, count));
            const Vector<T> slope = factor * (grads[s] * (T(1) - hidden * hidden));
            total += slope;
            total_v += grads[s] * hidden;
            add(grad_keys + s * grad_stride + a, slope, count);
        }
        add(grad_query + a, total, count);
        add(grad_v + a, total_v, count);
    }
}

}  // namespace unrolled::UNROLLED_ISA
