// Vectors of one register's width, and exp, sigmoid and tanh on them: the same source for every instruction set.
//
// Vector<float> is 16, 8 or 4 numbers wide (AVX-512, AVX2, baseline), Vector<double> half of that. They are the
// compiler's own vector types, so + - * / and comparisons work on them; a * b + c becomes one fused operation.
#pragma once

#include <cstdint>
#include <cstring>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "kernel.h"

#ifndef UNROLLED_ISA
#error "vector.h is for sources with UNROLLED_KERNEL, which are compiled once for each instruction set"
#endif

#define UNROLLED_INLINE inline __attribute__((always_inline))

namespace unrolled::UNROLLED_ISA {

constexpr int register_bytes = UNROLLED_ISA_LEVEL == 2 ? 64 : UNROLLED_ISA_LEVEL == 1 ? 32 : 16;
constexpr int registers = UNROLLED_ISA_LEVEL == 2 ? 32 : 16;

template <class T>
struct VectorOf;
template <>
struct VectorOf<float> {
    typedef float type __attribute__((vector_size(register_bytes)));
    typedef int32_t bits __attribute__((vector_size(register_bytes)));
};
template <>
struct VectorOf<double> {
    typedef double type __attribute__((vector_size(register_bytes)));
    typedef int64_t bits __attribute__((vector_size(register_bytes)));
};
template <class T>
using Vector = typename VectorOf<T>::type;
template <class T>
using Bits = typename VectorOf<T>::bits;

template <class T>
constexpr int lanes = register_bytes / static_cast<int>(sizeof(T));

// n rounded up to whole vectors.
template <class T>
constexpr int64_t padded(int64_t n) {
    return (n + lanes<T> - 1) / lanes<T> * lanes<T>;
}

template <class T>
UNROLLED_INLINE Vector<T> splat(T value) {
    return value - Vector<T>{};  // the subtraction goes, as an addition would not: 0 + −0 is 0
}
template <class T>
UNROLLED_INLINE Vector<T> load(const T* from) {
    Vector<T> value;
    std::memcpy(&value, from, sizeof value);
    return value;
}
template <class T>
UNROLLED_INLINE void store(T* to, Vector<T> value) {
    std::memcpy(to, &value, sizeof value);
}
// Numbers of a and b, by their places in the two as one.
template <class T, int... place>
UNROLLED_INLINE Vector<T> pick(Vector<T> a, Vector<T> b) {
#if defined(__clang__)
    return __builtin_shufflevector(a, b, place...);
#else
    return __builtin_shuffle(a, b, Bits<T>{place...});
#endif
}
// All bits set in the first `count` lanes.
template <class T>
UNROLLED_INLINE Bits<T> first(int count) {
    Bits<T> lane{};
    for (int i = 0; i < lanes<T>; ++i) lane[i] = i;
    return lane < count;
}
// The first `count` numbers of a vector, 0 ≤ count ≤ lanes; zeros for the rest, whose memory is not touched.
template <class T>
UNROLLED_INLINE Vector<T> load(const T* from, int count) {
    if (count == lanes<T>) return load(from);
#if UNROLLED_ISA_LEVEL == 2
    if constexpr (sizeof(T) == 4)
        return _mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << count) - 1), from);
    else
        return _mm512_maskz_loadu_pd(static_cast<__mmask8>((1u << count) - 1), from);
#elif UNROLLED_ISA_LEVEL == 1
    if constexpr (sizeof(T) == 4)
        return _mm256_maskload_ps(from, (__m256i)first<T>(count));
    else
        return _mm256_maskload_pd(from, (__m256i)first<T>(count));
#else
    Vector<T> value{};
    for (int i = 0; i < count; ++i) value[i] = from[i];
    return value;
#endif
}
template <class T>
UNROLLED_INLINE void store(T* to, Vector<T> value, int count) {
    if (count == lanes<T>) return store(to, value);
#if UNROLLED_ISA_LEVEL == 2
    if constexpr (sizeof(T) == 4)
        _mm512_mask_storeu_ps(to, static_cast<__mmask16>((1u << count) - 1), value);
    else
        _mm512_mask_storeu_pd(to, static_cast<__mmask8>((1u << count) - 1), value);
#elif UNROLLED_ISA_LEVEL == 1
    if constexpr (sizeof(T) == 4)
        _mm256_maskstore_ps(to, (__m256i)first<T>(count), value);
    else
        _mm256_maskstore_pd(to, (__m256i)first<T>(count), value);
#else
    for (int i = 0; i < count; ++i) to[i] = value[i];
#endif
}
template <class T>
UNROLLED_INLINE void add(T* to, Vector<T> value, int count) {
    store(to, load(to, count) + value, count);
}
// Numbers of any format as T: of T itself, bfloat16 (uint16_t) or int8.
template <class T>
UNROLLED_INLINE Vector<T> widen(const T* from) {
    return load(from);
}
template <class T>
UNROLLED_INLINE Vector<float> widen(const uint16_t* from) {
#if UNROLLED_ISA_LEVEL == 2
    const __m256i half = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
    return (Vector<float>)((Bits<float>)_mm512_maskz_cvtepu16_epi32(0xffff, half) << 16);
#elif UNROLLED_ISA_LEVEL == 1
    const __m128i half = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
    return (Vector<float>)((Bits<float>)_mm256_cvtepu16_epi32(half) << 16);
#else
    Bits<float> value;
    for (int i = 0; i < lanes<float>; ++i) value[i] = static_cast<int32_t>(static_cast<uint32_t>(from[i]) << 16);
    return (Vector<float>)value;
#endif
}
template <class T>
UNROLLED_INLINE Vector<float> widen(const int8_t* from) {
#if UNROLLED_ISA_LEVEL == 2
    const __m128i quarter = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
    return __builtin_convertvector((Bits<float>)_mm512_maskz_cvtepi8_epi32(0xffff, quarter), Vector<float>);
#elif UNROLLED_ISA_LEVEL == 1
    const __m128i quarter = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(from));
    return __builtin_convertvector((Bits<float>)_mm256_cvtepi8_epi32(quarter), Vector<float>);
#else
    Vector<float> value;
    for (int i = 0; i < lanes<float>; ++i) value[i] = from[i];
    return value;
#endif
}
// Half upon half: an order that takes few operations.
template <class T, int bytes = register_bytes>
UNROLLED_INLINE T sum_of(const void* from) {
    if constexpr (bytes > 16) {
        typedef T Half __attribute__((vector_size(bytes / 2)));
        Half low, high;
        std::memcpy(&low, from, sizeof low);
        std::memcpy(&high, static_cast<const char*>(from) + sizeof low, sizeof high);
        low += high;
        return sum_of<T, bytes / 2>(&low);
    } else {
        T part[16 / sizeof(T)];
        std::memcpy(part, from, sizeof part);
        if constexpr (sizeof(T) == 4)
            return (part[0] + part[2]) + (part[1] + part[3]);
        else
            return part[0] + part[1];
    }
}
template <class T>
UNROLLED_INLINE T sum(Vector<T> value) {
    return sum_of<T>(&value);
}
// A NaN in x stays.
template <class T>
UNROLLED_INLINE Vector<T> clamp(Vector<T> x, T low, T high) {
    x = x < low ? splat<T>(low) : x;
    return x > high ? splat<T>(high) : x;
}
template <class T>
UNROLLED_INLINE Vector<T> maximum(Vector<T> x, Vector<T> y) {
    return x > y ? x : y;
}

// exp(x) = 2ⁿ (1 + q) with q = exp(r) − 1, |r| ≤ ½ ln 2. Answers q and scale = 2ⁿ; x within ±`limit`.
template <class T>
struct Exponent {
    Vector<T> q, scale;
};

UNROLLED_INLINE Exponent<float> exponent(Vector<float> x) {
    constexpr float to_integer = 12582912.f;  // 1.5 · 2²³: added, it leaves the integer in the low bits
    const Vector<float> k = x * 1.44269504f + to_integer;
    const Vector<float> n = k - to_integer;
    const Vector<float> r = (x - n * 0.693145752f) - n * 1.42860677e-6f;  // ln 2 in two parts
    Vector<float> p = r * 1.392625083e-3f + 8.363232884e-3f;
    p = p * r + 4.166655421e-2f;
    p = p * r + 1.666657667e-1f;
    p = p * r + 0.5f;
    const Bits<float> bits = ((Bits<float>)k << 23) + 0x3f800000;
    return {p * (r * r) + r, (Vector<float>)bits};
}

UNROLLED_INLINE Exponent<double> exponent(Vector<double> x) {
    constexpr double to_integer = 6755399441055744.;  // 1.5 · 2⁵²
    const Vector<double> k = x * 1.4426950408889634 + to_integer;
    const Vector<double> n = k - to_integer;
    const Vector<double> r = (x - n * 6.93147180369123816490e-01) - n * 1.90821492927058770002e-10;
    Vector<double> p = r * (1. / 87178291200.) + 1. / 6227020800.;
    p = p * r + 1. / 479001600.;
    p = p * r + 1. / 39916800.;
    p = p * r + 1. / 3628800.;
    p = p * r + 1. / 362880.;
    p = p * r + 1. / 40320.;
    p = p * r + 1. / 5040.;
    p = p * r + 1. / 720.;
    p = p * r + 1. / 120.;
    p = p * r + 1. / 24.;
    p = p * r + 1. / 6.;
    p = p * r + 0.5;
    const Bits<double> bits = ((Bits<double>)k << 52) + 0x3ff0000000000000;
    return {p * (r * r) + r, (Vector<double>)bits};
}

// Beyond these the result is the largest or smallest normal number's neighbourhood, never infinite.
template <class T>
constexpr T largest_exponent = sizeof(T) == 4 ? T(87.3) : T(708);
template <class T>
constexpr T smallest_exponent = sizeof(T) == 4 ? T(-87.3) : T(-708);

// exp, to 2 ulp within [smallest_exponent, largest_exponent], and its value at the nearer end beyond.
template <class T>
UNROLLED_INLINE Vector<T> exp(Vector<T> x) {
    const Exponent<T> e = exponent(clamp<T>(x, smallest_exponent<T>, largest_exponent<T>));
    return e.scale * e.q + e.scale;
}

// exp of any number, to 4 ulp: infinity and 0 beyond the largest and the smallest, and numbers below the normal ones too.
template <class T>
UNROLLED_INLINE Vector<T> unbounded_exp(Vector<T> x) {
    const Vector<T> root = exp<T>(x * T(0.5));
    return root * root;
}

// 1 / (1 + exp(−x)), to 3 ulp above the smallest exponent.
template <class T>
UNROLLED_INLINE Vector<T> sigmoid(Vector<T> x) {
    return T(1) / (T(1) + exp<T>(-x));
}

// (exp(2x) − 1) / (exp(2x) + 1) with exp(2x) − 1 made without cancellation: to 4 ulp, near 0 too.
template <class T>
UNROLLED_INLINE Vector<T> tanh(Vector<T> x) {
    const Exponent<T> e = exponent(clamp<T>(x + x, T(-44), T(44)));
    const Vector<T> less_one = e.scale * e.q + (e.scale - T(1));
    return less_one / (less_one + T(2));
}

}  // namespace unrolled::UNROLLED_ISA
