// Drawing a word at random from logits: temperature, the k likeliest, the likeliest that make up p. As
// unrolled.decoding.Sampling.draw does it, in double precision.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "step.h"
#include "vector.h"

namespace unrolled::UNROLLED_ISA {

struct Drawn {
    int64_t id;      // −1: nothing has a probability
    float log_prob;  // not a number where those are none
};

inline bool barred(const Drawing& how, int64_t step, int64_t id) {
    if (id == how.spared && step < how.spared_steps) return true;
    for (int64_t i = 0; i < how.forbidden_count; ++i)
        if (id == how.forbidden[i]) return true;
    return false;
}

// `room` holds draw_room(words) bytes. Loops and not the library's templates: see kernel.h.
constexpr int64_t draw_room(int64_t words) { return 3 * 8 * words; }

template <class T>
UNROLLED_INLINE T greatest(const T* values, int64_t count) {
    T found = values[0];
    for (int64_t i = 1; i < count; ++i) found = values[i] > found ? values[i] : found;
    return found;
}

inline Drawn draw(const Drawing& how, int64_t step, double uniform, const float* logits, int64_t words, double* room) {
    const double none = -std::numeric_limits<double>::infinity();
    double* scores = room;          // in the order of ids
    double* reached = room + words;  // in the order in which words are kept
    int64_t* ids = reinterpret_cast<int64_t*>(reached + words);

    double highest = greatest(logits, words), sum = 0;
    for (int64_t i = 0; i < words; ++i) sum += std::exp(static_cast<double>(logits[i]) - highest);
    const double normalizer = highest + std::log(sum);
    if (!std::isfinite(normalizer)) return {-1, std::numeric_limits<float>::quiet_NaN()};
    for (int64_t i = 0; i < words; ++i) scores[i] = static_cast<float>(logits[i] - normalizer);
    for (int64_t i = 0; i < how.forbidden_count; ++i) scores[how.forbidden[i]] = none;
    if (step < how.spared_steps) scores[how.spared] = none;
    highest = greatest(scores, words);
    if (highest == none) return {-1, static_cast<float>(none)};
    const auto found = [&](int64_t id) { return Drawn{id, static_cast<float>(logits[id] - normalizer)}; };
    if (how.temperature == 0) {
        int64_t id = 0;
        while (scores[id] != highest) ++id;
        return found(id);
    }

    int64_t count = words;
    const bool ordered = how.top_k || how.top_p < 1;
    const double* from = scores;
    if (ordered) {
        count = how.top_k && how.top_k < words ? how.top_k : words;
        for (int64_t i = 0; i < words; ++i) ids[i] = i;
        std::partial_sort(ids, ids + count, ids + words, [&](int64_t a, int64_t b) {
            return scores[a] > scores[b] || (scores[a] == scores[b] && a < b);
        });
        for (int64_t i = 0; i < count; ++i) reached[i] = scores[ids[i]];
        from = reached;
    }
    double total = 0;
    for (int64_t i = 0; i < count; ++i) total += reached[i] = std::exp((from[i] - highest) / how.temperature);
    // Those that begin below p: the one that reaches it is the last of them. The likeliest always is.
    int64_t kept = 0;
    double so_far = 0;
    for (; kept < count && (kept == 0 || so_far < how.top_p); ++kept) reached[kept] = so_far += reached[kept] / total;
    const double wanted = uniform * so_far;
    // Above, not at: a word of probability 0 is never drawn, not even by a uniform number of 0.
    int64_t place = 0;
    while (place < kept - 1 && !(reached[place] > wanted)) ++place;
    return found(ordered ? ids[place] : place);
}

}  // namespace unrolled::UNROLLED_ISA
