#include "parallel.h"

#include <chrono>
#include <thread>
#include <vector>

#include "kernel.h"

namespace unrolled {
namespace {

using GompParallel = void (*)(void (*)(void*), void*, unsigned, unsigned);
using OmpQuery = int (*)();

struct Runtime {
    std::atomic<GompParallel> parallel{nullptr};
    std::atomic<OmpQuery> thread{nullptr};
    std::atomic<OmpQuery> threads{nullptr};
};
Runtime runtime;

struct Call {
    ParallelBody body;
    void* context;
};

void on_openmp_thread(void* data) {
    const Call& call = *static_cast<Call*>(data);
    call.body(call.context, runtime.thread.load(std::memory_order_relaxed)(),
              runtime.threads.load(std::memory_order_relaxed)());
}

}  // namespace

void run_parallel(int wanted, ParallelBody body, void* context) {
    if (wanted <= 1) return body(context, 0, 1);
    if (GompParallel start = runtime.parallel.load(std::memory_order_acquire)) {
        Call call{body, context};
        return start(on_openmp_thread, &call, static_cast<unsigned>(wanted), 0);
    }
    std::vector<std::thread> others;
    others.reserve(wanted - 1);
    for (int thread = 1; thread < wanted; ++thread) others.emplace_back(body, context, thread, wanted);
    body(context, 0, wanted);
    for (std::thread& other : others) other.join();
}

Barrier::Barrier(int threads) : threads_(threads) {}

void Barrier::wait() {
    if (threads_ == 1) return;
    const int round = round_.load(std::memory_order_acquire);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) == threads_ - 1) {
        arrived_.store(0, std::memory_order_relaxed);
        round_.store(round + 1, std::memory_order_release);
        return;
    }
    for (int spins = 0; round_.load(std::memory_order_acquire) == round; ++spins) {
        // Sleeps are short and end by themselves: std::atomic's wait and notify (libstdc++ 12) once lost a wake-up,
        // and a training stood still.
        if (spins > 4096) std::this_thread::sleep_for(std::chrono::microseconds(20));
#if defined(__x86_64__)
        __builtin_ia32_pause();
#endif
    }
}

}  // namespace unrolled

// The entry points of the OpenMP runtime already in the process: GOMP_parallel, omp_get_thread_num and
// omp_get_num_threads, which GNU's, LLVM's and Intel's all have. Null pointers: none.
extern "C" UNROLLED_EXPORT void unrolled_use_openmp(void* parallel, void* thread, void* threads) {
    using namespace unrolled;
    runtime.thread.store(reinterpret_cast<OmpQuery>(thread), std::memory_order_relaxed);
    runtime.threads.store(reinterpret_cast<OmpQuery>(threads), std::memory_order_relaxed);
    runtime.parallel.store(reinterpret_cast<GompParallel>(parallel), std::memory_order_release);
}
