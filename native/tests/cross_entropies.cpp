#include "../cross_entropy.h"

#include <array>

#include "driver.h"

using unrolled::CrossEntropy;
extern "C" void unrolled_cross_entropy(const CrossEntropy*);

namespace {

template <class T>
void train(int64_t rows, int64_t size, int64_t vocabulary, double floor, int wanted) {
    const auto features = numbers<T>(rows * size), weight = numbers<T>(vocabulary * size);
    auto bias = numbers<T>(wanted & 4 ? vocabulary : 0);
    std::vector<int64_t> targets(rows);
    for (int64_t& target : targets) target = static_cast<int64_t>(below(vocabulary));
    check("cross-entropy of " + std::to_string(vocabulary), 1e-4, [&](int threads) {
        std::vector<T> log_sums(rows), log_probs(rows), grad_features(wanted & 1 ? rows * size : 0);
        std::vector<T> grad_weight(wanted & 2 ? vocabulary * size : 0), grad_bias(bias.size());
        CrossEntropy c{};
        c.bytes = sizeof(T), c.threads = threads, c.rows = rows, c.size = size, c.vocabulary = vocabulary;
        c.features = features.data(), c.weight = weight.data(), c.bias = address(bias), c.targets = targets.data();
        c.floor = floor, c.target_weight = 0.9, c.log_sums = log_sums.data(), c.log_probs = log_probs.data();
        c.grad_features = address(grad_features), c.grad_weight = address(grad_weight), c.grad_bias = address(grad_bias);
        unrolled_cross_entropy(&c);
        Result result;
        for (const auto* part : {&log_sums, &log_probs, &grad_features, &grad_weight, &grad_bias}) result.add(*part);
        return result;
    });
}

}  // namespace

void cross_entropies() {
    // One of everything; few words, shared by rows; many, shared by words; more rows than a block.
    for (const auto& [rows, size, vocabulary] :
         {std::array<int64_t, 3>{1, 1, 1}, {300, 5, 45}, {37, 33, 17000}, {3, 7, 601}, {530, 520, 3}})
        for (const int wanted : {0, 1, 2, 7}) {
            train<float>(rows, size, vocabulary, wanted > 1 ? 1e-3 : 0, wanted);
            train<double>(rows, size, vocabulary, wanted > 1 ? 0 : 1e-3, wanted);
        }
}
