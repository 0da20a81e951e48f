// Threads, without a link to any OpenMP runtime.
//
// A process must hold one OpenMP runtime, and PyTorch brings its own. So the library links none: the loader hands
// it the entry points of the runtime that is there (unrolled_use_openmp), whose pool of threads is then shared
// with PyTorch. Without one, threads are started for the call.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <type_traits>

namespace unrolled {

using ParallelBody = void (*)(void* context, int thread, int threads);

// Calls body(context, thread, threads) once on each of at most `wanted` threads, and waits for all. `threads` is
// how many there are, which is fewer than wanted inside another parallel region.
void run_parallel(int wanted, ParallelBody body, void* context);

// parallel(threads, [&](int thread, int threads) { … });
template <class Body>
inline void parallel(int wanted, Body&& body) {
    using Plain = std::remove_reference_t<Body>;
    run_parallel(
        wanted, [](void* context, int thread, int threads) { (*static_cast<Plain*>(context))(thread, threads); },
        const_cast<void*>(static_cast<const void*>(std::addressof(body))));
}

// The part [begin, end) of `total` items that falls to one thread, in multiples of `grain`.
struct Share {
    int64_t begin, end;
};
// Always inlined: kernels of every instruction set call it, and one copy must not serve them all (kernel.h).
inline __attribute__((always_inline)) Share share(int64_t total, int thread, int threads, int64_t grain = 1) {
    const int64_t units = (total + grain - 1) / grain;
    const int64_t begin = units * thread / threads * grain, end = units * (thread + 1) / threads * grain;
    return {begin < total ? begin : total, end < total ? end : total};
}

// A point that no thread passes before all have reached it. Spins, because the wait is shorter than a sleep; sleeps when
// it is not, because then other processes need the processor.
class Barrier {
   public:
    explicit Barrier(int threads);
    void wait();

   private:
    const int threads_;
    alignas(64) std::atomic<int> arrived_{0};
    alignas(64) std::atomic<int> round_{0};
};

// As `parallel`, for threads that wait for one another: body(thread, threads, barrier) runs on exactly `wanted`
// threads, or, where so many are not to be had, on one.
template <class Body>
inline void together(int wanted, Body&& body) {
    Barrier barrier(wanted), alone(1);
    parallel(wanted, [&](int thread, int threads) {
        if (threads == wanted)
            body(thread, threads, barrier);
        else if (thread == 0)
            body(0, 1, alone);
    });
}

}  // namespace unrolled
