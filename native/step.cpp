// One step of a model that writes, as a list of instructions that all threads follow: embedding, cells, attention, readout,
// projection, the likeliest words; or several steps, each fed the words that were drawn in the one before. With few rows of
// states the time is that of reading the weights: they lie in panels, in the order in which they are read, and may be
// float32, bfloat16, or int8 with a scale an output.
#include <algorithm>
#include <cmath>
#include <limits>

#include "attention.h"
#include "draw.h"
#include "matrix.h"
#include "memory.h"
#include "parallel.h"
#include "step.h"

namespace unrolled::UNROLLED_ISA {
namespace {

// The k greatest of a row so far, descending, ties to the lower id; and what its softmax needs.
struct Best {
    float highest, total;  // max, and Σ exp(x − max)
    int64_t count;
    float* values;
    int64_t* ids;

    void put(float value, int64_t id, int64_t k) {
        if (count == k && !(value > values[k - 1])) return;
        int64_t place = count < k ? count++ : k - 1;
        for (; place > 0 && value > values[place - 1]; --place) {
            values[place] = values[place - 1];
            ids[place] = ids[place - 1];
        }
        values[place] = value;
        ids[place] = id;
    }
};

constexpr int64_t panel_width = most_vectors * lanes<float>;

class Run {
   public:
    Run(const Step& step, int threads)
        : s(step), tokens_(s.tokens), values_(threads * s.rows * s.k * 4), ids_(threads * s.rows * s.k * 8),
          best_(threads * s.rows * static_cast<int64_t>(sizeof(Best))),
          logits_(from_all() ? s.rows * s.instructions[s.count - 1].columns * 4 : 0) {}

    void follow(int thread, int threads, Barrier& barrier) {
        if (s.steps == 0) return once(thread, threads, barrier);
        for (int64_t t = 0; t < s.steps; ++t) {
            once(thread, threads, barrier);
            if (thread == 0) *s.steps_made = t + 1;
            if (over(t)) return;
            if (thread == 0) tokens_ = s.ids + t * s.rows, step_ = t + 1;
            const Share mine = share(s.rows, thread, threads);
            for (int64_t i = 0; i < s.state; ++i)
                for (int64_t r = mine.begin; r < mine.end; ++r)
                    std::memcpy(row(i, r), row(s.state + i, r), s.strides[i] * sizeof(float));
            barrier.wait();
        }
    }

   private:
    void once(int thread, int threads, Barrier& barrier) {
        Scratch weights(s.source * 4 + 64);
        for (int64_t i = 0; i < s.count; ++i) {
            const Instruction& in = s.instructions[i];
            switch (in.kind) {
                case embed: look_up(in, thread, threads); break;
                case product: multiply(in, thread, threads); break;
                case attend: look(in, thread, threads, weights.as<float>()); break;
                case top:
                    project(in, thread, threads);
                    barrier.wait();
                    choose(in, thread, threads);
                    break;
                default: advance(in, thread, threads);
            }
            barrier.wait();
        }
    }

    bool from_all() const { return s.steps && s.k == 0; }

    // Whether no step follows on step t.
    bool over(int64_t t) const {
        int64_t going = 0;
        for (int64_t r = 0; r < s.rows; ++r) {
            if (s.ids[t * s.rows + r] < 0) return true;
            bool ended = false;
            for (int64_t i = 0; i <= t; ++i) ended |= s.ids[i * s.rows + r] == s.end;
            going += !ended;
        }
        return going == 0;
    }

    float* row(int64_t buffer, int64_t r) const { return s.buffers[buffer] + r * s.strides[buffer]; }

    void look_up(const Instruction& in, int thread, int threads) const {
        const Share mine = share(s.rows, thread, threads);
        for (int64_t r = mine.begin; r < mine.end; ++r) {
            if (tokens_[r] == s.reset)
                for (int64_t i = 0; i < s.state; ++i) std::memset(row(i, r), 0, s.strides[i] * sizeof(float));
            if (tokens_[r] == in.variant)
                std::memset(row(in.out, r), 0, in.depth * sizeof(float));
            else
                std::memcpy(row(in.out, r), static_cast<const float*>(in.weight) + tokens_[r] * in.stride,
                            in.depth * sizeof(float));
        }
    }

    // finish(row, column, values, width) for stretches of every row of a Wᵀ, before scale and bias.
    template <class W, class Finish>
    void panels(const Instruction& in, int thread, int threads, Finish&& finish) const {
        alignas(64) float made[tile_size];
        const int64_t vectors = padded<float>(in.columns) / lanes<float>;
        const Share mine = share((vectors + most_vectors - 1) / most_vectors, thread, threads);
        int64_t p = mine.begin;
        if (s.rows == 1)
            for (; p + row_panels <= mine.end && (p + row_panels) * panel_width <= in.columns; p += row_panels) {
                const int64_t column = p * panel_width;
                row_product(row(in.a, 0), static_cast<const W*>(in.weight) + column * in.depth, in.depth, made);
                finish(0, column, made, row_panels * panel_width);
            }
        for (; p < mine.end; ++p) {
            const int across = static_cast<int>(std::min<int64_t>(most_vectors, vectors - p * most_vectors));
            const int64_t column = p * panel_width, width = across * lanes<float>;
            const W* panel = static_cast<const W*>(in.weight) + column * in.depth;
            const int64_t blocks = (s.rows + tile_rows(across) - 1) / tile_rows(across);
            for (int64_t b = 0; b < blocks; ++b) {
                const int64_t r = s.rows * b / blocks, next = s.rows * (b + 1) / blocks;
                const auto product = tile_product_for<float, false, W>(static_cast<int>(next - r), across);
                product(row(in.a, r), s.strides[in.a], panel, in.depth, made);
                for (int64_t i = 0; i < next - r; ++i)
                    finish(r + i, column, made + i * width, std::min(width, in.columns - column));
            }
        }
    }
    template <class Finish>
    void multiply(const Instruction& in, int thread, int threads, Finish&& finish) const {
        switch (in.format) {
            case 0: return panels<float>(in, thread, threads, finish);
            case 1: return panels<uint16_t>(in, thread, threads, finish);
            default: return panels<int8_t>(in, thread, threads, finish);
        }
    }
    static void finish(const Instruction& in, float* out, int64_t column, const float* made, int64_t width) {
        for (int64_t j = 0; j < width; j += lanes<float>) {
            const int count = unrolled::UNROLLED_ISA::width<float>(width, j);
            Vector<float> value = load(made + j, count);
            if (in.scale) value *= load(in.scale + column + j, count);
            if (in.bias) value += load(in.bias + column + j, count);
            if (in.accumulate) value += load(out + column + j, count);
            if (in.nonlinearity == 1) value = tanh<float>(value);
            if (in.nonlinearity == 2) value = value < 0.0f ? Vector<float>{} : value;
            store(out + column + j, value, count);
        }
    }
    void multiply(const Instruction& in, int thread, int threads) const {
        multiply(in, thread, threads, [&](int64_t r, int64_t column, const float* made, int64_t width) {
            finish(in, row(in.out, r), column, made, width);
        });
    }

    // Cells, given the products: elementwise.
    void advance(const Instruction& in, int thread, int threads) const {
        const int64_t H = in.columns, vectors = padded<float>(H) / lanes<float>;
        const Share mine = share(s.rows * vectors, thread, threads);
        const float* peephole = static_cast<const float*>(in.weight);
        for (int64_t i = mine.begin; i < mine.end; ++i) {
            const int64_t r = i / vectors, unit = i % vectors * lanes<float>;
            const int n = width<float>(H, unit);
            float *z = row(in.a, r) + unit, *out = row(in.out, r) + unit;
            const Vector<float> state = load(row(in.b, r) + unit, n);
            if (in.kind == gru_open) {
                store(z + H, sigmoid<float>(load(z + H, n)), n);
                store(out, sigmoid<float>(load(z, n)) * state, n);
            } else if (in.kind == gru_close) {  // variants: 0 reset before the matrix, 1 after it, 2 none
                const float* last = z + (in.variant == 2 ? 1 : 2) * H;
                Vector<float> update = load(last - H, n), candidate = load(last, n);
                if (in.variant != 0) update = sigmoid<float>(update);
                if (in.variant == 1) candidate += sigmoid<float>(load(z, n)) * load(row(in.c, r) + unit, n);
                store(out, state + update * (tanh<float>(candidate) - state), n);
            } else {  // LSTM, state is c; variants: peepholes 0 none, 1 current, 2 previous, and 3 more for a = Γo ∗ c
                const int64_t peepholes = in.variant % 3;
                Vector<float> g[4];
                for (int gate = 0; gate < 4; ++gate) g[gate] = load(z + gate * H, n);
                if (peepholes) g[0] += load(peephole + unit, n) * state, g[1] += load(peephole + H + unit, n) * state;
                const Vector<float> cell = sigmoid<float>(g[0]) * tanh<float>(g[2]) + sigmoid<float>(g[1]) * state;
                if (peepholes) g[3] += load(peephole + 2 * H + unit, n) * (peepholes == 1 ? cell : state);
                store(row(in.more, r) + unit, cell, n);
                store(out, sigmoid<float>(g[3]) * (in.variant < 3 ? tanh<float>(cell) : cell), n);
            }
        }
    }

    void look(const Instruction& in, int thread, int threads, float* weights) const {
        for (int64_t r = thread; r < s.rows; r += threads) {
            const int64_t sentence = s.sentence[r], positions = s.lengths[sentence];
            energies<float>(row(in.a, r), static_cast<const float*>(in.weight), s.keys + sentence * s.source * s.size, s.size,
                            s.size, positions, weights);
            softmax<float>(weights, positions);
            weighted_sum<float>(weights, s.values + sentence * s.source * s.features, s.features, s.features, positions,
                                row(in.out, r));
        }
    }

    Best& best(int thread, int64_t r) const { return best_.as<Best>()[thread * s.rows + r]; }

    void note(const Instruction& in, Best& best, int64_t column, float* logits, int64_t width) const {
        for (int64_t j = 0; j < width; ++j) {
            if (in.scale) logits[j] *= in.scale[column + j];
            if (in.bias) logits[j] += in.bias[column + j];
        }
        float highest = logits[0];
        for (int64_t j = 1; j < width; ++j) highest = logits[j] > highest ? logits[j] : highest;
        if (highest > best.highest) {
            best.total *= std::exp(best.highest - highest);
            best.highest = highest;
        }
        const float base = std::isinf(best.highest) ? 0 : best.highest;  // no word so far that could be
        Vector<float> total{};
        for (int64_t j = 0; j < width; j += lanes<float>) {
            const int count = unrolled::UNROLLED_ISA::width<float>(width, j);
            const Vector<float> e = exp<float>(load(logits + j, count) - base);
            if (count == lanes<float>)
                total += e;
            else
                for (int i = 0; i < count; ++i) total[i] += e[i];
        }
        best.total += sum<float>(total);
        if (best.count == s.k && !(highest > best.values[s.k - 1])) return;
        for (int64_t j = 0; j < width; ++j) best.put(logits[j], column + j, s.k);
    }
    void project(const Instruction& in, int thread, int threads) {
        if (from_all())
            return multiply(in, thread, threads, [&](int64_t r, int64_t column, const float* made, int64_t width) {
                finish(in, logits(in, r), column, made, width);
            });
        for (int64_t r = 0; r < s.rows; ++r) {
            const int64_t at = (thread * s.rows + r) * s.k;
            best(thread, r) = {-std::numeric_limits<float>::infinity(), 0, 0, values_.as<float>(at), ids_.as<int64_t>(at)};
        }
        multiply(in, thread, threads, [&](int64_t r, int64_t column, float* logits, int64_t width) {
            note(in, best(thread, r), column, logits, width);
        });
    }

    void choose(const Instruction& in, int thread, int threads) const {
        const Share mine = share(s.rows, thread, threads);
        Scratch room(from_all() ? draw_room(in.columns) : s.k * 12);
        for (int64_t r = mine.begin; r < mine.end; ++r) {
            if (s.steps == 0) {
                gather(r, threads, s.log_probs + r * s.k, s.ids + r * s.k);
                continue;
            }
            const int64_t at = step_ * s.rows + r;
            const Drawn drawn =
                from_all() ? draw(s.drawing, step_, s.uniform[at], logits(in, r), in.columns, room.as<double>())
                           : likeliest(r, threads, room);
            s.ids[at] = drawn.id;
            s.log_probs[at] = drawn.log_prob;
        }
    }
    // What the threads found for a row, as one.
    void gather(int64_t r, int threads, float* log_probs, int64_t* ids) const {
        float highest = best(0, r).highest, total = 0;
        for (int t = 1; t < threads; ++t) highest = std::max(highest, best(t, r).highest);
        for (int t = 0; t < threads; ++t) {
            const Best& each = best(t, r);
            if (each.total != 0) total += each.total * std::exp(each.highest - highest);
        }
        const float normalizer = highest + std::log(total);
        Best all{0, 0, 0, log_probs, ids};
        for (int t = 0; t < threads; ++t)  // a thread's ids lie below the next one's
            for (int64_t i = 0; i < best(t, r).count; ++i) all.put(best(t, r).values[i], best(t, r).ids[i], s.k);
        for (int64_t i = 0; i < s.k; ++i) all.values[i] -= normalizer;
    }
    Drawn likeliest(int64_t r, int threads, Scratch& room) const {
        int64_t* ids = room.as<int64_t>();
        float* log_probs = room.as<float>(2 * s.k);
        gather(r, threads, log_probs, ids);
        for (int64_t i = 0; i < s.k; ++i) {
            if (std::isnan(log_probs[i])) return {-1, log_probs[i]};
            if (!barred(s.drawing, step_, ids[i])) return {std::isinf(log_probs[i]) ? -1 : ids[i], log_probs[i]};
        }
        return {-1, -std::numeric_limits<float>::infinity()};
    }

    float* logits(const Instruction& in, int64_t r) const { return logits_.as<float>(r * in.columns); }

    const Step& s;
    const int64_t* tokens_;  // fed to this step
    int64_t step_ = 0;
    Scratch values_, ids_, best_, logits_;
};

}  // namespace

void step(const Step& s) {
    Run run(s, static_cast<int>(s.threads));
    together(static_cast<int>(s.threads),
             [&](int thread, int threads, Barrier& barrier) { run.follow(thread, threads, barrier); });
}

template <class W>
void pack(const StepPanels& p) {
    pack_panels<W, lanes<float>>(static_cast<W*>(p.to), 0, padded<float>(p.columns) / lanes<float>,
                                 static_cast<const W*>(p.weight), 1, p.stride, p.depth, p.columns);
}

void step_pack(const StepPanels& p) {
    switch (p.format) {
        case 0: return pack<float>(p);
        case 1: return pack<uint16_t>(p);
        default: return pack<int8_t>(p);
    }
}

}  // namespace unrolled::UNROLLED_ISA

UNROLLED_KERNEL(step, Step);
UNROLLED_KERNEL(step_pack, StepPanels);
