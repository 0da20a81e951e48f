// Skip-gram and CBOW with negative sampling (Mikolov et al. 2013): which windows there are, and who works on which.
//
// A window's arithmetic is in embedding_window.cpp. Skip-gram shares the negatives of a centre word among all the
// words around it, which makes a window two small matrix products (Ji et al. 2016).
//
// Every random choice is a hash of (seed, position of the word, which choice): nothing depends on threads.
//
// There are two ways to use several threads. Lock-free: each updates the rows in place as it goes (Recht et al.
// 2011). Synchronous: all windows of a round see the rows as they were when the round began, and the changes are
// then added row by row in the order of the windows, so that any number of threads gives the same bits.

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <mutex>
#include <optional>
#include <vector>

#include "embedding_window.h"
#include "kernel.h"
#include "parallel.h"
#include "skipgram.h"

namespace unrolled {
namespace {

enum Architecture : int32_t { skipgram = 0, cbow = 1 };

constexpr int64_t round_windows = 256;   // synchronous: windows that see the same rows, at most
constexpr int64_t stride_windows = 512;  // lock-free: windows a thread takes at a time
constexpr int64_t measure_every = 64;    // the loss reported is that of one window in so many
constexpr uint64_t choices = 4096;       // random numbers set aside for each word

// Splitmix64 (Steele et al. 2014) at any place of its sequence: a word's n-th random number.
uint64_t draw(uint64_t seed, int64_t position, uint64_t n) {
    uint64_t z = seed + (uint64_t(position) * choices + n + 1) * 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

// A whole number below `bound` from the upper 32 bits; the lower 32 stay unused.
int32_t below(uint64_t bits, int32_t bound) { return int32_t(((bits >> 32) * uint64_t(bound)) >> 32); }

int64_t padded(int64_t n, int64_t multiple) { return (n + multiple - 1) / multiple * multiple; }

// The words of a block that subsampling left, each with its sentence's [begin, end) and its position in the training.
struct Words {
    std::vector<int32_t> ids, begin, end;
    std::vector<int64_t> positions;

    Words(const EmbeddingJob& job, const int32_t* block, const int64_t* bounds, int64_t sentences, int64_t position) {
        for (int64_t s = 0; s < sentences; ++s) {
            const int32_t first = int32_t(ids.size());
            for (int64_t i = bounds[s]; i < bounds[s + 1]; ++i) {
                const int64_t here = position + i - bounds[0];
                if (uint32_t(draw(job.seed, here, 0)) > job.keep[block[i]]) continue;
                ids.push_back(block[i]);
                positions.push_back(here);
            }
            begin.resize(ids.size(), first);
            end.resize(ids.size(), int32_t(ids.size()));
        }
    }
    int64_t size() const { return int64_t(ids.size()); }
};

// One window at a time: chooses its rows, keeps the memory they need, counts the losses measured.
class Window {
   public:
    double loss = 0;
    int64_t pairs = 0;

    void choose(const EmbeddingJob& job, const Words& words, int64_t i) {
        const int64_t position = words.positions[i];
        const int64_t reach = job.window - below(draw(job.seed, position, 1), job.window);
        const int64_t first = std::max<int64_t>(words.begin[i], i - reach);
        const int64_t last = std::min<int64_t>(words.end[i], i + reach + 1);
        const int64_t neighbours = last - first - 1;
        rows_.clear(), scales_.clear(), targets_.clear(), labels_.clear(), mask_.clear();
        if (neighbours > 0) {
            uint64_t n = 2;
            if (job.architecture == skipgram && job.pieces_begin) {
                // A word has many pieces: gather the centre's once and predict its neighbours from it.
                add(job, words.ids[i], 1.f);
                for (int64_t j = first; j < last; ++j)
                    if (j != i) n = predict(job, words.ids[j], position, n);
            } else {
                const float scale = job.architecture == cbow ? 1.f / float(neighbours) : 1.f;
                for (int64_t j = first; j < last; ++j)
                    if (j != i) add(job, words.ids[j], scale);
                predict(job, words.ids[i], position, n);
            }
        }
        const double done = double(position) / double(job.total);
        view_.rate = float(std::max(job.last_rate, job.first_rate + (job.last_rate - job.first_rate) * done));
        view_.combined = job.architecture == cbow || job.pieces_begin;
        view_.input = job.input, view_.output = job.output, view_.dimensions = job.dimensions;
        view_.rows = rows_.data(), view_.scales = scales_.data(), view_.inputs = int64_t(rows_.size());
        view_.targets = targets_.data(), view_.labels = labels_.data(), view_.mask = mask_.data();
        view_.outputs = int64_t(targets_.size());
    }

    void prefetch() const {
        auto fetch = [&](const float* row) {
            for (int64_t c = 0; c < view_.dimensions; c += 16) __builtin_prefetch(row + c);
        };
        for (int32_t row : targets_) fetch(view_.output + row * view_.dimensions);
        for (int32_t row : rows_) fetch(view_.input + row * view_.dimensions);
    }

    void descend(bool measure) {
        if (rows_.empty()) return;
        const int64_t hidden = padded(view_.combined ? 1 : view_.inputs, 2), outputs = padded(view_.outputs, 6);
        view_.columns = padded(view_.dimensions, 16);
        view_.H = room(H_, hidden * view_.columns), view_.dH = room(dH_, hidden * view_.columns);
        view_.O = room(O_, outputs * view_.columns), view_.dO = room(dO_, outputs * view_.columns);
        view_.G = room(G_, padded(hidden * outputs, 16)), view_.logits = room(logits_, hidden * outputs);
        view_.measure = measure;
        unrolled_embedding_descend(&view_);
        if (!measure) return;
        for (int64_t n = 0; n < (view_.combined ? 1 : view_.inputs); ++n)
            for (int64_t m = 0; m < view_.outputs; ++m)
                if (mask_[m] != 0) {
                    const double x = (labels_[m] != 0 ? 1 : -1) * view_.logits[n * outputs + m];
                    loss += std::max(-x, 0.) + std::log1p(std::exp(-std::abs(x)));
                    pairs += labels_[m] != 0;
                }
    }

    void add_to(int part, int parts) {
        if (rows_.empty()) return;
        EmbeddingWindow view = view_;
        view.part = part, view.parts = parts;
        unrolled_embedding_add(&view);
    }

   private:
    EmbeddingWindow view_{};
    std::vector<int32_t> rows_, targets_;
    std::vector<float> scales_, labels_, mask_, H_, dH_, O_, dO_, G_, logits_;

    static float* room(std::vector<float>& memory, int64_t size) {
        if (int64_t(memory.size()) < size) memory.resize(size);
        return memory.data();
    }

    void add(const EmbeddingJob& job, int32_t word, float scale) {
        if (!job.pieces_begin) {
            rows_.push_back(word), scales_.push_back(scale);
            return;
        }
        const int64_t first = job.pieces_begin[word], last = job.pieces_begin[word + 1];
        for (int64_t p = first; p < last; ++p)
            rows_.push_back(job.pieces[p]), scales_.push_back(scale / std::sqrt(float(last - first)));
    }

    // The word, and as many from the noise as the job asks for, from the n-th random number on.
    uint64_t predict(const EmbeddingJob& job, int32_t word, int64_t position, uint64_t n) {
        targets_.push_back(word), labels_.push_back(1.f), mask_.push_back(1.f);
        for (int32_t k = 0; k < job.negatives; ++k) {
            const uint64_t bits = draw(job.seed, position, n++);
            int32_t other = below(bits, job.vocabulary);
            if (uint32_t(bits) > job.noise_odds[other]) other = job.noise_alias[other];
            targets_.push_back(other), labels_.push_back(0.f), mask_.push_back(other == word ? 0.f : 1.f);
        }
        return n;
    }
};

struct Measured {
    double loss = 0;
    int64_t pairs = 0;
};

Measured lock_free(const EmbeddingJob& job, const Words& words, std::atomic<int64_t>& next) {
    Window windows[2];
    for (int64_t first; (first = next.fetch_add(stride_windows)) < words.size();) {
        const int64_t last = std::min(words.size(), first + stride_windows);
        windows[first % 2].choose(job, words, first);
        for (int64_t i = first; i < last; ++i) {
            if (i + 1 < last) {
                windows[(i + 1) % 2].choose(job, words, i + 1);
                windows[(i + 1) % 2].prefetch();
            }
            windows[i % 2].descend(i % measure_every == 0);
            windows[i % 2].add_to(0, 1);
        }
    }
    return {windows[0].loss + windows[1].loss, windows[0].pairs + windows[1].pairs};
}

void synchronous(const EmbeddingJob& job, const Words& words, std::vector<Window>& round, Barrier& barrier, int part,
                 int parts) {
    for (int64_t first = 0; first < words.size(); first += int64_t(round.size())) {
        const int64_t size = std::min(int64_t(round.size()), words.size() - first);
        const Share mine = share(size, part, parts);
        for (int64_t i = mine.begin; i < mine.end; ++i) {
            round[i].choose(job, words, first + i);
            round[i].descend((first + i) % measure_every == 0);
        }
        barrier.wait();
        for (int64_t i = 0; i < size; ++i) round[i].add_to(part, parts);
        barrier.wait();
    }
}

}  // namespace
}  // namespace unrolled

// Trains on a block: sentence s is ids[bounds[s]:bounds[s + 1]], and ids[bounds[0]] is the position-th word of the
// whole training. Adds to loss and pairs the sum and the number of the losses measured.
extern "C" UNROLLED_EXPORT void unrolled_train_embeddings(const unrolled::EmbeddingJob* job, const int32_t* ids,
                                                          const int64_t* bounds, int64_t sentences, int64_t position,
                                                          double* loss, int64_t* pairs) {
    using namespace unrolled;
    const Words words(*job, ids, bounds, sentences, position);
    if (job->synchronous) {
        // Where there are few words a round meets each of them often, and its changes add up to too large a step.
        std::vector<Window> round(std::clamp<int64_t>(job->vocabulary / 16, 1, round_windows));
        std::optional<Barrier> barrier;
        std::once_flag made;
        parallel(job->threads, [&](int thread, int threads) {
            std::call_once(made, [&] { barrier.emplace(threads); });
            synchronous(*job, words, round, *barrier, thread, threads);
        });
        for (const Window& window : round) *loss += window.loss, *pairs += window.pairs;
        return;
    }
    std::atomic<int64_t> next{0};
    std::vector<Measured> measured(std::max(1, job->threads));
    parallel(job->threads, [&](int thread, int) { measured[thread] = lock_free(*job, words, next); });
    for (const Measured& m : measured) *loss += m.loss, *pairs += m.pairs;
}
