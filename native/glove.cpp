// GloVe (Pennington et al. 2014): counting which words meet, and sharing the entries among threads.
//
// Entries are dealt into parts × parts blocks by their row and column, and trained in `parts` rounds: in round r,
// block (p, p + r) for every p. The blocks of a round touch no row and no column in common, so that threads need no
// locks and any number of them gives the same bits (Gemulla et al. 2011).

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <vector>

#include "glove_entries.h"
#include "kernel.h"
#include "parallel.h"

namespace {

constexpr int parts = 16;
constexpr uint64_t empty = ~uint64_t(0);

}  // namespace

// `all` holds the matrices and, as rows, columns, logs and weights, `count` entries in the order they were shuffled.
// Adds to *all->loss.
extern "C" UNROLLED_EXPORT void unrolled_train_glove(const unrolled::GloveEntries* all, int32_t threads) {
    using namespace unrolled;
    std::vector<int64_t> begin(parts * parts + 1), next;
    auto block = [&](int64_t k) { return all->rows[k] % parts * parts + all->columns[k] % parts; };
    for (int64_t k = 0; k < all->count; ++k) ++begin[block(k) + 1];
    for (int b = 0; b < parts * parts; ++b) begin[b + 1] += begin[b];
    next.assign(begin.begin(), begin.end() - 1);
    std::vector<int32_t> rows(all->count), columns(all->count);
    std::vector<float> logs(all->count), weights(all->count);
    for (int64_t k = 0; k < all->count; ++k) {
        const int64_t to = next[block(k)]++;
        rows[to] = all->rows[k], columns[to] = all->columns[k];
        logs[to] = all->logs[k], weights[to] = all->weights[k];
    }

    std::vector<double> losses(parts * parts);
    std::atomic<int> taken[parts]{};
    std::optional<Barrier> barrier;
    std::once_flag made;
    parallel(threads, [&](int, int there) {
        std::call_once(made, [&] { barrier.emplace(there); });
        for (int round = 0; round < parts; ++round) {
            for (int p; (p = taken[round].fetch_add(1)) < parts;) {
                const int b = p * parts + (p + round) % parts;
                GloveEntries mine = *all;
                mine.rows = rows.data() + begin[b], mine.columns = columns.data() + begin[b];
                mine.logs = logs.data() + begin[b], mine.weights = weights.data() + begin[b];
                mine.count = begin[b + 1] - begin[b];
                mine.loss = &losses[b];
                unrolled_glove_entries(&mine);
            }
            barrier->wait();
        }
    });
    for (double loss : losses) *all->loss += loss;
}

// Adds 1/distance for every two words of a sentence at most `window` apart to a hash table of pairs: the key is
// (smaller id << 32 | larger id), all bits set where the slot is empty; the capacity is a power of two. A word that
// meets itself counts twice, as it does in a symmetric matrix. Starts with the words from `position` on and returns
// the position reached: bounds[sentences], unless the table came to be three quarters full.
extern "C" UNROLLED_EXPORT int64_t unrolled_count_pairs(const int32_t* ids, const int64_t* bounds, int64_t sentences,
                                                        int64_t position, int32_t window, uint64_t* keys,
                                                        double* values, int64_t capacity, int64_t* used) {
    const uint64_t mask = uint64_t(capacity) - 1;
    const int64_t full = capacity / 4 * 3 - window;
    int64_t s = std::upper_bound(bounds, bounds + sentences + 1, position) - bounds - 1;
    for (; s < sentences; ++s)
        for (position = std::max(position, bounds[s]); position < bounds[s + 1]; ++position) {
            if (*used > full) return position;
            const uint32_t word = uint32_t(ids[position]);
            for (int64_t j = std::max(bounds[s], position - window); j < position; ++j) {
                const uint32_t other = uint32_t(ids[j]);
                const uint64_t key = uint64_t(std::min(word, other)) << 32 | std::max(word, other);
                uint64_t slot = (key * 0x9E3779B97F4A7C15u ^ (key * 0x9E3779B97F4A7C15u) >> 32) & mask;
                while (keys[slot] != key && keys[slot] != empty) slot = (slot + 1) & mask;
                if (keys[slot] == empty) keys[slot] = key, values[slot] = 0, ++*used;
                values[slot] += (word == other ? 2. : 1.) / double(position - j);
            }
        }
    return bounds[sentences];
}
