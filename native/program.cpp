// A cell that no kernel was written for: its step as a list of operations on rows of numbers, run through time. A thread owns
// rows for the whole loop; no thread waits for another.
#include "program.h"

#include <cmath>
#include <memory>
#include <vector>

#include "attention.h"
#include "panels.h"

namespace unrolled::UNROLLED_ISA {
namespace {

template <class T>
class Interpreter {
   public:
    explicit Interpreter(const Program& program) : p(program), panels_(program.count) {
        for (int64_t i = 0; i < p.count; ++i) {
            const Operation& o = p.operations[i];
            if (o.kind != multiply_matrix || (p.backward && !p.gradients[o.a].data)) continue;
            const T* matrix = static_cast<const T*>(o.matrix);
            panels_[i] = p.backward
                             ? std::make_unique<Panels<T>>(matrix, o.matrix_column, o.matrix_row, o.depth, o.width, 1)
                             : std::make_unique<Panels<T>>(matrix, o.matrix_row, o.matrix_column, o.width, o.depth, 1);
        }
    }

    // Rows fall to groups, of which a thread follows one or several: the same whatever threads there are.
    void run(int thread, int threads, Barrier& barrier, int groups) {
        for (const auto& panels : panels_)
            if (panels) panels->pack(thread, threads);
        barrier.wait();
        for (int group = thread; group < groups; group += threads) run(group, share(p.batch, group, groups));
    }

   private:
    struct Rows {
        int64_t t, begin, end;
        int group;
    };

    void run(int group, Share mine) const {
        const bool last_first = (p.reverse != 0) != (p.backward != 0);
        int64_t end = p.lengths && last_first ? mine.begin : mine.end;  // of the rows that have a step t
        for (int64_t s = 0; s < p.steps; ++s) {
            const int64_t t = last_first ? p.steps - 1 - s : s;
            if (p.lengths) {
                while (end < mine.end && p.lengths[end] > t) ++end;
                while (end > mine.begin && p.lengths[end - 1] <= t) --end;
            }
            if (end == mine.begin) continue;
            const Rows rows{t, mine.begin, end, group};
            if (p.backward)
                for (int64_t i = p.count; i-- > 0;) back(i, rows);
            else
                for (int64_t i = 0; i < p.count; ++i) follow(i, rows);
        }
    }

    static T* place(const Quantity& q, const Rows& rows, int64_t row) {
        return static_cast<T*>(q.data) + rows.t * q.time + row * q.row + rows.group * q.group;
    }
    T* value(int64_t i, const Rows& rows, int64_t row) const { return place(p.quantities[i], rows, row); }
    T* gradient(int64_t i, const Rows& rows, int64_t row) const {
        return i < 0 || !p.gradients[i].data ? nullptr : place(p.gradients[i], rows, row);
    }

    // finish(row, column, count, vector) for every vector of the product of `from`'s rows with a matrix.
    template <class Finish>
    static void product(const Panels<T>& panels, const Quantity& from, const Rows& rows, int64_t width, Finish&& finish) {
        alignas(64) T tile[tile_size];
        const int64_t all = rows.end - rows.begin;
        for (int64_t i = 0; i < panels.count(); ++i) {
            const auto panel = panels[i];
            const int64_t most = tile_rows(panel.vectors), blocks = (all + most - 1) / most;
            for (int64_t b = 0; b < blocks; ++b) {
                const int64_t row = rows.begin + all * b / blocks, next = rows.begin + all * (b + 1) / blocks;
                const int size = static_cast<int>(next - row);
                tile_product_for<T>(size, panel.vectors)(place(from, rows, row), from.row, panel.data, panels.depth(), tile);
                for (int r = 0; r < size; ++r)
                    for (int v = 0; v < panel.vectors; ++v) {
                        const int64_t column = panel.unit + v * lanes<T>;
                        finish(row + r, column, UNROLLED_ISA::width<T>(width, column),
                               load(tile + (r * panel.vectors + v) * lanes<T>));
                    }
            }
        }
    }

    // each(column, count): every vector of a row.
    template <class Each>
    UNROLLED_INLINE static void vectors(int64_t width, Each&& each) {
        int64_t column = 0;
        for (; column + lanes<T> <= width; column += lanes<T>) each(column, lanes<T>);
        if (column < width) each(column, static_cast<int>(width - column));
    }

    template <class Function>
    void map(const Operation& o, const Rows& rows, Function&& function) const {
        for (int64_t row = rows.begin; row < rows.end; ++row) {
            const T* a = value(o.a, rows, row);
            T* out = value(o.out, rows, row);
            vectors(o.width, [&](int64_t j, int count) { store(out + j, function(load(a + j, count)), count); });
        }
    }
    template <class Function>
    void map_two(const Operation& o, const Rows& rows, Function&& function) const {
        for (int64_t row = rows.begin; row < rows.end; ++row) {
            const T *a = value(o.a, rows, row), *b = value(o.b, rows, row);
            T* out = value(o.out, rows, row);
            vectors(o.width, [&](int64_t j, int count) {
                store(out + j, function(load(a + j, count), load(b + j, count)), count);
            });
        }
    }

    void follow(int64_t i, const Rows& rows) const {
        const Operation& o = p.operations[i];
        const T factor = static_cast<T>(o.factor), term = static_cast<T>(o.term);
        using V = Vector<T>;
        switch (o.kind) {
            case multiply_matrix: {
                const T* bias = static_cast<const T*>(o.bias);
                return product(*panels_[i], p.quantities[o.a], rows, o.width,
                               [&](int64_t row, int64_t column, int count, V made) {
                                   T* to = value(o.out, rows, row) + column;
                                   if (bias) made += load(bias + column, count);
                                   if (o.accumulate) made += load(to, count);
                                   store(to, made, count);
                               });
            }
            case affine: return map(o, rows, [&](V a) { return a * factor + term; });
            case sigmoid_of: return map(o, rows, [](V a) { return sigmoid<T>(a); });
            case tanh_of: return map(o, rows, [](V a) { return tanh<T>(a); });
            case relu_of: return map(o, rows, [](V a) { return a < T(0) ? V{} : a; });
            case exp_of: return map(o, rows, [](V a) { return unbounded_exp<T>(a); });
            case absolute: return map(o, rows, [](V a) { return a < T(0) ? -a : a; });
            case reciprocal: return map(o, rows, [](V a) { return T(1) / a; });
            case add_scaled: return map_two(o, rows, [&](V a, V b) { return a + b * factor; });
            case multiply_by: return map_two(o, rows, [](V a, V b) { return a * b; });
            case divide_by: return map_two(o, rows, [](V a, V b) { return a / b; });
            case greater_of: return map_two(o, rows, [](V a, V b) { return (a < b) | (b != b) ? b : a; });
            case lesser_of: return map_two(o, rows, [](V a, V b) { return (a > b) | (b != b) ? b : a; });
            case normalize: {
                for (int64_t row = rows.begin; row < rows.end; ++row) {
                    const T* a = value(o.a, rows, row);
                    T* out = value(o.out, rows, row);
                    const T mean = total(o.width, [&](int64_t j) { return a[j]; }) / o.width;
                    const T scale = spread(a, mean, o.width, term);
                    for (int64_t j = 0; j < o.width; ++j) out[j] = (a[j] - mean) * scale;
                }
                return;
            }
            case softmax_of:
                for (int64_t row = rows.begin; row < rows.end; ++row) {
                    const T* a = value(o.a, rows, row);
                    T* out = value(o.out, rows, row);
                    for (int64_t j = 0; j < o.width; ++j) out[j] = a[j];
                    softmax<T>(out, o.width);
                }
                return;
        }
    }

    template <class Term>
    static T total(int64_t width, Term&& term) {
        T sum = 0;
        for (int64_t j = 0; j < width; ++j) sum += term(j);
        return sum;
    }
    static T spread(const T* a, T mean, int64_t width, T epsilon) {
        const T variance = total(width, [&](int64_t j) { return (a[j] - mean) * (a[j] - mean); }) / width;
        return 1 / std::sqrt(variance + epsilon);
    }

    UNROLLED_INLINE static void hand(T* to, Vector<T> what, int count, bool first) {
        if (first)
            store(to, what, count);
        else
            add(to, what, count);
    }

    // a's gradient is function(a, out, gradient of out).
    template <class Function>
    void chain(const Operation& o, const Rows& rows, Function&& function) const {
        if (!gradient(o.a, rows, 0)) return;
        for (int64_t row = rows.begin; row < rows.end; ++row) {
            const T *a = value(o.a, rows, row), *y = value(o.out, rows, row), *g = gradient(o.out, rows, row);
            T* to = gradient(o.a, rows, row);
            vectors(o.width, [&](int64_t j, int count) {
                hand(to + j, function(load(a + j, count), load(y + j, count), load(g + j, count)), count, o.first_a);
            });
        }
    }
    // The same for two; what the second adds may go to where the first went.
    template <class First, class Second>
    void chain_two(const Operation& o, const Rows& rows, First&& first, Second&& second) const {
        for (int64_t row = rows.begin; row < rows.end; ++row) {
            const T *a = value(o.a, rows, row), *b = value(o.b, rows, row), *g = gradient(o.out, rows, row);
            T *into_a = gradient(o.a, rows, row), *into_b = gradient(o.b, rows, row);
            vectors(o.width, [&](int64_t j, int count) {
                const Vector<T> u = load(a + j, count), v = load(b + j, count), w = load(g + j, count);
                if (into_a) hand(into_a + j, first(u, v, w), count, o.first_a);
                if (into_b) hand(into_b + j, second(u, v, w), count, o.first_b);
            });
        }
    }

    void back(int64_t i, const Rows& rows) const {
        const Operation& o = p.operations[i];
        const T factor = static_cast<T>(o.factor), half = T(0.5);
        using V = Vector<T>;
        switch (o.kind) {
            case multiply_matrix:
                if (!panels_[i]) return;
                return product(*panels_[i], p.gradients[o.out], rows, o.depth,
                               [&](int64_t row, int64_t column, int count, V made) {
                                   hand(gradient(o.a, rows, row) + column, made, count, o.first_a);
                               });
            case affine: return chain(o, rows, [&](V, V, V g) { return g * factor; });
            case sigmoid_of: return chain(o, rows, [](V, V y, V g) { return g * y * (T(1) - y); });
            case tanh_of: return chain(o, rows, [](V, V y, V g) { return g * (T(1) - y * y); });
            case relu_of: return chain(o, rows, [](V a, V, V g) { return a > T(0) ? g : V{}; });
            case exp_of: return chain(o, rows, [](V, V y, V g) { return g * y; });
            case absolute:
                return chain(o, rows, [](V a, V, V g) { return a > T(0) ? g : a < T(0) ? -g : V{}; });
            case reciprocal: return chain(o, rows, [](V, V y, V g) { return -g * y * y; });
            case add_scaled:
                return chain_two(
                    o, rows, [](V, V, V g) { return g; },
                    [&](V, V, V g) { return g * factor; });
            case multiply_by:
                return chain_two(
                    o, rows, [](V, V b, V g) { return g * b; },
                    [](V a, V, V g) { return g * a; });
            case divide_by:
                return chain_two(
                    o, rows, [](V, V b, V g) { return g / b; },
                    [](V a, V b, V g) { return -g * a / (b * b); });
            case greater_of:  // equals share the gradient, as torch has it
            case lesser_of: {
                const T sign = o.kind == greater_of ? T(1) : T(-1);
                return chain_two(
                    o, rows,
                    [&](V a, V b, V g) {
                        const V d = (a - b) * sign;
                        return d > T(0) ? g : d < T(0) ? V{} : g * half;
                    },
                    [&](V a, V b, V g) {
                        const V d = (a - b) * sign;
                        return d < T(0) ? g : d > T(0) ? V{} : g * half;
                    });
            }
            case normalize:
            case softmax_of:
                if (!gradient(o.a, rows, 0)) return;
                for (int64_t row = rows.begin; row < rows.end; ++row) back_row(o, rows, row);
                return;
            case nothing:
                if (!gradient(o.a, rows, 0)) return;
                for (int64_t row = rows.begin; row < rows.end; ++row) {
                    T* to = gradient(o.a, rows, row);
                    vectors(o.width, [&](int64_t j, int count) { store(to + j, V{}, count); });
                }
                return;
        }
    }

    void back_row(const Operation& o, const Rows& rows, int64_t row) const {
        const T *a = value(o.a, rows, row), *y = value(o.out, rows, row), *g = gradient(o.out, rows, row);
        T* to = gradient(o.a, rows, row);
        T along = total(o.width, [&](int64_t j) { return g[j] * y[j]; }), mean = 0, scale = 1;
        if (o.kind == normalize) {
            along /= o.width;
            mean = total(o.width, [&](int64_t j) { return g[j]; }) / o.width;
            const T centre = total(o.width, [&](int64_t j) { return a[j]; }) / o.width;
            scale = spread(a, centre, o.width, static_cast<T>(o.term));
        }
        for (int64_t j = 0; j < o.width; ++j) {
            const T made = o.kind == normalize ? scale * (g[j] - mean - y[j] * along) : y[j] * (g[j] - along);
            to[j] = o.first_a ? made : to[j] + made;
        }
    }

    const Program& p;
    std::vector<std::unique_ptr<Panels<T>>> panels_;
};

template <class T>
void interpret(const Program& p) {
    const int groups = static_cast<int>(p.threads < p.batch ? p.threads : p.batch);
    Interpreter<T> interpreter(p);
    together(groups, [&](int thread, int threads, Barrier& barrier) { interpreter.run(thread, threads, barrier, groups); });
}

}  // namespace

void program(const Program& p) {
    if (p.bytes == 4)
        interpret<float>(p);
    else
        interpret<double>(p);
}

}  // namespace unrolled::UNROLLED_ISA

UNROLLED_KERNEL(program, Program);
