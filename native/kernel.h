// How a kernel is written once, compiled for each instruction set, and chosen among at run time.
//
// A source that ends with UNROLLED_KERNEL(name, Arguments) defines
//     namespace unrolled::UNROLLED_ISA { void name(const Arguments&); }
// and is compiled with UNROLLED_ISA = baseline, avx2 and avx512. The library then exports
//     extern "C" void unrolled_name(const Arguments*);
// Everything a kernel source calls must be in namespace UNROLLED_ISA (or in a source compiled once): a template
// shared between instruction sets would be merged by the linker into one, which an older processor may not run.
#pragma once

#define UNROLLED_EXPORT __attribute__((visibility("default")))

namespace unrolled {

// 0 baseline, 1 AVX2 with FMA, 2 AVX-512 (F, BW, DQ, VL): the best this processor runs, or less where the
// environment variable UNROLLED_INSTRUCTION_SET says so.
int instruction_set();

}  // namespace unrolled

#if defined(UNROLLED_ISA_LEVEL) && UNROLLED_ISA_LEVEL == 0
#if defined(__x86_64__)
#define UNROLLED_KERNEL(name, Arguments)                                           \
    namespace unrolled {                                                           \
    namespace avx2 {                                                               \
    void name(const Arguments&);                                                   \
    }                                                                              \
    namespace avx512 {                                                             \
    void name(const Arguments&);                                                   \
    }                                                                              \
    }                                                                              \
    extern "C" UNROLLED_EXPORT void unrolled_##name(const unrolled::Arguments* arguments) { \
        switch (unrolled::instruction_set()) {                                     \
            case 2: return unrolled::avx512::name(*arguments);                     \
            case 1: return unrolled::avx2::name(*arguments);                       \
            default: return unrolled::baseline::name(*arguments);                  \
        }                                                                          \
    }
#else
#define UNROLLED_KERNEL(name, Arguments)                                           \
    extern "C" UNROLLED_EXPORT void unrolled_##name(const unrolled::Arguments* arguments) { \
        unrolled::baseline::name(*arguments);                                      \
    }
#endif
#else
#define UNROLLED_KERNEL(name, Arguments) static_assert(true)
#endif
