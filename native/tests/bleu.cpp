#include "driver.h"

extern "C" void unrolled_count_ngrams(const char* text, const int64_t* offsets, const int64_t* first, int64_t segments,
                                      int32_t tokenize, int32_t threads, int64_t* statistics);

void bleu() {
    // Pieces that tokenization looks at, some of them no whole UTF-8.
    const std::vector<std::string> parts{"a", "b", " ", " ", "1.5", ",", "&amp;", "\n", "-\n", "\xC2\xA0", "\xE2\x80", "<skipped>", "é", "."};
    for (const int64_t segments : {int64_t(0), int64_t(1), int64_t(8100)}) {
        std::string text;
        std::vector<int64_t> offsets{0}, first{0};
        for (int64_t s = 0; s < segments; ++s) {
            const int64_t texts = 2 + s % 2;  // a hypothesis and its references
            for (int64_t t = 0; t < texts; ++t) {
                for (uint64_t n = below(9); n > 0; --n) text += parts[below(parts.size())];
                offsets.push_back(static_cast<int64_t>(text.size()));
            }
            first.push_back(first.back() + texts);
        }
        const std::vector<char> bytes(text.begin(), text.end());
        for (const int32_t tokenize : {0, 1})
            check("bleu", 0, [&](int threads) {
                std::vector<int64_t> statistics(segments * 10);
                unrolled_count_ngrams(bytes.data(), offsets.data(), first.data(), segments, tokenize, threads, statistics.data());
                Result result;
                result.add(statistics);
                return result;
            });
    }
}
