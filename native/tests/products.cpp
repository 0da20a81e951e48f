#include "../product.h"

#include <array>

#include "driver.h"

using unrolled::Product;
extern "C" void unrolled_product(const Product*);
extern "C" void unrolled_product_pack(const Product*);

namespace {

// A and B each by rows or by columns, B as it is or packed before.
template <class T>
void multiply(int64_t rows, int64_t columns, int64_t depth, int64_t form, bool pack) {
    const auto a = numbers<T>(rows * depth), b = numbers<T>(depth * columns), start = numbers<T>(rows * columns);
    auto bias = numbers<T>(form % 2 ? columns : 0);
    check(pack ? "product with a packed matrix" : "product", 1e-4, [&](int threads) {
        auto c = start;
        std::vector<T> packed(pack ? depth * ((columns + 15) / 16 * 16) : 0);
        Product p{};
        p.rows = rows, p.columns = columns, p.depth = depth;
        p.a = a.data(), p.a_row = form & 1 ? 1 : depth, p.a_column = form & 1 ? rows : 1;
        p.b = b.data(), p.b_row = form & 2 ? 1 : columns, p.b_column = form & 2 ? depth : 1;
        p.c = c.data(), p.c_row = columns, p.bias = address(bias), p.accumulate = form > 1;
        p.bytes = sizeof(T), p.threads = threads, p.packed = address(packed);
        if (pack) unrolled_product_pack(&p), p.b = nullptr;
        unrolled_product(&p);
        Result result;
        result.add(c);
        return result;
    });
}

}  // namespace

void products() {
    for (const bool pack : {false, true})
        for (int64_t form = 0; form < 4; ++form)
            for (const auto& [rows, columns, depth] :
                 {std::array<int64_t, 3>{1, 1, 1}, {3, 65, 7}, {13, 301, 69}, {50, 33, 520}, {97, 300, 31}}) {
                multiply<float>(rows, columns, depth, form, pack);
                multiply<double>(rows, columns, depth, form, pack);
            }
}
