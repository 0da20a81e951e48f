// The inner part of a matrix product: a tile of results made in registers, for whatever is to be done with it.
//
// The right operand is packed into panels of 1 to 4 vectors' width: panel[k][vector][lane], contiguous; its numbers may be of
// fewer bits than T. A tile is `rows` × `vectors` × lanes, contiguous. `tile_rows(vectors)` is how many rows keep the
// registers busy.
#pragma once

#include "vector.h"

namespace unrolled::UNROLLED_ISA {

constexpr int most_vectors = 4;
constexpr int most_rows = registers == 32 ? 12 : 6;

// Accumulators, the panel's vectors and one broadcast must fit the registers.
constexpr int tile_rows(int vectors) {
    const int fit = (registers - vectors - 1) / vectors;
    return fit < 1 ? 1 : fit < most_rows ? fit : most_rows;
}
constexpr int64_t tile_size = most_rows * most_vectors * (register_bytes / 4);

// tile[i][v] = Σ_k a(i, k) · panel[k][v], k < depth; a(i, k) is a[i · stride + k], or a[k · stride + i] by columns.
template <class T, class W = T>
using TileProduct = void (*)(const T* a, int64_t stride, const W* panel, int64_t depth, T* tile);

template <class T, class W, int rows, int vectors, bool by_columns>
void tile_product(const T* a, int64_t stride, const W* panel, int64_t depth, T* tile) {
    // An addition waits for the one before it: with few sums, every other k has sums of its own.
    constexpr int ways = rows * vectors < 8 ? 2 : 1;
    Vector<T> total[ways][rows][vectors]{};
    const T* row[rows];
    for (int i = 0; i < rows; ++i) row[i] = a + i * stride;
    auto add = [&](int64_t k, Vector<T>(&to)[rows][vectors]) __attribute__((always_inline)) {
        Vector<T> b[vectors];
#pragma GCC unroll 4
        for (int v = 0; v < vectors; ++v) b[v] = widen<T>(panel + (k * vectors + v) * lanes<T>);
#pragma GCC unroll 12
        for (int i = 0; i < rows; ++i) {
            const Vector<T> factor = splat(by_columns ? a[k * stride + i] : row[i][k]);
#pragma GCC unroll 4
            for (int v = 0; v < vectors; ++v) to[i][v] += factor * b[v];
        }
    };
    int64_t k = 0;
    for (; k + 2 <= depth; k += 2) {
        add(k, total[0]);
        add(k + 1, total[ways - 1]);
    }
    if (k < depth) add(k, total[0]);
    for (int i = 0; i < rows; ++i)
        for (int v = 0; v < vectors; ++v) {
            if (ways == 2) total[0][i][v] += total[1][i][v];
            store(tile + (i * vectors + v) * lanes<T>, total[0][i][v]);
        }
}

template <class T, int vectors, bool by_columns, class W, int rows = 1>
TileProduct<T, W> with_rows(int wanted) {
    if constexpr (rows < tile_rows(vectors))
        if (wanted > rows) return with_rows<T, vectors, by_columns, W, rows + 1>(wanted);
    return tile_product<T, W, rows, vectors, by_columns>;
}

// The function for a tile of 1 ≤ rows ≤ tile_rows(vectors) and 1 ≤ vectors ≤ 4.
template <class T, bool by_columns = false, class W = T>
TileProduct<T, W> tile_product_for(int rows, int vectors) {
    switch (vectors) {
        case 1: return with_rows<T, 1, by_columns, W>(rows);
        case 2: return with_rows<T, 2, by_columns, W>(rows);
        case 3: return with_rows<T, 3, by_columns, W>(rows);
        default: return with_rows<T, 4, by_columns, W>(rows);
    }
}

// One vector's width of a panel: to[k · step + lane] = from[k · row + lane · column] for lane < count, else 0.
template <class T, int width = lanes<T>>
void pack_vector(T* to, int64_t step, const T* from, int64_t row, int64_t column, int64_t depth, int count) {
    if constexpr (width == lanes<T>)
        if (column == 1) {
            for (int64_t k = 0; k < depth; ++k) store(to + k * step, load(from + k * row, count));
            return;
        }
    constexpr int block = 16;  // so many numbers of each row at a time: a cache line's worth
    for (int64_t k0 = 0; k0 < depth; k0 += block) {
        const int64_t k1 = k0 + block < depth ? k0 + block : depth;
        for (int lane = 0; lane < width; ++lane)
            for (int64_t k = k0; k < k1; ++k)
                to[k * step + lane] = lane < count ? from[k * row + lane * column] : T(0);
    }
}

}  // namespace unrolled::UNROLLED_ISA
