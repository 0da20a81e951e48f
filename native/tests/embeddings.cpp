#include "driver.h"

#include "../glove_entries.h"
#include "../skipgram.h"

using namespace unrolled;
extern "C" {
void unrolled_train_embeddings(const EmbeddingJob*, const int32_t*, const int64_t*, int64_t, int64_t, double*, int64_t*);
void unrolled_train_glove(const GloveEntries*, int32_t);
int64_t unrolled_count_pairs(const int32_t*, const int64_t*, int64_t, int64_t, int32_t, uint64_t*, double*, int64_t, int64_t*);
}

namespace {

constexpr int32_t vocabulary = 400;  // a round of windows is a sixteenth of it

std::vector<int32_t> words(int64_t count) {
    std::vector<int32_t> made(count);
    for (int32_t& word : made) word = static_cast<int32_t>(below(vocabulary));
    return made;
}

// An empty sentence, one of a word, a long one, an empty one.
const std::vector<int64_t> bounds{0, 0, 1, 700, 700};

void windows(int32_t architecture, int32_t dimensions, bool synchronous, bool in_pieces) {
    const auto ids = words(bounds.back());
    const std::vector<uint32_t> keep(vocabulary, 0xE0000000u), odds(vocabulary, 0x80000000u);
    const std::vector<int32_t> alias = words(vocabulary);
    std::vector<int64_t> begin;
    std::vector<int32_t> pieces;
    for (int32_t word = 0; in_pieces && word < vocabulary; ++word) {
        begin.push_back(static_cast<int64_t>(pieces.size()));
        pieces.push_back(word);
        for (int32_t n = 0; n < word % 3; ++n) pieces.push_back(vocabulary + static_cast<int32_t>(below(9)));
    }
    if (in_pieces) begin.push_back(static_cast<int64_t>(pieces.size()));
    const auto first_input = numbers<float>((vocabulary + 9) * dimensions), first_output = numbers<float>(vocabulary * dimensions);
    // Lock-free threads race for the rows by design, and no two runs agree: there, only one thread is compared.
    check("windows of " + std::to_string(dimensions), synchronous ? 0 : 2, [&](int threads) {
#ifdef UNROLLED_THREAD_SANITIZER
        if (!synchronous) threads = 1;
#endif
        auto input = first_input, output = first_output;
        EmbeddingJob job{};
        job.architecture = architecture, job.dimensions = dimensions, job.window = 3, job.negatives = 4;
        job.vocabulary = vocabulary, job.threads = threads, job.synchronous = synchronous, job.seed = 7;
        job.total = bounds.back(), job.first_rate = 0.05, job.last_rate = 0.001;
        job.keep = keep.data(), job.noise_odds = odds.data(), job.noise_alias = alias.data();
        job.pieces_begin = address(begin), job.pieces = address(pieces), job.input = input.data(), job.output = output.data();
        double loss = 0;
        int64_t pairs = 0;
        unrolled_train_embeddings(&job, ids.data(), bounds.data(), static_cast<int64_t>(bounds.size()) - 1, 0, &loss, &pairs);
        Result result;
        result.add(input), result.add(output);
        return result;
    });
}

void glove(int64_t dimensions) {
    const int64_t count = 700;
    const auto rows = words(count), columns = words(count);
    const auto logs = numbers<float>(count), weights = numbers<float>(count);
    const auto matrix = numbers<float>(vocabulary * dimensions), bias = numbers<float>(vocabulary);
    const std::vector<float> squares(vocabulary, 1);
    check("glove of " + std::to_string(dimensions), 0, [&](int threads) {
        auto input = matrix, output = matrix, input_bias = bias, output_bias = bias, input_squares = squares;
        auto output_squares = squares, input_bias_squares = squares, output_bias_squares = squares;
        double loss = 0;
        const GloveEntries all{rows.data(), columns.data(), logs.data(), weights.data(), count, dimensions, 0.05f,
                               input.data(), output.data(), input_bias.data(), output_bias.data(), input_squares.data(),
                               output_squares.data(), input_bias_squares.data(), output_bias_squares.data(), &loss};
        unrolled_train_glove(&all, threads);
        Result result;
        for (const auto* part : {&input, &output, &input_bias, &output_bias, &input_squares, &output_squares}) result.add(*part);
        return result;
    });
}

void pairs() {
    const auto ids = words(bounds.back());
    check("pairs", 0, [&](int) {
        const int64_t capacity = 1024;  // fills up on the way
        std::vector<uint64_t> keys(capacity, ~uint64_t(0));
        std::vector<double> values(capacity);
        int64_t used = 0;
        unrolled_count_pairs(ids.data(), bounds.data(), static_cast<int64_t>(bounds.size()) - 1, 0, 5, keys.data(), values.data(),
                             capacity, &used);
        Result result;
        result.add(values);
        return result;
    });
}

}  // namespace

void embeddings() {
    for (const int32_t dimensions : {1, 16, 21})
        for (const int32_t architecture : {0, 1})
            for (const bool in_pieces : {false, true}) {
                windows(architecture, dimensions, true, in_pieces);
                windows(architecture, dimensions, false, in_pieces);
            }
    for (const int64_t dimensions : {1, 16, 21}) glove(dimensions);
    pairs();
}
