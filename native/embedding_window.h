// One window of skip-gram or CBOW: the rows it touches, and room for its arithmetic.
//
// A window is `hidden` vectors H (each a row of the input matrix or, when combined, one weighted sum of rows) and
// `outputs` rows O of the output matrix, each with a label t: 1 for a word that stood there, 0 for one drawn from the
// noise. Its loss is Σ −log σ(±h·o), and with G = σ(H Oᵀ) − T its gradients are ∂H = G O and ∂O = Gᵀ H.
#pragma once

#include <cstdint>

namespace unrolled {

struct EmbeddingWindow {
    float* input;            // (rows, dimensions) the matrix of what words are
    float* output;           // (vocabulary, dimensions) the matrix of what words predict
    int64_t dimensions;
    const int32_t* rows;     // (inputs) rows of `input`
    const float* scales;     // (inputs) and their weights, when combined
    int64_t inputs;
    int32_t combined;        // 0: every row is a hidden vector; 1: their weighted sum is the only one
    int32_t measure;         // 1: leave the logits in `logits`
    const int32_t* targets;  // (outputs) rows of `output`
    const float* labels;     // (outputs) 1 or 0
    const float* mask;       // (outputs) 0: drawn from the noise, but the very word to be predicted; does not count
    int64_t outputs;
    float rate;
    // Scratch, all padded: columns to 16, hidden to 2, outputs to 6; the padding of columns is zero and stays so.
    int64_t columns;
    float *H, *dH;           // (hidden, columns)
    float *O, *dO;           // (outputs, columns)
    float *G, *logits;       // (hidden, outputs)
    // Which rows embedding_add may touch: those r with r % parts == part.
    int32_t part, parts;
};

// Leaves in dH and dO what is to be added to the rows: minus the gradient times the rate.
extern "C" void unrolled_embedding_descend(const EmbeddingWindow*);
// Adds dH and dO to the rows.
extern "C" void unrolled_embedding_add(const EmbeddingWindow*);

}  // namespace unrolled
