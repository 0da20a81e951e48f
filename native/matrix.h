// The inner part of a matrix product: a tile of results made in registers, for whatever is to be done with it.
//
// The right operand is packed into panels of 1 to 4 vectors' width; its numbers may be of fewer bits than T. As many of a
// panel's vectors as the registers let be multiplied at once stand side by side, [k][vector][lane], and the next ones after
// them. A tile is `rows` × `vectors` × lanes, contiguous. `tile_rows(vectors)` is how many rows keep the registers busy.
#pragma once

#include <utility>

#include "vector.h"

namespace unrolled::UNROLLED_ISA {

constexpr int most_vectors = 4;
constexpr int most_rows = registers == 32 ? 12 : 6;

// With few registers vectors go by twos: six rows of two need less of the panel for each operation than two of four.
constexpr int side_by_side(int vectors) { return registers == 32 || vectors < 2 ? vectors : 2; }

// Accumulators, the vectors side by side and one broadcast must fit the registers.
constexpr int tile_rows(int vectors) {
    const int together = side_by_side(vectors), fit = (registers - together - 1) / together;
    return fit < 1 ? 1 : fit < most_rows ? fit : most_rows;
}
constexpr int64_t tile_size = most_rows * most_vectors * (register_bytes / 4);

// tile[i][v] = Σ_k a(i, k) · panel[k][v], k < depth; a(i, k) is a[i · stride + k], or a[k · stride + i] by columns.
template <class T, class W = T>
using TileProduct = void (*)(const T* a, int64_t stride, const W* panel, int64_t depth, T* tile);

// The part of a tile that one pass over k makes; `apart` is from one row of the tile to the next.
template <class T, class W, int rows, int vectors, bool by_columns>
UNROLLED_INLINE void multiply_add(const T* a, int64_t stride, const W* panel, int64_t depth, T* tile, int64_t apart) {
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
            store(tile + i * apart + v * lanes<T>, total[0][i][v]);
        }
}

template <class T, class W, int rows, int vectors, bool by_columns>
void tile_product(const T* a, int64_t stride, const W* panel, int64_t depth, T* tile) {
    constexpr int together = side_by_side(vectors), left = vectors % together;
    int v = 0;
    for (; v + together <= vectors; v += together, panel += together * lanes<T> * depth)
        multiply_add<T, W, rows, together, by_columns>(a, stride, panel, depth, tile + v * lanes<T>, vectors * lanes<T>);
    if constexpr (left > 0)
        multiply_add<T, W, rows, left, by_columns>(a, stride, panel, depth, tile + v * lanes<T>, vectors * lanes<T>);
}

template <class T, int vectors, bool by_columns, class W, int rows = 1>
TileProduct<T, W> with_rows(int wanted) {
    if constexpr (rows < tile_rows(vectors))
        if (wanted > rows) return with_rows<T, vectors, by_columns, W, rows + 1>(wanted);
    return tile_product<T, W, rows, vectors, by_columns>;
}

// One row times row_panels full panels, `streams` parts of vectors side by side. To read so many places at once is faster than
// to read one after another: each has its own prefetching, which ends at a page.
constexpr int streams = registers == 32 ? 2 : 4;
constexpr int row_panels = streams * side_by_side(most_vectors) / most_vectors;

template <class T, class W>
void row_product(const T* a, const W* panels, int64_t depth, T* made) {
    constexpr int together = side_by_side(most_vectors);
    Vector<T> total[streams][together]{};
    for (int64_t k = 0; k < depth; ++k) {
        const Vector<T> factor = splat(a[k]);
#pragma GCC unroll 4
        for (int s = 0; s < streams; ++s)
#pragma GCC unroll 4
            for (int v = 0; v < together; ++v)
                total[s][v] += factor * widen<T>(panels + ((s * depth + k) * together + v) * lanes<T>);
    }
    for (int s = 0; s < streams; ++s)
        for (int v = 0; v < together; ++v) store(made + (s * together + v) * lanes<T>, total[s][v]);
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

// Rows to columns, by exchanging what is off the diagonal of ever greater blocks.
template <class T, int block, int... i>
UNROLLED_INLINE void exchange(Vector<T>& a, Vector<T>& b, std::integer_sequence<int, i...>) {
    const Vector<T> first = pick<T, (i & block ? lanes<T> + i - block : i)...>(a, b);
    b = pick<T, (i & block ? lanes<T> + i : i + block)...>(a, b);
    a = first;
}
template <class T, int block = 1>
UNROLLED_INLINE void transpose(Vector<T> (&row)[lanes<T>]) {
    if constexpr (block < lanes<T>) {
#pragma GCC unroll 16
        for (int i = 0; i < lanes<T>; ++i)
            if (!(i & block)) exchange<T, block>(row[i], row[i + block], std::make_integer_sequence<int, lanes<T>>{});
        transpose<T, 2 * block>(row);
    }
}

// Vector v of a panel: its k-th number in a lane is from[k · row + lane · column] for lane < count, else 0.
template <class T, int width = lanes<T>>
void pack_vector(T* panel, int vectors, int v, const T* from, int64_t row, int64_t column, int64_t depth, int count) {
    const int together = side_by_side(vectors), before = v / together * together;
    const int step = (vectors - before < together ? vectors - before : together) * width;
    T* to = panel + before * width * depth + (v - before) * width;
    int64_t start = 0;
    if constexpr (width == lanes<T>) {
        if (column == 1) {
            for (int64_t k = 0; k < depth; ++k) store(to + k * step, load(from + k * row, count));
            return;
        }
        for (; row == 1 && start + width <= depth; start += width) {
            Vector<T> lane[width]{};
            for (int i = 0; i < count; ++i) lane[i] = load(from + i * column + start);
            transpose<T>(lane);
#pragma GCC unroll 16
            for (int i = 0; i < width; ++i) store(to + (start + i) * step, lane[i]);
        }
    }
    constexpr int block = 16;  // so many numbers of each row at a time: a cache line's worth
    for (int64_t k0 = start; k0 < depth; k0 += block) {
        const int64_t k1 = k0 + block < depth ? k0 + block : depth;
        for (int lane = 0; lane < width; ++lane)
            for (int64_t k = k0; k < k1; ++k)
                to[k * step + lane] = lane < count ? from[k * row + lane * column] : T(0);
    }
}

// Vectors first … end of a matrix (depth, columns) to where they belong among its panels of most_vectors.
template <class T, int width = lanes<T>>
void pack_panels(T* to, int64_t first, int64_t end, const T* from, int64_t row, int64_t column, int64_t depth, int64_t columns) {
    const int64_t vectors = (columns + width - 1) / width;
    for (int64_t v = first; v < end; ++v) {
        const int64_t panel = v / most_vectors * most_vectors, left = columns - v * width;
        const int64_t across = vectors - panel < most_vectors ? vectors - panel : most_vectors;
        pack_vector<T, width>(to + panel * width * depth, static_cast<int>(across), static_cast<int>(v - panel),
                              from + v * width * column, row, column, depth, left < width ? static_cast<int>(left) : width);
    }
}

}  // namespace unrolled::UNROLLED_ISA
