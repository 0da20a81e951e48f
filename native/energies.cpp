// The additive energies of many queries over their sentence: e(q, s) = vᵀ tanh(asked(q) + keys(s)), never holding what is
// within the tanh for more than one feature block.
#include "energies.h"

#include "attention.h"
#include "parallel.h"

namespace unrolled::UNROLLED_ISA {
namespace {

template <class T>
void forward(const Energies& e) {
    const int64_t rows = e.batch * e.queries;
    parallel(static_cast<int>(e.threads), [&](int thread, int threads) {
        const Share mine = share(rows, thread, threads);
        for (int64_t row = mine.begin; row < mine.end; ++row)
            energies<T>(static_cast<const T*>(e.asked) + row * e.size, static_cast<const T*>(e.weight),
                        static_cast<const T*>(e.keys) + row / e.queries * e.source * e.size, e.size, e.size, e.source,
                        static_cast<T*>(e.energies) + row * e.source);
    });
}

template <class T>
void backward(const Energies& e) {
    parallel(static_cast<int>(e.threads), [&](int thread, int threads) {
        const Share mine = share(e.size, thread, threads, lanes<T>);  // features: no sum is two threads'
        for (int64_t b = 0; b < e.batch; ++b)
            for (int64_t q = 0; q < e.queries; ++q) {
                const int64_t row = b * e.queries + q, memory = b * e.source * e.size;
                additive_gradient<T>(static_cast<const T*>(e.asked) + row * e.size, static_cast<const T*>(e.weight),
                                     static_cast<const T*>(e.keys) + memory, e.size,
                                     static_cast<const T*>(e.grads) + row * e.source, e.source, mine.begin, mine.end,
                                     static_cast<T*>(e.grad_asked) + row * e.size,
                                     static_cast<T*>(e.grad_keys) + memory, e.size, static_cast<T*>(e.grad_weight));
            }
    });
}

}  // namespace

void energies_forward(const Energies& e) { e.bytes == 8 ? forward<double>(e) : forward<float>(e); }
void energies_backward(const Energies& e) { e.bytes == 8 ? backward<double>(e) : backward<float>(e); }

}  // namespace unrolled::UNROLLED_ISA

UNROLLED_KERNEL(energies_forward, Energies);
UNROLLED_KERNEL(energies_backward, Energies);
