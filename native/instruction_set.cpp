#include <cstdlib>
#include <cstring>

#include "kernel.h"

namespace unrolled {
namespace {

constexpr const char* names[] = {"baseline", "avx2", "avx512"};

int choose() {
    int best = 0;
#if defined(__x86_64__)
    __builtin_cpu_init();
#if !defined(__clang__) && __GNUC__ >= 12  // all that the compiler may use for them
    if (__builtin_cpu_supports("x86-64-v3")) best = __builtin_cpu_supports("x86-64-v4") ? 2 : 1;
#else
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2")) {
        best = 1;
        if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
            __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
            __builtin_cpu_supports("avx512cd"))
            best = 2;
    }
#endif
#endif
    if (const char* wanted = std::getenv("UNROLLED_INSTRUCTION_SET"))
        for (int level = 0; level < best; ++level)
            if (std::strcmp(wanted, names[level]) == 0) best = level;
    return best;
}

}  // namespace

int instruction_set() {
    static const int chosen = choose();
    return chosen;
}

}  // namespace unrolled

extern "C" UNROLLED_EXPORT const char* unrolled_instruction_set() {
    return unrolled::names[unrolled::instruction_set()];
}
