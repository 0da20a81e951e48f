// Projection on a vocabulary, softmax and cross-entropy, with their gradients, in one pass over the rows.
//
// The logits exist for a block of rows at a time, as exp(z − peak) with one peak for each row and tile of words: made once,
// for the loss and the gradients, and read from memory where a block (`block_logits`) is larger than the caches. They
// stand transposed, a word's rows side by side: so the weight needs no packing, softmax no sum across lanes, and a
// word that no row of the block gives a probability above the floor is left out of both gradient products.
#include "cross_entropy.h"

#include "matrix.h"
#include "memory.h"
#include "parallel.h"

namespace unrolled::UNROLLED_ISA {
namespace {

constexpr int wide = registers == 32 ? 4 : 2;     // vectors in a panel
constexpr int64_t tile_words = 120;               // words whose gradients are made together
constexpr int64_t block_logits = int64_t(1) << 23;  // numbers in a block's logits: 32 MiB of float32
constexpr int64_t block_bytes = int64_t(1) << 20;   // of a block's features
constexpr int64_t own_weight = int64_t(1) << 19;    // a weight gradient so small that each thread may have its own

template <class T>
constexpr T lowest = sizeof(T) == 4 ? T(-3e38) : T(-1e308);

template <class T>
UNROLLED_INLINE T log(T x) {
    return sizeof(T) == 4 ? T(__builtin_logf(float(x))) : T(__builtin_log(double(x)));
}

int64_t ceiling(int64_t n, int64_t unit) { return (n + unit - 1) / unit; }

// Products of rows of a with one panel: put(row, count, tile) for groups of rows of about one size.
template <bool by_columns, class T, class Put>
void sweep(const T* a, int64_t stride, int64_t rows, const T* panel, int vectors, int64_t depth, Put&& put) {
    alignas(64) T tile[tile_size];
    const int64_t groups = ceiling(rows, tile_rows(vectors));
    for (int64_t g = 0; g < groups; ++g) {
        const int64_t row = rows * g / groups;
        const int count = static_cast<int>(rows * (g + 1) / groups - row);
        tile_product_for<T, by_columns>(count, vectors)(a + row * (by_columns ? 1 : stride), stride, panel, depth, tile);
        put(row, count, tile);
    }
}

// How the work is cut up, the same for every thread.
template <class T>
struct Plan {
    explicit Plan(const CrossEntropy& c, int threads)
        : gradients(c.grad_features || c.grad_weight || c.grad_bias),
          by_rows(c.vocabulary * c.size <= own_weight && c.rows >= threads * wide * lanes<T>),
          tiles(ceiling(ceiling(c.vocabulary, tile_words), by_rows ? 1 : threads) * (by_rows ? 1 : threads)),
          words(ceiling(c.vocabulary, tiles)),
          vectors(most(c)) {}

    const bool gradients;
    const bool by_rows;   // threads own rows, else words
    const int64_t tiles;  // of `words` words
    const int64_t words;
    const int64_t vectors;  // of rows in a block, at most

   private:
    static int64_t most(const CrossEntropy& c) {
        const int64_t by_logits = block_logits / c.vocabulary;
        const int64_t by_features = block_bytes / (c.size * static_cast<int64_t>(sizeof(T)));
        const int64_t rows = by_logits < by_features ? by_logits : by_features;
        const int64_t needed = ceiling(c.rows, lanes<T>);
        const int64_t fit = rows / lanes<T> > wide ? rows / lanes<T> : wide;
        return fit < needed ? fit : needed;
    }
};

// What the threads that share a block's words tell one another.
template <class T>
struct Team {
    Team(const CrossEntropy& c, const Plan<T>& plan, int members)
        : rows(plan.vectors * lanes<T>),
          features(rows * padded<T>(c.size)),
          peaks(members * rows * sizeof(T)),
          sums(members * rows * sizeof(T)),
          grads(c.grad_features ? members * features * sizeof(T) : 0),
          barrier(members) {}

    const int64_t rows, features;
    Scratch peaks, sums;  // (members, rows)
    Scratch grads;        // (members, rows, padded size)
    Barrier barrier;
};

// One thread's part of a block of rows: the tiles member, member + members, …
template <class T>
class Worker {
   public:
    Worker(const CrossEntropy& c, const Plan<T>& plan, Team<T>& team, int member, int members, T* grad_weight, T* grad_bias)
        : c_(c),
          plan_(plan),
          team_(team),
          member_(member),
          members_(members),
          weight_(static_cast<const T*>(c.weight)),
          bias_(static_cast<const T*>(c.bias)),
          log_sums_(static_cast<T*>(c.log_sums)),
          log_probs_(static_cast<T*>(c.log_probs)),
          grad_weight_(grad_weight),
          grad_bias_(grad_bias),
          size_vectors_(padded<T>(c.size) / lanes<T>),
          tiles_(ceiling(plan.tiles - member, members)),
          columns_(team.rows * c.size * sizeof(T)),
          rows_(plan.gradients ? team.features * sizeof(T) : 0),
          logits_((plan.gradients ? tiles_ : 1) * plan.words * team.rows * sizeof(T)),
          tile_peaks_(tiles_ * team.rows * sizeof(T)),
          gradient_(plan.words * stride_of(team.rows) * sizeof(T)),
          panel_(plan.words * wide * register_bytes),
          kept_(plan.words * sizeof(int64_t)),
          place_(plan.words * sizeof(int64_t)) {}

    void run(int64_t begin, int64_t end) {
        const int64_t vectors = ceiling(end - begin, lanes<T>), blocks = ceiling(vectors, plan_.vectors);
        for (int64_t b = 0; b < blocks; ++b) {
            const int64_t next = begin + vectors * (b + 1) / blocks * lanes<T>;
            first_ = begin + vectors * b / blocks * lanes<T>;
            count_ = (next < end ? next : end) - first_;
            vectors_ = ceiling(count_, lanes<T>);
            make_block();
        }
    }

   private:
    // An odd number of cache lines: a column of the gradient must not fall into few sets of the cache.
    static int64_t stride_of(int64_t rows) { return ceiling(rows * sizeof(T), 128) * 128 / sizeof(T) + 64 / sizeof(T); }

    template <class Each>
    static void panels(int64_t vectors, Each&& each) {
        for (int64_t v = 0; v < vectors; v += wide) each(v, static_cast<int>(vectors - v < wide ? vectors - v : wide));
    }

    void make_block() {
        const T* features = static_cast<const T*>(c_.features) + first_ * c_.size;
        panels(vectors_, [&](int64_t first, int across) { pack(columns_, features, 1, c_.size, c_.size, count_, first, across); });
        T *peaks = team_.peaks.template as<T>(member_ * team_.rows), *sums = team_.sums.template as<T>(member_ * team_.rows);
        for (int64_t r = 0; r < vectors_ * lanes<T>; ++r) peaks[r] = lowest<T>, sums[r] = 0;
        for (int64_t i = 0; i < tiles_; ++i) make_logits(i, peaks, sums);
        team_.barrier.wait();
        normalise();
        if (plan_.gradients) {
            panels(size_vectors_, [&](int64_t first, int across) { pack(rows_, features, c_.size, 1, count_, c_.size, first, across); });
            if (c_.grad_features) std::memset(own_grads(), 0, team_.features * sizeof(T));
            for (int64_t i = 0; i < tiles_; ++i) make_gradients(i);
        }
        team_.barrier.wait();
        if (c_.grad_features) gather();
    }

    // Vectors first … first + across of a matrix (depth, columns) become a panel, after those before it.
    static void pack(const Scratch& to, const T* from, int64_t row, int64_t column, int64_t depth, int64_t columns,
                     int64_t first, int across) {
        for (int v = 0; v < across; ++v) {
            const int64_t at = (first + v) * lanes<T>, left = columns - at;
            pack_vector(to.as<T>(first * lanes<T> * depth), across, v, from + at * column, row, column, depth,
                        left < lanes<T> ? static_cast<int>(left) : lanes<T>);
        }
    }

    int64_t word(int64_t i) const {
        const int64_t at = (member_ + i * members_) * plan_.words;
        return at < c_.vocabulary ? at : c_.vocabulary;
    }
    int64_t words(int64_t i) const {
        const int64_t left = c_.vocabulary - word(i);
        return left < plan_.words ? left : plan_.words;
    }
    T* logits(int64_t i) const { return logits_.as<T>(plan_.gradients ? i * plan_.words * team_.rows : 0); }
    T* tile_peaks(int64_t i) const { return tile_peaks_.as<T>(i * team_.rows); }
    T* own_grads() const { return team_.grads.template as<T>(member_ * team_.features); }

    // each(row of the block, word of the tile) for the targets within tile i.
    template <class Each>
    void targets(int64_t i, Each&& each) const {
        const uint64_t first = word(i), count = words(i);
        for (int64_t row = 0; row < count_; ++row)
            if (const uint64_t at = c_.targets[first_ + row] - first; at < count) each(row, static_cast<int64_t>(at));
    }

    void make_logits(int64_t i, T* peaks, T* sums) {
        const int64_t first = word(i), count = words(i), stride = team_.rows;
        T *z = logits(i), *tops = tile_peaks(i);
        panels(vectors_, [&](int64_t begin, int across) {
            Vector<T> top[wide];
            for (Vector<T>& t : top) t = splat(lowest<T>);
            T* to = z + begin * lanes<T>;
            sweep<false>(weight_ + first * c_.size, c_.size, count, columns_.as<T>(begin * lanes<T> * c_.size), across, c_.size,
                         [&](int64_t row, int rows, const T* tile) {
                             for (int r = 0; r < rows; ++r)
                                 for (int v = 0; v < across; ++v, tile += lanes<T>) {
                                     const Vector<T> logit = load(tile) + (bias_ ? bias_[first + row + r] : T(0));
                                     store(to + (row + r) * stride + v * lanes<T>, logit);
                                     top[v] = maximum<T>(logit, top[v]);
                                 }
                         });
            for (int v = 0; v < across; ++v) store(tops + (begin + v) * lanes<T>, top[v]);
        });
        targets(i, [&](int64_t row, int64_t at) { log_probs_[first_ + row] = z[at * stride + row]; });
        panels(vectors_, [&](int64_t begin, int across) {
            for (int v = 0; v < across; ++v) {
                const int64_t at = (begin + v) * lanes<T>;
                const Vector<T> top = load(tops + at), before = load(peaks + at), peak = maximum<T>(top, before);
                Vector<T> total{};
                for (int64_t w = 0; w < count; ++w) {
                    const Vector<T> e = exp<T>(load(z + w * stride + at) - top);
                    store(z + w * stride + at, e);
                    total += e;
                }
                store(sums + at, load(sums + at) * exp<T>(before - peak) + total * exp<T>(top - peak));
                store(peaks + at, peak);
            }
        });
    }

    // The rows' log Σ exp z, from all members' parts: each member makes it for itself, the first writes it down.
    void normalise() {
        for (int64_t v = 0; v < vectors_; ++v) {
            const auto part = [&](const Scratch& of, int member) {
                return load(of.as<T>(member * team_.rows + v * lanes<T>));
            };
            Vector<T> peak = part(team_.peaks, 0), total{};
            for (int m = 1; m < members_; ++m) peak = maximum<T>(part(team_.peaks, m), peak);
            for (int m = 0; m < members_; ++m) total += part(team_.sums, m) * exp<T>(part(team_.peaks, m) - peak);
            for (int lane = 0; lane < lanes<T>; ++lane) {
                const int64_t row = v * lanes<T> + lane;
                if (member_ == 0 && row < count_) {
                    const T log_sum = peak[lane] + log<T>(total[lane]);
                    log_sums_[first_ + row] = log_sum;
                    log_probs_[first_ + row] -= log_sum;
                }
                if (row >= count_) total[lane] = 0;
            }
            // From here on what a tile's exponentials are to be multiplied with: rows beyond the last count for nothing.
            for (int64_t i = 0; i < tiles_ && plan_.gradients; ++i) {
                T* at = tile_peaks(i) + v * lanes<T>;
                store(at, total > T(0) ? exp<T>(load(at) - peak) / total : total);
            }
        }
    }

    void make_gradients(int64_t i) {
        const int64_t first = word(i), stride = stride_of(team_.rows);
        T* gradient = gradient_.as<T>();
        int64_t* kept = kept_.as<int64_t>();
        const int64_t count = make_gradient(i, gradient, stride, kept);
        if (count == 0) return;
        if (grad_bias_)
            for (int64_t k = 0; k < count; ++k) {
                Vector<T> total{};
                for (int64_t v = 0; v < vectors_; ++v) total += load(gradient + k * stride + v * lanes<T>);
                grad_bias_[first + kept[k]] += sum<T>(total);
            }
        panels(size_vectors_, [&](int64_t begin, int across) {
            const int64_t column = begin * lanes<T>;
            const auto add_tile = [&](const T* tile, T* to) {
                for (int v = 0; v < across; ++v) {
                    const int64_t left = c_.size - column - v * lanes<T>;
                    add(to + v * lanes<T>, load(tile + v * lanes<T>), left < lanes<T> ? static_cast<int>(left) : lanes<T>);
                }
            };
            if (grad_weight_)
                sweep<false>(gradient, stride, count, rows_.as<T>(column * count_), across, count_,
                             [&](int64_t row, int rows, const T* tile) {
                                 for (int r = 0; r < rows; ++r, tile += across * lanes<T>)
                                     add_tile(tile, grad_weight_ + (first + kept[row + r]) * c_.size + column);
                             });
            if (c_.grad_features) {
                T* panel = panel_.as<T>();
                for (int64_t k = 0; k < count; ++k)
                    for (int v = 0; v < across; ++v) {
                        const int64_t left = c_.size - column - v * lanes<T>;
                        store(panel + (k * across + v) * lanes<T>,
                              load(weight_ + (first + kept[k]) * c_.size + column + v * lanes<T>,
                                   left < lanes<T> ? static_cast<int>(left) : lanes<T>));
                    }
                sweep<true>(gradient, stride, count_, panel, across, count, [&](int64_t row, int rows, const T* tile) {
                    for (int r = 0; r < rows; ++r, tile += across * lanes<T>)
                        for (int v = 0; v < across; ++v) {
                            T* to = own_grads() + (row + r) * size_vectors_ * lanes<T> + column + v * lanes<T>;
                            store(to, load(to) + load(tile + v * lanes<T>));
                        }
                });
            }
        });
    }

    // ∂/∂z of tile i, (words kept, rows): probabilities, less target_weight at each row's target. Answers how many
    // words are kept: all, unless there is a floor.
    int64_t make_gradient(int64_t i, T* gradient, int64_t stride, int64_t* kept) {
        const int64_t count = words(i);
        const T *e = logits(i), *factors = tile_peaks(i), floor = static_cast<T>(c_.floor);
        int64_t *place = place_.as<int64_t>(), next = 0;
        for (int64_t w = 0; w < count; ++w) place[w] = floor > 0 ? -1 : 0;
        if (floor > 0) targets(i, [&](int64_t, int64_t at) { place[at] = 0; });
        for (int64_t w = 0; w < count; ++w) {
            Bits<T> any{};
            for (int64_t v = 0; v < vectors_; ++v) {
                Vector<T> p = load(e + w * team_.rows + v * lanes<T>) * load(factors + v * lanes<T>);
                if (floor > 0) {
                    const Bits<T> under = p < floor;
                    p = under ? Vector<T>{} : p;
                    any |= ~under;
                }
                store(gradient + next * stride + v * lanes<T>, p);
            }
            for (int lane = 0; place[w] < 0 && lane < lanes<T>; ++lane)
                if (any[lane]) place[w] = 0;
            if (place[w] < 0) continue;
            kept[next] = w;
            place[w] = next++;
        }
        targets(i, [&](int64_t row, int64_t at) { gradient[place[at] * stride + row] -= static_cast<T>(c_.target_weight); });
        return next;
    }

    // The block's share of ∂/∂features, from all members' parts.
    void gather() const {
        const Share mine = share(count_, member_, members_);
        for (int64_t row = mine.begin; row < mine.end; ++row) {
            T* to = static_cast<T*>(c_.grad_features) + (first_ + row) * c_.size;
            for (int64_t at = 0; at < c_.size; at += lanes<T>) {
                Vector<T> total{};
                for (int m = 0; m < members_; ++m)
                    total += load(team_.grads.template as<T>(m * team_.features + row * size_vectors_ * lanes<T> + at));
                store(to + at, total, c_.size - at < lanes<T> ? static_cast<int>(c_.size - at) : lanes<T>);
            }
        }
    }

    const CrossEntropy& c_;
    const Plan<T>& plan_;
    Team<T>& team_;
    const int member_, members_;
    const T *weight_, *bias_;
    T *log_sums_, *log_probs_, *grad_weight_, *grad_bias_;
    const int64_t size_vectors_, tiles_;
    Scratch columns_;     // the block's features as panels, (size, rows)
    Scratch rows_;        // and (rows, size)
    Scratch logits_;      // (tiles, words, rows): exp(z − the tile's peak)
    Scratch tile_peaks_;  // (tiles, rows)
    Scratch gradient_;    // (words kept, rows)
    Scratch panel_;       // a panel of the kept words' weights
    Scratch kept_;        // which words these are
    Scratch place_;       // and where each word is among them
    int64_t first_ = 0, count_ = 0, vectors_ = 0;
};

template <class T>
void run(const CrossEntropy& c) {
    const int wanted = c.rows * c.size * c.vocabulary < 200000 ? 1 : static_cast<int>(c.threads);
    const Plan<T> plan(c, wanted);
    T *grad_weight = static_cast<T*>(c.grad_weight), *grad_bias = static_cast<T*>(c.grad_bias);
    if (!plan.by_rows) {
        Team<T> team(c, plan, wanted), alone(c, plan, 1);
        return together(wanted, [&](int thread, int threads, Barrier&) {
            Worker<T>(c, plan, threads == wanted ? team : alone, thread, threads, grad_weight, grad_bias).run(0, c.rows);
        });
    }
    // Each thread its own sums, added up in the end.
    const int64_t numbers = (grad_weight ? c.vocabulary * c.size : 0) + (grad_bias ? c.vocabulary : 0);
    Scratch sums(wanted * numbers * sizeof(T));
    together(wanted, [&](int thread, int threads, Barrier& barrier) {
        T* own = sums.as<T>(thread * numbers);
        std::memset(own, 0, numbers * sizeof(T));
        Team<T> alone(c, plan, 1);
        const Share rows = share(c.rows, thread, threads, lanes<T>);
        Worker<T>(c, plan, alone, 0, 1, grad_weight ? own : nullptr, grad_bias ? own + numbers - c.vocabulary : nullptr)
            .run(rows.begin, rows.end);
        barrier.wait();
        const Share mine = share(numbers, thread, threads, lanes<T>);
        for (int64_t at = mine.begin; at < mine.end; ++at) {
            T* to = grad_weight && at < c.vocabulary * c.size ? grad_weight + at : grad_bias + (at - (numbers - c.vocabulary));
            for (int t = 0; t < threads; ++t) *to += sums.as<T>(t * numbers)[at];
        }
    });
}

}  // namespace

void cross_entropy(const CrossEntropy& c) { c.bytes == 8 ? run<double>(c) : run<float>(c); }

}  // namespace unrolled::UNROLLED_ISA

UNROLLED_KERNEL(cross_entropy, CrossEntropy);
