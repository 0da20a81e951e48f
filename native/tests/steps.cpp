#include "../step.h"

#include <algorithm>
#include <utility>

#include "driver.h"

using unrolled::Instruction, unrolled::Step, unrolled::StepPanels;
extern "C" void unrolled_step(const Step*);
extern "C" void unrolled_step_pack(const StepPanels*);

namespace {

// An LSTM that attends and writes: embedding, cell, additive attention, projection; the likeliest words, or words drawn,
// or the likeliest of each step fed to the next.
template <class W>
void write(int64_t rows, int64_t hidden, int64_t words, int64_t format, int64_t steps, double temperature) {
    const int64_t source = 5, features = 6, sentences = 2, k = 3, size = hidden, both = hidden + features;
    const double scale = format == 2 ? 100 : 0.5;
    const auto table = numbers<float>(words * hidden);
    auto weight = [&](int64_t outputs, int64_t inputs) {
        std::vector<W> made(outputs * inputs);
        for (W& each : made) each = static_cast<W>(format == 1 ? 0x3d00 + below(256) : within(scale));
        std::vector<W> panels((outputs + 15) / 16 * 16 * inputs);
        const StepPanels pack{outputs, inputs, made.data(), inputs, format, panels.data()};
        unrolled_step_pack(&pack);
        return panels;
    };
    const auto input = weight(4 * hidden, hidden), recurrent = weight(4 * hidden, hidden), projection = weight(words, both);
    const auto scales = numbers<float>(std::max(4 * hidden, words), 0.01), bias = numbers<float>(std::max(4 * hidden, words));
    const auto peephole = numbers<float>(3 * hidden), energy = numbers<float>(size);
    const auto keys = numbers<float>(sentences * source * size), values = numbers<float>(sentences * source * features);
    const auto a = numbers<float>(rows * hidden), c = numbers<float>(rows * hidden);
    std::vector<int64_t> tokens(rows), sentence(rows), lengths{source, 2};
    for (int64_t r = 0; r < rows; ++r) tokens[r] = r % words, sentence[r] = r % sentences;
    std::vector<double> uniform(steps * rows);
    for (double& each : uniform) each = (within(1) + 1) / 2;
    const std::vector<int64_t> forbidden{0};

    check("step", 1e-4, [&](int threads) {
        auto a_given = a, c_given = c;
        std::vector<float> a_made(rows * hidden), c_made(rows * hidden), word(rows * hidden), z(rows * 4 * hidden);
        std::vector<float> joined(rows * both), log_probs(steps ? steps * rows : rows * k);
        std::vector<int64_t> ids(log_probs.size());
        enum { state, cell, next, next_cell, embedded, product, output, context };
        std::vector<float*> buffers{a_given.data(), c_given.data(), a_made.data(), c_made.data(), word.data(), z.data(),
                                    joined.data(), joined.data() + hidden};
        const std::vector<int64_t> strides{hidden, hidden, hidden, hidden, hidden, 4 * hidden, both, both};
        auto multiply = [&](int64_t from, const std::vector<W>& by, int64_t outputs, int64_t inputs) {
            Instruction in{};
            in.kind = unrolled::product, in.a = from, in.out = product, in.columns = outputs, in.depth = inputs;
            in.weight = by.data(), in.format = format;
            in.scale = format == 2 ? scales.data() : nullptr;
            return in;
        };
        std::vector<Instruction> program(6);
        program[0].kind = unrolled::embed, program[0].variant = -1, program[0].out = embedded, program[0].depth = hidden;
        program[0].weight = table.data(), program[0].stride = hidden;
        program[1] = multiply(embedded, input, 4 * hidden, hidden);
        program[1].bias = bias.data();
        program[2] = multiply(state, recurrent, 4 * hidden, hidden);
        program[2].accumulate = 1;
        program[3].kind = unrolled::lstm, program[3].variant = 1, program[3].a = product, program[3].b = cell;
        program[3].out = output, program[3].more = next_cell, program[3].columns = hidden, program[3].weight = peephole.data();
        program[4].kind = unrolled::attend, program[4].a = output, program[4].out = context, program[4].weight = energy.data();
        program[5] = multiply(output, projection, words, both);
        program[5].kind = unrolled::top, program[5].bias = bias.data();
        std::fill(a_made.begin(), a_made.end(), 0.5f);

        Step s{};
        s.threads = threads, s.rows = rows, s.count = 6, s.instructions = program.data(), s.buffers = buffers.data();
        s.strides = strides.data(), s.tokens = tokens.data(), s.sentence = sentence.data(), s.lengths = lengths.data();
        s.keys = keys.data(), s.values = values.data(), s.source = source, s.size = size, s.features = features;
        int64_t made = 0;
        s.steps_made = &made, s.end = 5;
        s.k = steps && temperature ? 0 : k, s.log_probs = log_probs.data(), s.ids = ids.data(), s.steps = steps, s.state = 2;
        s.uniform = uniform.data(), s.reset = 3;
        s.drawing = {temperature, words / 2, 0.95, forbidden.data(), 1, 1, 1};
        unrolled_step(&s);
        Result result;
        result.add(log_probs);
        result.add(ids);
        result.add(c_made);
        return result;
    });
}

}  // namespace

void steps() {
    for (const auto& [steps, temperature] : {std::pair{0, 0.0}, {4, 0.8}, {4, 0.0}})
        for (int64_t rows : {1, 3, 9})
            for (int64_t hidden : {16, 21}) {
                write<float>(rows, hidden, 150, 0, steps, temperature);
                write<uint16_t>(rows, hidden, 150, 1, steps, temperature);
                write<int8_t>(rows, hidden, 150, 2, steps, temperature);
            }
}
