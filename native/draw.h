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

    const auto share = [&](int64_t id) { return std::exp((scores[id] - highest) / how.temperature); };
    const bool ordered = how.top_k || how.top_p < 1;
    const int64_t count = how.top_k && how.top_k < words ? how.top_k : words;
    // A heap, the likeliest at its top: few of many words are ever asked for in their order.
    const auto less = [&](int64_t a, int64_t b) { return scores[a] < scores[b] || (scores[a] == scores[b] && a > b); };
    const auto next = [&](int64_t place) {
        if (!ordered) return place;
        std::pop_heap(ids, ids + words - place, less);
        return ids[words - 1 - place];
    };
    if (ordered) {
        for (int64_t i = 0; i < words; ++i) ids[i] = i;
        std::make_heap(ids, ids + words, less);
    }
    double total = 0;
    int64_t known = 0;  // shares that are in reached
    if (ordered && count == words)
        for (int64_t id = 0; id < words; ++id) total += share(id);
    else
        for (; known < count; ++known) total += reached[known] = share(next(known));
    // Those that begin below p: the one that reaches it is the last of them. The likeliest always is.
    int64_t kept = 0;
    double so_far = 0;
    for (; kept < count && (kept == 0 || so_far < how.top_p); ++kept) {
        if (kept == known) reached[known] = share(next(known)), ++known;
        reached[kept] = so_far += reached[kept] / total;
    }
    const double wanted = uniform * so_far;
    // Above, not at: a word of probability 0 is never drawn, not even by a uniform number of 0.
    int64_t place = 0;
    while (place < kept - 1 && !(reached[place] > wanted)) ++place;
    return found(ordered ? ids[words - 1 - place] : place);
}

}  // namespace unrolled::UNROLLED_ISA
