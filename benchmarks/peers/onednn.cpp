// oneDNN's own recurrent primitives as a peer (see serve.py for the protocol): a training step of one layer.
//
// A step is what a framework around it would do: weights, which every update changes, go into the primitives' own
// layout, the forward and the backward primitive run, and the weights' gradients come back in the plain layout.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <unordered_map>
#include <vector>

using namespace dnnl;
using Dims = memory::dims;
using Tag = memory::format_tag;
constexpr auto f32 = memory::data_type::f32;
constexpr auto left_to_right = rnn_direction::unidirectional_left2right;

// From a flat JSON object.
std::string text(const std::string& line, const std::string& key) {
    const auto at = line.find("\"" + key + "\": ");
    if (at == std::string::npos) return "";
    const auto begin = at + key.size() + 4;
    if (line[begin] == '"') return line.substr(begin + 1, line.find('"', begin + 1) - begin - 1);
    return line.substr(begin, line.find_first_of(",}", begin) - begin);
}

struct Step {
    engine on{engine::kind::cpu, 0};
    stream queue{on};
    std::string folder, cell;
    int64_t T, B, I, H, G, biases;
    primitive forward, backward;
    std::vector<std::pair<memory, memory>> before_forward, before_backward;
    std::vector<std::pair<memory, memory>> after;  // the gradients of the weights: of the input's, of the state's
    std::unordered_map<int, memory> forward_arguments, backward_arguments;
    std::vector<memory> zeroed;
    memory output, grad_inputs;

    explicit Step(const std::string& line)
        : folder(text(line, "folder")),
          cell(text(line, "cell")),
          T(std::stoll(text(line, "steps"))),
          B(std::stoll(text(line, "batch"))),
          I(std::stoll(text(line, "input"))),
          H(std::stoll(text(line, "hidden"))),
          G(cell.rfind("LSTM", 0) == 0 ? 4 : cell == "RNN" ? 1 : 3),
          biases(cell == "GRU after" ? 4 : G) {
        build();
    }

    memory::desc desc(Dims dims, Tag tag) const { return {dims, f32, tag}; }
    memory::desc layer() const { return desc({T, B, I}, Tag::tnc); }
    memory::desc result() const { return desc({T, B, H}, Tag::tnc); }
    memory::desc state() const { return desc({1, 1, B, H}, Tag::ldnc); }
    memory::desc bias() const { return desc({1, 1, biases, H}, Tag::ldgo); }
    memory::desc peephole() const { return desc({1, 1, 3, H}, Tag::ldgo); }
    memory::desc weight(int64_t inputs, Tag tag) const { return desc({1, 1, inputs, G, H}, tag); }

    memory read(const memory::desc& d, const char* name) const {
        memory m(d, on);
        std::ifstream file(folder + "/" + name + ".f32", std::ios::binary);
        file.read(static_cast<char*>(m.get_data_handle()), static_cast<std::streamsize>(d.get_size()));
        if (!file) throw std::runtime_error(std::string("cannot read ") + name);
        return m;
    }
    void write(const memory& m, const char* name) const {
        std::ofstream(folder + "/" + name + ".f32", std::ios::binary)
            .write(static_cast<const char*>(m.get_data_handle()),
                   static_cast<std::streamsize>(m.get_desc().get_size()));
    }
    memory zeros(const memory::desc& d) const {
        memory m(d, on);
        if (d.get_size()) std::memset(m.get_data_handle(), 0, d.get_size());
        return m;
    }

    template <class Forward, class Backward>
    void connect(const Forward& f, const Backward& b, bool peepholes) {
        const memory input_weight = read(weight(I, Tag::ldigo), "weight_layer");
        const memory recurrent_weight = read(weight(H, Tag::ldigo), "weight_iter");
        const memory inputs = read(layer(), "inputs"), bias_value = read(bias(), "bias_onednn");
        const memory workspace(f.workspace_desc(), on);
        const memory fl(f.weights_layer_desc(), on), fi(f.weights_iter_desc(), on);
        const memory bl(b.weights_layer_desc(), on), bi(b.weights_iter_desc(), on);
        output = memory(result(), on);
        grad_inputs = zeros(layer());
        before_forward = {{input_weight, fl}, {recurrent_weight, fi}};
        before_backward = {{input_weight, bl}, {recurrent_weight, bi}};
        forward_arguments = {{DNNL_ARG_SRC_LAYER, inputs},      {DNNL_ARG_WEIGHTS_LAYER, fl}, {DNNL_ARG_WEIGHTS_ITER, fi},
                             {DNNL_ARG_BIAS, bias_value},       {DNNL_ARG_DST_LAYER, output},
                             {DNNL_ARG_WORKSPACE, workspace}};
        const memory dl = zeros(b.diff_weights_layer_desc()), di = zeros(b.diff_weights_iter_desc());
        const memory db = zeros(bias());
        zeroed = {dl, di, db};
        after = {{dl, memory(weight(I, Tag::ldigo), on)}, {di, memory(weight(H, Tag::ldigo), on)}};
        backward_arguments = {{DNNL_ARG_SRC_LAYER, inputs},
                              {DNNL_ARG_WEIGHTS_LAYER, bl},
                              {DNNL_ARG_WEIGHTS_ITER, bi},
                              {DNNL_ARG_BIAS, bias_value},
                              {DNNL_ARG_DST_LAYER, output},
                              {DNNL_ARG_WORKSPACE, workspace},
                              {DNNL_ARG_DIFF_SRC_LAYER, grad_inputs},
                              {DNNL_ARG_DIFF_WEIGHTS_LAYER, dl},
                              {DNNL_ARG_DIFF_WEIGHTS_ITER, di},
                              {DNNL_ARG_DIFF_BIAS, db},
                              {DNNL_ARG_DIFF_DST_LAYER, read(result(), "grad_output")}};
        // Without a first state oneDNN 3.13 has another gradient of the recurrent matrix for RNN and LSTM: each step's own
        // state stands in it for the one before.
        const auto begin = [&](int at, int gradient) {
            forward_arguments[at] = backward_arguments[at] = zeros(state());
            backward_arguments[gradient] = memory(state(), on);
        };
        begin(DNNL_ARG_SRC_ITER, DNNL_ARG_DIFF_SRC_ITER);
        if (G == 4) begin(DNNL_ARG_SRC_ITER_C, DNNL_ARG_DIFF_SRC_ITER_C);
        if (peepholes) {
            const memory value = read(peephole(), "peephole"), gradient = zeros(peephole());
            forward_arguments[DNNL_ARG_WEIGHTS_PEEPHOLE] = value;
            backward_arguments[DNNL_ARG_WEIGHTS_PEEPHOLE] = value;
            backward_arguments[DNNL_ARG_DIFF_WEIGHTS_PEEPHOLE] = gradient;
            zeroed.push_back(gradient);
        }
        forward = primitive(f);
        backward = primitive(b);
    }

    void build() {
        const auto training = prop_kind::forward_training, back = prop_kind::backward;
        const memory::desc none, wl = weight(I, Tag::any), wi = weight(H, Tag::any);
        if (cell == "LSTM") {
            const lstm_forward::primitive_desc f(on, training, left_to_right, layer(), state(), state(), wl, wi, bias(),
                                                 result(), none, none);
            const lstm_backward::primitive_desc b(on, back, left_to_right, layer(), state(), state(), wl, wi, bias(),
                                                  result(), none, none, layer(), state(), state(), wl, wi, bias(),
                                                  result(), none, none, f);
            connect(f, b, false);
        } else if (cell == "LSTM peepholes") {
            const lstm_forward::primitive_desc f(on, training, left_to_right, layer(), state(), state(), wl, wi,
                                                 peephole(), bias(), result(), none, none);
            const lstm_backward::primitive_desc b(on, back, left_to_right, layer(), state(), state(), wl, wi,
                                                  peephole(), bias(), result(), none, none, layer(), state(), state(), wl,
                                                  wi, peephole(), bias(), result(), none, none, f);
            connect(f, b, true);
        } else if (cell == "RNN") {
            const auto tanh = algorithm::eltwise_tanh;
            const vanilla_rnn_forward::primitive_desc f(on, training, tanh, left_to_right, layer(), state(), wl, wi,
                                                        bias(), result(), none);
            const vanilla_rnn_backward::primitive_desc b(on, back, tanh, left_to_right, layer(), state(), wl, wi,
                                                         bias(), result(), none, layer(), state(), wl, wi, bias(),
                                                         result(), none, f);
            connect(f, b, false);
        } else if (cell == "GRU before") {
            gated<gru_forward, gru_backward>();
        } else if (cell == "GRU after") {
            gated<lbr_gru_forward, lbr_gru_backward>();
        } else {
            throw std::runtime_error("not offered: " + cell);
        }
    }
    template <class Forward, class Backward>
    void gated() {
        const memory::desc none, wl = weight(I, Tag::any), wi = weight(H, Tag::any);
        const typename Forward::primitive_desc f(on, prop_kind::forward_training, left_to_right, layer(), state(), wl,
                                                 wi, bias(), result(), none);
        const typename Backward::primitive_desc b(on, prop_kind::backward, left_to_right, layer(), state(), wl, wi,
                                                  bias(), result(), none, layer(), state(), wl, wi, bias(), result(),
                                                  none, f);
        connect(f, b, false);
    }

    void reorder_all(std::vector<std::pair<memory, memory>>& pairs) {
        for (auto& [from, to] : pairs) reorder(from, to).execute(queue, from, to);
    }
    void run() {
        reorder_all(before_forward);
        forward.execute(queue, forward_arguments);
        reorder_all(before_backward);
        for (const memory& m : zeroed) std::memset(m.get_data_handle(), 0, m.get_desc().get_size());
        backward.execute(queue, backward_arguments);
        reorder_all(after);
        queue.wait();
    }
};

int main() {
    std::unique_ptr<Step> step;
    for (std::string line; std::getline(std::cin, line);) {
        try {
            if (text(line, "do") == "prepare") {
                step.reset();
                step = std::make_unique<Step>(line);
                step->run();
                step->write(step->output, "output");
                step->write(step->grad_inputs, "grad_inputs");
                step->write(step->after[0].second, "grad_weight_layer");
                step->write(step->after[1].second, "grad_weight_iter");
                std::cout << "{\"version\": \"" << dnnl_version()->major << "." << dnnl_version()->minor << "\"}"
                          << std::endl;
            } else if (!step) {
                throw std::runtime_error("nothing is prepared");
            } else {
                using clock = std::chrono::steady_clock;
                const double least = std::stod(text(line, "least"));
                const auto begin = clock::now();
                int count = 0;
                double passed = 0;
                for (; passed < least; ++count) {
                    step->run();
                    passed = std::chrono::duration<double>(clock::now() - begin).count();
                }
                std::cout << "{\"seconds\": " << passed / count << "}" << std::endl;
            }
        } catch (const std::exception& error) {
            std::cout << "{\"error\": \"" << error.what() << "\"}" << std::endl;
        }
    }
}
