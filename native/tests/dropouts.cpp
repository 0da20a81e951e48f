#include "../dropout.h"

#include "driver.h"

using unrolled::Dropout;
extern "C" void unrolled_dropout(const Dropout*);

namespace {

template <class T>
void drop(int64_t size) {
    const auto inputs = numbers<T>(size);
    check("dropout", 0, [&](int threads) {
        std::vector<T> outputs(size);
        const Dropout d{sizeof(T), threads, size, 5, int64_t(3) << 30, 4.0 / 3, inputs.data(), outputs.data()};
        unrolled_dropout(&d);
        Result result;
        result.add(outputs);
        return result;
    });
}

}  // namespace

void dropouts() {
    for (const int64_t size : {1, 64, 100, 70'001}) {
        drop<float>(size);
        drop<double>(size);
    }
}
