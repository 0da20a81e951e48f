// A matrix laid out for products with a few rows, made again and again.
#pragma once

#include "matrix.h"
#include "memory.h"
#include "parallel.h"

namespace unrolled::UNROLLED_ISA {

// A matrix as panels, for products (rows, depth) × (depth, hidden) of every step.
template <class T>
class Panels {
   public:
    struct Panel {
        int64_t unit;  // its first unit
        int vectors;
        const T* data;
    };

    // vector(k, lane) of unit block j and gate g is from[(g · hidden + j · lanes + lane) · column + k · row].
    // With several gates a panel holds all gates of one block of units; with one, up to four blocks.
    Panels(const T* from, int64_t row, int64_t column, int64_t hidden, int64_t depth, int gates)
        : from_(from),
          row_(row),
          column_(column),
          hidden_(hidden),
          depth_(depth),
          gates_(gates),
          blocks_(padded<T>(hidden) / lanes<T>),
          panels_(gates > 1 ? blocks_ : (blocks_ + widest(depth) - 1) / widest(depth)),
          data_(blocks_ * gates * lanes<T> * depth * static_cast<int64_t>(sizeof(T))) {}

    int64_t count() const { return panels_; }
    int64_t depth() const { return depth_; }
    // Vectors in all panels: the work of a row.
    int64_t vectors() const { return blocks_ * gates_; }

    Panel operator[](int64_t panel) const {
        const int64_t block = first_block(panel), blocks = first_block(panel + 1) - block;
        return {block * lanes<T>, static_cast<int>(gates_ > 1 ? gates_ : blocks),
                data_.template as<T>(block * gates_ * lanes<T> * depth_)};
    }

    void pack(int thread, int threads) {
        const Share mine = share(panels_, thread, threads);
        for (int64_t p = mine.begin; p < mine.end; ++p) {
            const Panel panel = (*this)[p];
            for (int v = 0; v < panel.vectors; ++v) {
                const int64_t unit = panel.unit + (gates_ > 1 ? 0 : v * lanes<T>);
                const int64_t left = hidden_ - unit;
                pack_vector(const_cast<T*>(panel.data), panel.vectors, v,
                            from_ + (unit + (gates_ > 1 ? v * hidden_ : 0)) * column_, row_, column_, depth_,
                            left < lanes<T> ? static_cast<int>(left) : lanes<T>);
            }
        }
    }

   private:
    // A panel of four vectors that is deeper than this would not stay in the second cache.
    static int64_t widest(int64_t depth) { return depth * register_bytes * most_vectors > 700000 ? 2 : 4; }
    int64_t first_block(int64_t panel) const { return blocks_ * panel / panels_; }

    const T* from_;
    const int64_t row_, column_, hidden_, depth_;
    const int gates_;
    const int64_t blocks_, panels_;
    Scratch data_;
};

}  // namespace unrolled::UNROLLED_ISA
