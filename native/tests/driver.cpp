#include "driver.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#ifdef _OPENMP
#include <omp.h>
extern "C" void GOMP_parallel(void (*)(void*), void*, unsigned, unsigned);
#endif
extern "C" void unrolled_use_openmp(void* parallel, void* thread, void* threads);
extern "C" const char* unrolled_instruction_set();

namespace {

uint64_t state = 1;
int checks = 0;

uint64_t draw() {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return state >> 33;
}

}  // namespace

uint64_t below(uint64_t bound) { return draw() % bound; }
double within(double scale) { return scale * (static_cast<double>(draw()) / (uint64_t(1) << 30) - 1); }

void check(const std::string& name, double tolerance, const std::function<Result(int threads)>& run) {
    ++checks;
    std::vector<double> first;
    for (int threads = 1; threads <= 4; ++threads) {
        const std::vector<double> found = run(threads).numbers();
        if (threads == 1) first = found;
        double length = 0, difference = 0;
        for (size_t i = 0; i < found.size(); ++i) {
            length += first[i] * first[i];
            difference += (found[i] - first[i]) * (found[i] - first[i]);
        }
        if (found.size() == first.size() && std::sqrt(difference) <= tolerance * std::sqrt(length)) continue;
        std::fprintf(stderr, "%s: with %d threads %g from what one thread computes, of length %g\n", name.c_str(), threads,
                     std::sqrt(difference), std::sqrt(length));
        std::exit(1);
    }
}

// driver [openmp]: with the threads of the OpenMP runtime it is linked with, or with the kernels' own.
int main(int count, char** words) {
    const bool openmp = count > 1 && std::strcmp(words[1], "openmp") == 0;
#ifdef _OPENMP
    if (openmp)
        unrolled_use_openmp(reinterpret_cast<void*>(&GOMP_parallel), reinterpret_cast<void*>(&omp_get_thread_num),
                            reinterpret_cast<void*>(&omp_get_num_threads));
#endif
    recurrences();
    attentives();
    products();
    cross_entropies();
    dropouts();
    embeddings();
    bleu();
    steps();
    programs();
    std::printf("%d checks passed: %s, %s threads\n", checks, unrolled_instruction_set(), openmp ? "OpenMP's" : "own");
}
