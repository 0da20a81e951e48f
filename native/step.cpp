// One step of a model that writes, as a list of instructions that all threads follow: embedding, cells, attention, readout,
// projection, the likeliest words; or several steps, each fed the words that were drawn in the one before. With few rows of
// states the time is that of reading the weights: they are read as they are, a row an output, and may be float32, bfloat16,
// or int8 with a scale a row. With many it is that of multiplying, which is faster with a float32 weight that was packed.
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

// Weights of any format as float32.
UNROLLED_INLINE Vector<float> widen(const float* from) { return load(from); }
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
template <class W>
UNROLLED_INLINE Vector<float> widen(const W* from, int count) {
    W part[lanes<float>]{};
    std::memcpy(part, from, count * sizeof(W));
    return widen(part);
}

constexpr int tile_height = registers == 32 ? 4 : 2, tile_width = registers == 32 ? 6 : 4;

// to[i · stride + j] = Σ_k a(i, k) w(j, k)
template <class W, int rows, int columns>
void tile(const float* a, int64_t a_stride, const W* w, int64_t w_stride, int64_t depth, float* to, int64_t stride) {
    Vector<float> total[rows][columns]{};
    int64_t k = 0;
    for (; k + lanes<float> <= depth; k += lanes<float>) {
        Vector<float> left[rows];
        for (int i = 0; i < rows; ++i) left[i] = load(a + i * a_stride + k);
        for (int j = 0; j < columns; ++j) {
            const Vector<float> right = widen(w + j * w_stride + k);
            for (int i = 0; i < rows; ++i) total[i][j] += left[i] * right;
        }
    }
    if (k < depth) {
        const int count = static_cast<int>(depth - k);
        for (int j = 0; j < columns; ++j) {
            const Vector<float> right = widen(w + j * w_stride + k, count);
            for (int i = 0; i < rows; ++i) total[i][j] += load(a + i * a_stride + k, count) * right;
        }
    }
    for (int i = 0; i < rows; ++i)
        if constexpr (columns % lanes<float> == 0)
            for (int j = 0; j < columns; j += lanes<float>) store(to + i * stride + j, sums<float>(total[i] + j));
        else
            for (int j = 0; j < columns; ++j) to[i * stride + j] = sum<float>(total[i][j]);
}

// The same for any number of columns and up to tile_height rows.
template <class W, int rows>
void strip(const float* a, int64_t a_stride, const W* w, int64_t w_stride, int64_t depth, int64_t columns, float* to,
           int64_t stride) {
    // One row leaves registers for as many columns as there are lanes, whose sums are then made together.
    constexpr int width = rows == 1 ? lanes<float> : tile_width;
    int64_t j = 0;
    for (; j + width <= columns; j += width)
        tile<W, rows, width>(a, a_stride, w + j * w_stride, w_stride, depth, to + j, stride);
    for (; j < columns; ++j) tile<W, rows, 1>(a, a_stride, w + j * w_stride, w_stride, depth, to + j, stride);
}
template <class W>
void strip(int rows, const float* a, int64_t a_stride, const W* w, int64_t w_stride, int64_t depth, int64_t columns,
           float* to, int64_t stride) {
    switch (rows) {
        case 1: return strip<W, 1>(a, a_stride, w, w_stride, depth, columns, to, stride);
        case 2: return strip<W, 2>(a, a_stride, w, w_stride, depth, columns, to, stride);
        case 3: return strip<W, tile_height < 3 ? 1 : 3>(a, a_stride, w, w_stride, depth, columns, to, stride);
        default: return strip<W, tile_height>(a, a_stride, w, w_stride, depth, columns, to, stride);
    }
}

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

constexpr int64_t grain = lanes<float> * tile_width / 2;  // columns: whole tiles, of one row or of several
constexpr int64_t chunk = 2 * grain > 16 * tile_width ? 2 * grain : 16 * tile_width;  // made before they are looked at

class Run {
   public:
    Run(const Step& step, int threads)
        : s(step), tokens_(s.tokens), values_(threads * s.rows * s.k * 4), ids_(threads * s.rows * s.k * 8),
          best_(threads * s.rows * static_cast<int64_t>(sizeof(Best))),
          logits_(s.steps ? s.rows * s.instructions[s.count - 1].columns * 4 : 0) {}

    void follow(int thread, int threads, Barrier& barrier) {
        if (s.steps == 0) return once(thread, threads, barrier);
        for (int64_t t = 0; t < s.steps; ++t) {
            once(thread, threads, barrier);
            for (int64_t r = 0; r < s.rows; ++r)
                if (s.ids[t * s.rows + r] < 0) return;
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

    // finish(row, column, values, width) for stretches of every row of a Wᵀ, before scale and bias. Where many rows meet a
    // weight of fewer bits, it is widened once for all of them.
    template <class W, class Finish>
    void strips_as(const Instruction& in, Share columns, float* room, Finish&& finish) const {
        float made[tile_height * chunk];
        const bool apart = sizeof(W) < sizeof(float) && s.rows > tile_height;
        for (int64_t j = columns.begin; j < columns.end; j += chunk) {
            const int64_t width = std::min(chunk, columns.end - j);
            const W* weight = static_cast<const W*>(in.weight) + j * in.stride;
            if (apart)
                for (int64_t c = 0; c < width; ++c)
                    for (int64_t k = 0; k < in.depth; k += lanes<float>) {
                        const int count = unrolled::UNROLLED_ISA::width<float>(in.depth, k);
                        const W* from = weight + c * in.stride + k;
                        store(room + c * in.depth + k, count == lanes<float> ? widen(from) : widen(from, count), count);
                    }
            for (int64_t r = 0; r < s.rows; r += tile_height) {
                const int height = static_cast<int>(std::min<int64_t>(tile_height, s.rows - r));
                const int64_t stride = s.strides[in.a];
                if (apart)
                    strip<float>(height, row(in.a, r), stride, room, in.depth, in.depth, width, made, chunk);
                else
                    strip<W>(height, row(in.a, r), stride, weight, in.stride, in.depth, width, made, chunk);
                for (int i = 0; i < height; ++i) finish(r + i, j, made + i * chunk, width);
            }
        }
    }
    template <class Finish>
    void multiply(const Instruction& in, int thread, int threads, Finish&& finish) const {
        if (in.packed && s.rows > tile_height) return panels(in, thread, threads, finish);
        const Share columns = share(in.columns, thread, threads, grain);
        Scratch room(in.format == 0 || s.rows <= tile_height ? 0 : chunk * in.depth * 4);
        switch (in.format) {
            case 0: return strips_as<float>(in, columns, room.as<float>(), finish);
            case 1: return strips_as<uint16_t>(in, columns, room.as<float>(), finish);
            default: return strips_as<int8_t>(in, columns, room.as<float>(), finish);
        }
    }
    // The same from a packed weight.
    template <class Finish>
    void panels(const Instruction& in, int thread, int threads, Finish&& finish) const {
        alignas(64) float made[tile_size];
        const int64_t vectors = padded<float>(in.columns) / lanes<float>;
        const Share mine = share((vectors + most_vectors - 1) / most_vectors, thread, threads);
        for (int64_t p = mine.begin; p < mine.end; ++p) {
            const int across = static_cast<int>(std::min<int64_t>(most_vectors, vectors - p * most_vectors));
            const int64_t column = p * most_vectors * lanes<float>, width = across * lanes<float>;
            const int64_t blocks = (s.rows + tile_rows(across) - 1) / tile_rows(across);
            for (int64_t b = 0; b < blocks; ++b) {
                const int64_t r = s.rows * b / blocks, next = s.rows * (b + 1) / blocks;
                tile_product_for<float>(static_cast<int>(next - r), across)(row(in.a, r), s.strides[in.a],
                                                                            in.packed + column * in.depth, in.depth, made);
                for (int64_t i = 0; i < next - r; ++i)
                    finish(r + i, column, made + i * width, std::min(width, in.columns - column));
            }
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
            if (in.nonlinearity == 2) value = maximum<float>(value, Vector<float>{});
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
        float highest = best.highest;
        for (int64_t j = 0; j < width; ++j) {
            if (in.scale) logits[j] *= in.scale[column + j];
            if (in.bias) logits[j] += in.bias[column + j];
        }
        for (int64_t j = 0; j < width; ++j) highest = logits[j] > highest ? logits[j] : highest;
        if (highest > best.highest) {
            best.total *= std::exp(best.highest - highest);
            best.highest = highest;
        }
        Vector<float> total{};
        for (int64_t j = 0; j < width; j += lanes<float>) {
            const int count = unrolled::UNROLLED_ISA::width<float>(width, j);
            const Vector<float> e = exp<float>(load(logits + j, count) - highest);
            if (count == lanes<float>)
                total += e;
            else
                for (int i = 0; i < count; ++i) total[i] += e[i];
        }
        best.total += sum<float>(total);
        for (int64_t j = 0; j < width; ++j) best.put(logits[j], column + j, s.k);
    }
    void project(const Instruction& in, int thread, int threads) {
        if (s.steps)
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

    // What the threads found, as one.
    void choose(const Instruction& in, int thread, int threads) {
        const Share mine = share(s.rows, thread, threads);
        if (s.steps) {
            Scratch room(draw_room(in.columns));
            for (int64_t r = mine.begin; r < mine.end; ++r) {
                const int64_t at = step_ * s.rows + r;
                const Drawn drawn = draw(s.drawing, step_, s.uniform[at], logits(in, r), in.columns, room.as<double>());
                s.ids[at] = drawn.id;
                s.log_probs[at] = drawn.log_prob;
            }
            return;
        }
        for (int64_t r = mine.begin; r < mine.end; ++r) {
            float highest = best(0, r).highest, total = 0;
            for (int t = 1; t < threads; ++t) highest = std::max(highest, best(t, r).highest);
            for (int t = 0; t < threads; ++t) {
                const Best& each = best(t, r);
                if (each.total != 0) total += each.total * std::exp(each.highest - highest);
            }
            const float normalizer = highest + std::log(total);
            Best all{0, 0, 0, s.log_probs + r * s.k, s.ids + r * s.k};
            for (int t = 0; t < threads; ++t)  // a thread's ids lie below the next one's
                for (int64_t i = 0; i < best(t, r).count; ++i) all.put(best(t, r).values[i], best(t, r).ids[i], s.k);
            for (int64_t i = 0; i < s.k; ++i) all.values[i] -= normalizer;
        }
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

// Weight (columns, depth) to panels of most_vectors vectors, one after another.
void step_pack(const Instruction& in) {
    const float* weight = static_cast<const float*>(in.weight);
    for (int64_t column = 0; column < in.columns; column += lanes<float>) {
        const int64_t panel = column / (most_vectors * lanes<float>) * (most_vectors * lanes<float>);
        const int64_t width = std::min<int64_t>(most_vectors * lanes<float>, padded<float>(in.columns) - panel);
        pack_vector(in.packed + panel * in.depth + (column - panel), width, weight + column * in.stride, 1, in.stride, in.depth,
                    unrolled::UNROLLED_ISA::width<float>(in.columns, column));
    }
}

}  // namespace unrolled::UNROLLED_ISA

UNROLLED_KERNEL(step, Step);
UNROLLED_KERNEL(step_pack, Instruction);
