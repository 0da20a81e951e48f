#include "../attentive.h"
#include "../energies.h"

#include "cells.h"

using unrolled::Attentive, unrolled::Energies;
extern "C" {
void unrolled_attentive_forward(const Attentive*);
void unrolled_attentive_backward(const Attentive*);
void unrolled_energies_forward(const Energies*);
void unrolled_energies_backward(const Energies*);
}

namespace {

template <class T>
void train(const Cell& cell, int64_t hidden, const std::vector<int64_t>& lengths, bool luong, bool additive) {
    const int64_t source = 6, features = 11, size = additive ? 9 : hidden, late = luong ? 5 : features;
    const int64_t batch = static_cast<int64_t>(lengths.size()), joined = luong ? features + hidden : features;
    Sequences<T> given(cell, hidden, lengths, false, false);
    const int64_t rows = given.rows, first = given.offsets.size() > 1 ? given.offsets[1] : 0;
    std::vector<int64_t> sentence(batch), positions(batch);
    for (int64_t b = 0; b < batch; ++b) sentence[b] = batch - 1 - b, positions[b] = b % (source + 1);

    const auto keys = numbers<T>(batch * source * size), values = numbers<T>(batch * source * features);
    const auto late_weight = numbers<T>(cell.gates * hidden * late, 0.3);
    const auto late_weight_back = numbers<T>(cell.grad_gates * hidden * late, 0.3);
    auto query_weight = numbers<T>(additive ? size * hidden : 0), energy_weight = numbers<T>(additive ? size : 0);
    auto combine = numbers<T>(luong ? late * joined : 0, 0.3);
    const auto initial_late = numbers<T>(batch * late), late_above = numbers<T>(rows * late);
    const auto final_above = numbers<T>(batch * late);
    auto weights_above = numbers<T>(additive ? rows * source : 0);
    check(std::string(luong ? "Luong's " : "Bahdanau's ") + cell.name, 1e-4, [&](int threads) {
        Run<T> run(given, threads);
        std::vector<T> asked(additive ? rows * size : 0), weights(rows * source), context(luong ? rows * joined : 0);
        std::vector<T> fed(luong ? rows * late : 0), attended(rows * late), final_late = initial_late;
        if (luong) std::copy_n(initial_late.begin(), first * late, fed.begin());
        Attentive a{};
        a.cell = &run.r, a.kind = cell.kind, a.gates = cell.gates, a.grad_gates = cell.grad_gates;
        a.luong = luong, a.additive = additive, a.source = source, a.size = size, a.features = features, a.late = late;
        a.sentence = sentence.data(), a.lengths = positions.data(), a.keys = keys.data(), a.values = values.data();
        a.late_weight = late_weight.data(), a.late_stride = late, a.query_weight = address(query_weight);
        a.energy_weight = address(energy_weight), a.combine = address(combine), a.asked = address(asked);
        a.weights = address(weights), a.context = luong ? address(context) : address(attended), a.fed = address(fed);
        a.attended = address(attended), a.final_late = address(final_late);
        unrolled_attentive_forward(&a);

        auto grad_late = late_above, grad_final = final_above;
        std::vector<T> grad_context(luong ? rows * joined : 0), grad_energies(rows * source), grad_asked(rows * size);
        std::vector<T> grad_keys(additive ? keys.size() : 0), grad_energy_weight(additive ? threads * size : 0);
        a.late_weight = late_weight_back.data(), a.grad_late = address(grad_late), a.grad_final = address(grad_final);
        a.grad_context = address(grad_context), a.grad_weights = address(weights_above);
        a.grad_energies = address(grad_energies), a.grad_asked = address(grad_asked), a.grad_keys = address(grad_keys);
        a.grad_energy_weight = address(grad_energy_weight);
        unrolled_attentive_backward(&a);
        Result result = run.result();
        for (const auto* part : {&weights, &attended, &final_late, &grad_late, &grad_final, &grad_energies, &grad_asked, &grad_keys})
            result.add(*part);
        return result;
    });
}

template <class T>
void ask(int64_t batch, int64_t queries, int64_t source, int64_t size) {
    const auto asked = numbers<T>(batch * queries * size), keys = numbers<T>(batch * source * size);
    const auto weight = numbers<T>(size), above = numbers<T>(batch * queries * source);
    check("energies of " + std::to_string(size), 1e-4, [&](int threads) {
        std::vector<T> energies(above.size()), grad_asked(asked.size()), grad_keys(keys.size()), grad_weight(size);
        Energies e{};
        e.bytes = sizeof(T), e.threads = threads, e.batch = batch, e.queries = queries, e.source = source, e.size = size;
        e.asked = asked.data(), e.keys = keys.data(), e.weight = weight.data(), e.energies = energies.data();
        unrolled_energies_forward(&e);
        e.grads = above.data(), e.grad_asked = grad_asked.data(), e.grad_keys = grad_keys.data();
        e.grad_weight = grad_weight.data();
        unrolled_energies_backward(&e);
        Result result;
        for (const auto* part : {&energies, &grad_asked, &grad_keys, &grad_weight}) result.add(*part);
        return result;
    });
}

}  // namespace

void attentives() {
    for (const int64_t size : {1, 16, 37}) ask<float>(3, 2, 5, size), ask<double>(1, 7, 1, size);
    const std::vector<std::vector<int64_t>> batches{{2, 2, 2}, {4, 0, 1, 2, 4, 1, 3, 3}, many};
    for (const Cell& cell : cells)
        for (const int64_t hidden : {7, 16})
            for (const auto& lengths : batches)
                for (const bool luong : {false, true})
                    for (const bool additive : {false, true}) {
                        train<float>(cell, hidden, lengths, luong, additive);
                        train<double>(cell, hidden, lengths, luong, !additive);
                    }
}
