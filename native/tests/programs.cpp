#include "../program.h"

#include <algorithm>
#include <numeric>

#include "../parallel.h"
#include "driver.h"

using unrolled::Operation, unrolled::Program, unrolled::Quantity;
extern "C" void unrolled_program(const Program*);

namespace {

// A step with every operation: z = matrix · state + bias, then one after another on z, the input and a vector, and the state
// after it; forward, then backward. A thread's rows are its group's, so that sequences are dealt anew for each count of them.
template <class T>
void follow(int64_t batch, int64_t width, int64_t steps, bool ragged, bool reverse) {
    const auto matrix = numbers<T>(width * width, 0.3), bias = numbers<T>(width), given = numbers<T>(steps * batch * width);
    const auto begin = numbers<T>(batch * width), grad_output = numbers<T>(steps * batch * width);
    const auto vector = numbers<T>(width, 0.5);
    const int64_t rows = batch * width;

    check("program", 1e-4, [&](int threads) {
        enum { input, before, after, constant, first };
        const std::vector<int64_t> chain{unrolled::sigmoid_of, unrolled::tanh_of, unrolled::exp_of, unrolled::absolute,
                                         unrolled::affine, unrolled::reciprocal, unrolled::normalize, unrolled::softmax_of,
                                         unrolled::relu_of};
        const std::vector<int64_t> pairs{unrolled::add_scaled, unrolled::multiply_by, unrolled::divide_by, unrolled::greater_of,
                                         unrolled::lesser_of};
        std::vector<Operation> operations;
        auto add = [&](int64_t kind, int64_t a, int64_t b, int64_t out) {
            Operation o{};
            o.kind = kind, o.a = a, o.b = b, o.out = out, o.width = width, o.factor = 0.5, o.term = 3, o.first_a = 1;
            operations.push_back(o);
        };
        add(unrolled::multiply_matrix, before, -1, first);
        operations[0].matrix = matrix.data(), operations[0].matrix_row = width, operations[0].matrix_column = 1;
        operations[0].depth = width, operations[0].bias = bias.data();
        int64_t last = first;
        for (int64_t kind : chain) add(kind, last, -1, last + 1), ++last;
        for (int64_t kind : pairs) add(kind, last, kind == unrolled::divide_by ? constant : input, last + 1), ++last;
        add(unrolled::affine, last, -1, after);

        // All rows have the same length, or every other has half of it; the longer of a group come first.
        const int64_t groups = std::min<int64_t>(threads, batch);
        std::vector<int64_t> lengths(ragged ? batch : 0, steps);
        std::vector<int64_t> order(batch);
        std::iota(order.begin(), order.end(), 0);
        for (int64_t g = 0; ragged && g < groups; ++g) {
            const auto [from, to] = unrolled::share(batch, static_cast<int>(g), static_cast<int>(groups));
            auto odd = [](int64_t row) { return row % 2 == 0; };
            std::stable_partition(order.begin() + from, order.begin() + to, odd);
            for (int64_t row = from; row < to; ++row) lengths[row] = order[row] % 2 ? steps / 2 : steps;
        }
        auto sorted = [&](const std::vector<T>& from) {
            std::vector<T> made(from.size());
            for (size_t i = 0; i < from.size(); ++i) made[i] = from[i / rows * rows + order[i % rows / width] * width + i % width];
            return made;
        };
        auto unsorted = [&](const std::vector<T>& from) {
            std::vector<T> made(from.size());
            for (size_t i = 0; i < from.size(); ++i) made[i / rows * rows + order[i % rows / width] * width + i % width] = from[i];
            return made;
        };
        auto inputs = sorted(given), output = sorted(grad_output);
        std::vector<T> states((steps + 1) * rows);
        const auto start = sorted(begin);
        for (int64_t t = 0; t <= steps; ++t) std::copy(start.begin(), start.end(), states.begin() + t * rows);
        std::vector<std::vector<T>> made(last - first + 1, std::vector<T>(steps * rows)), grads = made;
        std::vector<T> into_input(steps * rows), carried(rows), into_constant(groups * width);
        auto constants = vector;
        for (T& each : constants) each += 2;
        auto place = [&](T* data) { return Quantity{data, rows, width, 0}; };
        std::vector<Quantity> values{place(inputs.data()), place(states.data() + (reverse ? rows : 0)),
                                     place(states.data() + (reverse ? 0 : rows)), {constants.data(), 0, 0, 0}};
        std::vector<Quantity> gradients{place(into_input.data()), {carried.data(), 0, width, 0}, {carried.data(), 0, width, 0},
                                        {into_constant.data(), 0, 0, width}};
        for (auto& each : made) values.push_back(place(each.data()));
        for (auto& each : grads) gradients.push_back(place(each.data()));
        gradients[last] = place(output.data());

        Program p{};
        p.bytes = sizeof(T), p.threads = groups, p.steps = steps, p.batch = batch, p.reverse = reverse;
        p.lengths = address(lengths), p.count = static_cast<int64_t>(operations.size()), p.operations = operations.data();
        p.quantities = values.data(), p.gradients = gradients.data();
        unrolled_program(&p);
        // The state's gradient is added to what the output's is.
        operations.back().first_a = 0;
        p.backward = 1;
        unrolled_program(&p);
        Result result;
        for (const auto& each : made) result.add(unsorted(each));
        result.add(unsorted(states));
        result.add(unsorted(into_input));
        result.add(unsorted(carried));
        std::vector<T> total(width);
        for (int64_t i = 0; i < groups * width; ++i) total[i % width] += into_constant[i];
        result.add(total);
        return result;
    });
}

}  // namespace

void programs() {
    for (const bool ragged : {false, true})
        for (const bool reverse : {false, true})
            for (const int64_t batch : {1, 2, 9})
                for (const int64_t width : {1, 17, 65}) {
                    follow<float>(batch, width, 5, ragged, reverse);
                    follow<double>(batch, width, 5, ragged, reverse);
                }
}
