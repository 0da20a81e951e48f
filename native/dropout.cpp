// Dropout whose mask is nowhere kept: number i of a seed is drawn anew wherever it is needed, on any thread.
//
// Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"), many counters side by side. Which
// number an input gets depends on its place alone, neither on the instruction set nor on the threads.
#include "dropout.h"

#include "parallel.h"
#include "vector.h"

namespace unrolled::UNROLLED_ISA {
namespace {

constexpr int width = 16;            // counters at a time
constexpr int64_t block = 4 * width;  // numbers they give
constexpr int64_t worth = 1 << 14;    // inputs that are worth a thread

// Numbers of 32 bits, each in the lower half of 64; what stands in the upper half means nothing.
typedef uint64_t Words __attribute__((vector_size(register_bytes)));
constexpr int side = register_bytes / 8;
typedef uint32_t Narrow __attribute__((vector_size(register_bytes / 2)));

UNROLLED_INLINE Words multiply(Words a, uint32_t m) {
#if UNROLLED_ISA_LEVEL == 2
    return Words(_mm512_maskz_mul_epu32(0xFF, __m512i(a), _mm512_set1_epi64(m)));
#elif UNROLLED_ISA_LEVEL == 1
    return Words(_mm256_mul_epu32(__m256i(a), _mm256_set1_epi64x(m)));
#else
    return (a & 0xFFFFFFFFu) * uint64_t(m);
#endif
}

// The numbers of the counters first, first + 1, …: four of each, the first ones of all before the second ones.
UNROLLED_INLINE void draw(int64_t seed, int64_t first, uint32_t* numbers) {
    for (int at = 0; at < width; at += side) {
        uint32_t key0 = static_cast<uint32_t>(seed), key1 = static_cast<uint32_t>(uint64_t(seed) >> 32);
        Words c0, c1, c2 = {}, c3 = {};
        for (int l = 0; l < side; ++l) c0[l] = static_cast<uint64_t>(first + at + l);
        c1 = c0 >> 32;
        for (int round = 0; round < 10; ++round) {
            const Words one = multiply(c0, 0xD2511F53u), two = multiply(c2, 0xCD9E8D57u);
            c0 = (two >> 32) ^ c1 ^ uint64_t(key0);
            c2 = (one >> 32) ^ c3 ^ uint64_t(key1);
            c1 = two;
            c3 = one;
            key0 += 0x9E3779B9u;
            key1 += 0xBB67AE85u;
        }
        int word = 0;
        for (const Words& c : {c0, c1, c2, c3}) {
            const Narrow narrow = __builtin_convertvector(c, Narrow);
            std::memcpy(numbers + word++ * width + at, &narrow, sizeof narrow);
        }
    }
}

template <class T>
void drop(const Dropout& d, int64_t begin, int64_t end) {
    const T* inputs = static_cast<const T*>(d.inputs);
    T* outputs = static_cast<T*>(d.outputs);
    const T scale = static_cast<T>(d.scale);
    const uint32_t kept = static_cast<uint32_t>(d.kept);
    for (int64_t at = begin; at < end; at += block) {
        alignas(64) uint32_t numbers[block];
        draw(d.seed, at / 4, numbers);
        const auto put = [&](int64_t count) {
            for (int64_t i = 0; i < count; ++i)
                outputs[at + i] = numbers[i] < kept ? inputs[at + i] * scale : T(0);
        };
        end - at >= block ? put(block) : put(end - at);
    }
}

}  // namespace

void dropout(const Dropout& d) {
    const int64_t most = d.size / worth + 1;
    parallel(static_cast<int>(most < d.threads ? most : d.threads), [&](int thread, int threads) {
        const Share mine = share(d.size, thread, threads, block);
        d.bytes == 8 ? drop<double>(d, mine.begin, mine.end) : drop<float>(d, mine.begin, mine.end);
    });
}

}  // namespace unrolled::UNROLLED_ISA

UNROLLED_KERNEL(dropout, Dropout);
