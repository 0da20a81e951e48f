// Memory for the length of one call.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <new>

#include "kernel.h"

namespace unrolled::UNROLLED_ISA {

// Uninitialised, aligned to a cache line.
class Scratch {
   public:
    explicit Scratch(int64_t bytes) : start_(std::aligned_alloc(64, (bytes + 64) / 64 * 64)) {
        if (!start_) throw std::bad_alloc();
    }
    ~Scratch() { std::free(start_); }
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;
    template <class T>
    T* as(int64_t offset = 0) const {
        return static_cast<T*>(start_) + offset;
    }

   private:
    void* start_;
};

}  // namespace unrolled::UNROLLED_ISA
