// Runs kernels on small shapes with 1 to 4 threads, for sanitizers to watch. Every array is exactly as large as the
// kernel's header says, so that a step beyond it is seen; what is computed must not depend on the threads.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#if defined(__SANITIZE_THREAD__)
#define UNROLLED_THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define UNROLLED_THREAD_SANITIZER 1
#endif
#endif

// A whole number below `bound`, and one within [-scale, scale); the same ones every time the driver runs.
uint64_t below(uint64_t bound);
double within(double scale);

template <class T>
std::vector<T> numbers(int64_t count, double scale = 1) {
    std::vector<T> made(count);
    for (T& number : made) number = static_cast<T>(within(scale));
    return made;
}

// Where an array lies, or null for one that is not there.
template <class T>
T* address(std::vector<T>& of) {
    return of.empty() ? nullptr : of.data();
}

// What a run computes, all of it.
class Result {
   public:
    template <class T>
    void add(const std::vector<T>& part) {
        numbers_.insert(numbers_.end(), part.begin(), part.end());
    }
    const std::vector<double>& numbers() const { return numbers_; }

   private:
    std::vector<double> numbers_;
};

// Calls run(threads) for 1 to 4 threads on copies of the same inputs; the results must be finite and agree to
// `tolerance` (relative to their length).
void check(const std::string& name, double tolerance, const std::function<Result(int threads)>& run);

// By kernel.
void recurrences();
void attentives();
void products();
void cross_entropies();
void dropouts();
void embeddings();
void bleu();
void steps();
void programs();
