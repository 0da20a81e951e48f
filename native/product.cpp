// C = A·B (+ bias, + C): the large products before and after a loop through time.
#include "matrix.h"
#include "memory.h"
#include "parallel.h"
#include "product.h"

namespace unrolled::UNROLLED_ISA {
namespace {

constexpr int64_t depth_block = 512;  // k of a packed block
constexpr int64_t width_block = 256;  // columns of it: half a megabyte of float32

// Whether the product takes less time than it does to start threads.
bool little(const Product& p) { return p.rows * p.columns * p.depth < 200000; }

template <class T>
class Multiplication {
   public:
    Multiplication(const Product& p, int threads)
        : p_(p),
          a_(static_cast<const T*>(p.a)),
          b_(static_cast<const T*>(p.b)),
          c_(static_cast<T*>(p.c)),
          bias_(static_cast<const T*>(p.bias)),
          by_columns_(p.a_column != 1),
          packed_(p.packed ? 64 : depth_block * padded<T>(width_block) * sizeof(T)),
          barrier_(threads) {}

    void run(int thread, int threads) {
        Scratch left(by_columns_ ? depth_block * group_ * sizeof(T) : 64);
        const Share rows = share(p_.rows, thread, threads, tile_rows(most_vectors));
        for (int64_t n = 0; n < p_.columns; n += width_block)
            for (int64_t k = 0; k < p_.depth; k += depth_block) {
                const int64_t width = p_.columns - n < width_block ? p_.columns - n : width_block;
                const int64_t depth = p_.depth - k < depth_block ? p_.depth - k : depth_block;
                T* right = block(n, width, k);
                if (!p_.packed) {
                    pack_right(right, n, width, k, depth, thread, threads);
                    barrier_.wait();
                }
                multiply(right, rows, n, width, k, depth, left.as<T>());
                if (!p_.packed) barrier_.wait();
            }
    }

    // All blocks of b, one after another, to where they stay.
    void pack() {
        for (int64_t n = 0; n < p_.columns; n += width_block)
            for (int64_t k = 0; k < p_.depth; k += depth_block) {
                const int64_t width = p_.columns - n < width_block ? p_.columns - n : width_block;
                const int64_t depth = p_.depth - k < depth_block ? p_.depth - k : depth_block;
                pack_right(block(n, width, k), n, width, k, depth, 0, 1);
            }
    }

   private:
    T* block(int64_t n, int64_t width, int64_t k) const {
        if (!p_.packed) return packed_.template as<T>();
        return static_cast<T*>(p_.packed) + n * p_.depth + padded<T>(width) * k;
    }

    static constexpr int64_t group_ = 8 * tile_rows(most_vectors);  // rows of A packed together

    void pack_right(T* to, int64_t n, int64_t width, int64_t k, int64_t depth, int thread, int threads) {
        const Share mine = share(padded<T>(width) / lanes<T>, thread, threads);
        pack_panels(to, mine.begin, mine.end, b_ + k * p_.b_row + n * p_.b_column, p_.b_row, p_.b_column, depth, width);
    }

    void multiply(const T* packed, Share rows, int64_t n, int64_t width, int64_t k, int64_t depth, T* left) {
        const int64_t vectors = padded<T>(width) / lanes<T>;
        alignas(64) T tile[tile_size];
        for (int64_t group = rows.begin; group < rows.end; group += group_) {
            const int64_t end = group + group_ < rows.end ? group + group_ : rows.end;
            if (by_columns_) pack_left(left, group, end, k, depth);
            for (int64_t row = group; row < end; row += tile_rows(most_vectors)) {
                const int count = static_cast<int>(end - row < tile_rows(most_vectors) ? end - row : tile_rows(most_vectors));
                for (int64_t panel = 0; panel < vectors; panel += most_vectors) {
                    const int across = static_cast<int>(vectors - panel < most_vectors ? vectors - panel : most_vectors);
                    const T* right = packed + panel * lanes<T> * depth;
                    if (by_columns_)
                        tile_product_for<T, true>(count, across)(left + (row - group), end - group, right, depth, tile);
                    else
                        tile_product_for<T>(count, across)(a_ + row * p_.a_row + k, p_.a_row, right, depth, tile);
                    put(tile, row, count, n + panel * lanes<T>, across, width - panel * lanes<T>, k == 0);
                }
            }
        }
    }

    void pack_left(T* to, int64_t begin, int64_t end, int64_t k, int64_t depth) {
        const T* from = a_ + begin * p_.a_row + k * p_.a_column;
        if (p_.a_row == 1) {
            for (int64_t d = 0; d < depth; ++d, to += end - begin, from += p_.a_column)
                std::memcpy(to, from, (end - begin) * sizeof(T));
        } else {
            for (int64_t d = 0; d < depth; ++d)
                for (int64_t row = 0; row < end - begin; ++row)
                    *to++ = from[row * p_.a_row + d * p_.a_column];
        }
    }

    void put(const T* tile, int64_t row, int rows, int64_t column, int vectors, int64_t width, bool first) {
        for (int v = 0; v < vectors; ++v, width -= lanes<T>, column += lanes<T>) {
            const int count = width < lanes<T> ? static_cast<int>(width) : lanes<T>;
            const Vector<T> start = first && bias_ ? load(bias_ + column, count) : Vector<T>{};
            for (int i = 0; i < rows; ++i) {
                T* to = c_ + (row + i) * p_.c_row + column;
                Vector<T> value = load(tile + (i * vectors + v) * lanes<T>) + start;
                if (!first || p_.accumulate) value += load(to, count);
                store(to, value, count);
            }
        }
    }

    const Product& p_;
    const T *a_, *b_;
    T* c_;
    const T* bias_;
    const bool by_columns_;
    Scratch packed_;
    Barrier barrier_;
};

// With few rows, laying b out would take longer than the product. Where both are contiguous in k, as in a Wᵀ, each result
// is made from a row of either as they are.
constexpr int64_t few_rows = 16;

template <class T>
bool as_it_is(const Product& p) {
    return !p.packed && p.rows <= few_rows && p.a_column == 1 && p.b_row == 1 && p.depth >= 4 * lanes<T>;
}

template <class T, int rows, int columns>
void dot_products(const Product& p, int64_t row, int64_t column) {
    const T* a[rows];
    const T* b[columns];
    for (int i = 0; i < rows; ++i) a[i] = static_cast<const T*>(p.a) + (row + i) * p.a_row;
    for (int j = 0; j < columns; ++j) b[j] = static_cast<const T*>(p.b) + (column + j) * p.b_column;
    Vector<T> total[rows][columns]{};
    auto add = [&](int64_t k, auto&& read) __attribute__((always_inline)) {
        Vector<T> left[rows];
#pragma GCC unroll 4
        for (int i = 0; i < rows; ++i) left[i] = read(a[i] + k);
#pragma GCC unroll 4
        for (int j = 0; j < columns; ++j) {
            const Vector<T> right = read(b[j] + k);
#pragma GCC unroll 4
            for (int i = 0; i < rows; ++i) total[i][j] += left[i] * right;
        }
    };
    int64_t k = 0;
    for (; k + lanes<T> <= p.depth; k += lanes<T>) add(k, [](const T* from) { return load(from); });
    if (const int left = static_cast<int>(p.depth - k)) add(k, [&](const T* from) { return load(from, left); });
    const T* bias = static_cast<const T*>(p.bias);
    for (int i = 0; i < rows; ++i) {
        T* to = static_cast<T*>(p.c) + (row + i) * p.c_row + column;
        for (int j = 0; j < columns; ++j)
            to[j] = sum<T>(total[i][j]) + (bias ? bias[column + j] : T(0)) + (p.accumulate ? to[j] : T(0));
    }
}

template <class T, int columns>
void dot_products(const Product& p, int64_t column) {
    int64_t row = 0;
    for (; row + 2 <= p.rows; row += 2) dot_products<T, 2, columns>(p, row, column);
    if (row < p.rows) dot_products<T, 1, columns>(p, row, column);
}

template <class T>
void multiply_as_it_is(const Product& p) {
    parallel(little(p) ? 1 : static_cast<int>(p.threads), [&](int thread, int threads) {
        const Share mine = share(p.columns, thread, threads, 4);
        int64_t column = mine.begin;
        for (; column + 4 <= mine.end; column += 4) dot_products<T, 4>(p, column);
        for (; column < mine.end; ++column) dot_products<T, 1>(p, column);
    });
}

template <class T>
void multiply(const Product& p) {
    if (as_it_is<T>(p)) return multiply_as_it_is<T>(p);
    const int64_t tiles = (p.rows + tile_rows(most_vectors) - 1) / tile_rows(most_vectors);
    const int wanted = little(p) ? 1 : static_cast<int>(p.threads < tiles ? p.threads : tiles);
    Multiplication<T> multiplication(p, wanted);
    parallel(wanted, [&](int thread, int threads) {
        if (threads == wanted)
            multiplication.run(thread, threads);
        else if (thread == 0)
            Multiplication<T>(p, 1).run(0, 1);
    });
}

}  // namespace

void product(const Product& p) {
    if (p.bytes == 8)
        multiply<double>(p);
    else
        multiply<float>(p);
}

void product_pack(const Product& p) {
    if (p.bytes == 8)
        Multiplication<double>(p, 1).pack();
    else
        Multiplication<float>(p, 1).pack();
}

}  // namespace unrolled::UNROLLED_ISA

UNROLLED_KERNEL(product, Product);
UNROLLED_KERNEL(product_pack, Product);
