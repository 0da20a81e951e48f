// The n-gram statistics of BLEU (Papineni et al. 2002), and the tokenization of mteval-v13a.pl.
//
// Exact to the count: grams are compared, never only their hashes. A gram of order n is a number that stands for
// (number of its first n − 1 tokens, its last token), so that each is looked up in constant time.

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "kernel.h"
#include "parallel.h"

namespace unrolled {
namespace {

constexpr int orders = 4;
constexpr int64_t kinds = 2 + 2 * orders;  // length, reference length, matches and n-grams of each order
constexpr int64_t segments_at_least = 2000;  // a thread costs more than counting fewer

// Bytes of the whitespace character that text begins with (as str.split has it), 0 when it begins with another.
int space_at(std::string_view text) {
    const auto byte = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
    const unsigned first = byte(0);
    if (first < 0x80) return (first >= 0x09 && first <= 0x0D) || (first >= 0x1C && first <= 0x20);
    if (first == 0xC2) return byte(1) == 0x85 || byte(1) == 0xA0 ? 2 : 0;
    if (first == 0xE1) return byte(1) == 0x9A && byte(2) == 0x80 ? 3 : 0;
    if (first == 0xE3) return byte(1) == 0x80 && byte(2) == 0x80 ? 3 : 0;
    if (first != 0xE2) return 0;
    const unsigned last = byte(2);
    if (byte(1) == 0x80) return (last >= 0x80 && last <= 0x8A) || last == 0xA8 || last == 0xA9 || last == 0xAF ? 3 : 0;
    return byte(1) == 0x81 && last == 0x9F ? 3 : 0;
}

std::string_view without_space_at_end(std::string_view text) {
    size_t end = 0;
    for (size_t i = 0; i < text.size();) {
        if (const int space = space_at(text.substr(i))) {
            i += space;
        } else {
            end = ++i;
        }
    }
    return text.substr(0, end);
}

void replace(std::string& text, std::string_view what, std::string_view with) {
    size_t found = text.find(what);
    if (found == std::string::npos) return;
    std::string replaced;
    size_t from = 0;
    for (; found != std::string::npos; found = text.find(what, from)) {
        replaced.append(text, from, found - from).append(with);
        from = found + what.size();
    }
    text.swap(replaced.append(text, from));
}

bool digit(char c) { return c >= '0' && c <= '9'; }
bool point(char c) { return c == '.' || c == ','; }

// Symbols that always stand alone: those of ASCII but ' , - . and letters and digits.
constexpr std::array<bool, 256> symbols = [] {
    std::array<bool, 256> table{};
    for (int c = 0x20; c < 0x7F; ++c) {
        const bool letter = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        table[c] = !letter && c != '\'' && c != ',' && c != '-' && c != '.';
    }
    return table;
}();

// The rules of mteval-v13a.pl, each a pass over the text as one regular expression is: a match takes its characters
// away from the next one. They read single bytes because no rule looks inside a character beyond ASCII.
class Tokenizer13a {
   public:
    std::string_view operator()(std::string_view line) {
        text_.assign(without_space_at_end(line));
        if (text_.find_first_of("<\n") != std::string::npos) {
            replace(text_, "<skipped>", "");
            replace(text_, "-\n", "");
            std::replace(text_.begin(), text_.end(), '\n', ' ');
        }
        if (text_.find('&') != std::string::npos) {
            replace(text_, "&quot;", "\"");
            replace(text_, "&amp;", "&");
            replace(text_, "&lt;", "<");
            replace(text_, "&gt;", ">");
        }
        separate_symbols();
        if (text_.find_first_of(".,") != std::string::npos) {
            pass([](char a, char b) { return !digit(a) && point(b); }, [](char* to, char a, char b) {
                return put(to, {a, ' ', b, ' '});
            });
            pass([](char a, char b) { return point(a) && !digit(b); }, [](char* to, char a, char b) {
                return put(to, {' ', a, ' ', b});
            });
        }
        if (text_.find('-') != std::string::npos) {
            pass([](char a, char b) { return digit(a) && b == '-'; }, [](char* to, char a, char b) {
                return put(to, {a, ' ', b, ' '});
            });
        }
        return text_;
    }

   private:
    std::string text_, next_;

    static char* put(char* to, const char (&four)[4]) {
        std::memcpy(to, four, 4);
        return to + 4;
    }

    void separate_symbols() {
        next_.resize(3 * text_.size() + 2);
        char* to = next_.data();
        *to++ = ' ';
        for (const char c : text_) {
            if (symbols[static_cast<unsigned char>(c)]) {
                *to++ = ' ', *to++ = c, *to++ = ' ';
            } else {
                *to++ = c;
            }
        }
        *to++ = ' ';
        next_.resize(to - next_.data());
        text_.swap(next_);
    }

    // Two characters that match are rewritten as four.
    template <class Matches, class Write>
    void pass(Matches matches, Write write) {
        next_.resize(2 * text_.size());
        char* to = next_.data();
        const size_t size = text_.size();
        for (size_t i = 0; i < size;) {
            if (i + 1 < size && matches(text_[i], text_[i + 1])) {
                to = write(to, text_[i], text_[i + 1]);
                i += 2;
            } else {
                *to++ = text_[i++];
            }
        }
        next_.resize(to - next_.data());
        text_.swap(next_);
    }
};

uint64_t mix(uint64_t key) {
    key = (key ^ (key >> 32)) * 0x9E3779B97F4A7C15u;
    return key ^ (key >> 29);
}

// Numbers for the distinct keys of one segment, from 0. Emptied in constant time.
template <class Key>
class Numbering {
   public:
    static constexpr int32_t absent = -1;

    void clear(size_t at_most) {
        size_t capacity = 64;
        while (capacity < 2 * at_most) capacity *= 2;
        // The mask is of this segment, so that a long one does not scatter the short ones after it.
        mask_ = capacity - 1;
        if (capacity > slots_.size()) slots_.assign(capacity, {}), round_ = 0;
        if (++round_ == 0) std::fill(slots_.begin(), slots_.end(), Slot{}), round_ = 1;
        size_ = 0;
    }
    int32_t find(const Key& key, uint64_t hash) const {
        const Slot& slot = slots_[place(key, hash)];
        return slot.round == round_ ? slot.number : absent;
    }
    int32_t add(const Key& key, uint64_t hash) {
        Slot& slot = slots_[place(key, hash)];
        if (slot.round != round_) slot = {key, round_, size_++};
        return slot.number;
    }
    int32_t size() const { return size_; }

   private:
    struct Slot {
        Key key{};
        uint32_t round = 0;
        int32_t number = absent;
    };
    std::vector<Slot> slots_;
    size_t mask_ = 0;
    uint32_t round_ = 0;
    int32_t size_ = 0;

    size_t place(const Key& key, uint64_t hash) const {
        size_t at = hash & mask_;
        while (slots_[at].round == round_ && slots_[at].key != key) at = (at + 1) & mask_;
        return at;
    }
};

class Counter {
   public:
    explicit Counter(bool tokenize) : tokenize_(tokenize) {}

    // A segment's hypothesis and references; its row of statistics.
    void count(const char* text, const int64_t* offsets, int64_t texts, int64_t* row) {
        const auto line = [&](int64_t i) { return std::string_view(text + offsets[i], offsets[i + 1] - offsets[i]); };
        words_.clear(offsets[1] - offsets[0]);  // no token is shorter than a byte
        counts_.clear();
        split(line(0), true);
        grams_.clear(orders * tokens_.size());
        const int64_t length = static_cast<int64_t>(tokens_.size());
        number_hypothesis();
        row[0] = length, row[1] = -1;
        for (int64_t i = 1; i < texts; ++i) {
            split(line(i), false);
            const int64_t other = static_cast<int64_t>(tokens_.size());
            const int64_t distance = std::abs(other - length), nearest = std::abs(row[1] - length);
            if (i == 1 || distance < nearest || (distance == nearest && other < row[1])) row[1] = other;
            match_reference();
        }
        std::fill(row + 2, row + kinds, 0);
        for (const Gram& gram : counts_) row[2 + gram.order] += std::min(gram.hypothesis, gram.allowed);
        for (int order = 0; order < orders; ++order) row[2 + orders + order] = std::max<int64_t>(length - order, 0);
    }

   private:
    struct Gram {
        int32_t order = 0, hypothesis = 0, reference = 0, allowed = 0;
    };
    const bool tokenize_;
    Tokenizer13a tokenizer_;
    std::vector<int32_t> tokens_, touched_;
    Numbering<std::string_view> words_;
    Numbering<uint64_t> grams_;
    std::vector<Gram> counts_;
    std::string hypothesis_;  // what the keys of words_ point into

    // The tokens' numbers. A token of a reference that the hypothesis lacks is absent.
    void split(std::string_view line, bool hypothesis) {
        if (tokenize_) line = tokenizer_(line);
        if (hypothesis) line = hypothesis_.assign(line);
        tokens_.clear();
        uint64_t hash = 0;
        size_t begin = 0;
        const auto end_token = [&](size_t end) {
            if (end == begin) return;
            const std::string_view token = line.substr(begin, end - begin);
            tokens_.push_back(hypothesis ? words_.add(token, mix(hash)) : words_.find(token, mix(hash)));
            hash = 0;
        };
        for (size_t i = 0; i < line.size();) {
            if (const int space = space_at(line.substr(i))) {
                end_token(i);
                begin = i += space;
            } else {
                hash = (hash ^ static_cast<unsigned char>(line[i++])) * 0x100000001B3u;
            }
        }
        end_token(line.size());
    }

    static uint64_t key(int32_t before, int32_t token) { return uint64_t(uint32_t(before)) << 32 | uint32_t(token); }

    void number_hypothesis() {
        for (size_t i = 0; i < tokens_.size(); ++i) {
            int32_t gram = Numbering<uint64_t>::absent;
            for (int order = 0; order < orders && i + order < tokens_.size(); ++order) {
                const uint64_t each = key(gram, tokens_[i + order]);
                gram = grams_.add(each, mix(each));
                if (size_t(gram) == counts_.size()) counts_.push_back({order, 0, 0, 0});
                ++counts_[gram].hypothesis;
            }
        }
    }

    // A gram may be matched as often as the reference that has most of it has it.
    void match_reference() {
        touched_.clear();
        for (size_t i = 0; i < tokens_.size(); ++i) {
            int32_t gram = Numbering<uint64_t>::absent;
            for (int order = 0; order < orders && i + order < tokens_.size(); ++order) {
                const int32_t token = tokens_[i + order];
                if (token == Numbering<std::string_view>::absent) break;
                const uint64_t each = key(gram, token);
                gram = grams_.find(each, mix(each));
                if (gram == Numbering<uint64_t>::absent) break;  // nor has the hypothesis a longer one
                if (counts_[gram].reference++ == 0) touched_.push_back(gram);
            }
        }
        for (const int32_t gram : touched_) {
            counts_[gram].allowed = std::max(counts_[gram].allowed, counts_[gram].reference);
            counts_[gram].reference = 0;
        }
    }
};

}  // namespace
}  // namespace unrolled

// The statistics of segments, (segments, 10): length of the hypothesis, length of the closest reference, clipped matches
// of orders 1 to 4, n-grams of orders 1 to 4. Text i is text[offsets[i]:offsets[i + 1]] in UTF-8; segment s has texts
// first[s] (its hypothesis) to first[s + 1], not included (its references). tokenize: 0 at whitespace, 1 as 13a.
extern "C" UNROLLED_EXPORT void unrolled_count_ngrams(const char* text, const int64_t* offsets, const int64_t* first,
                                                      int64_t segments, int32_t tokenize, int32_t threads,
                                                      int64_t* statistics) {
    using namespace unrolled;
    const int64_t useful = std::max<int64_t>(1, segments / segments_at_least);
    parallel(static_cast<int>(std::min<int64_t>(threads, useful)), [&](int thread, int of) {
        const Share mine = share(segments, thread, of);
        Counter counter(tokenize != 0);
        for (int64_t s = mine.begin; s < mine.end; ++s) {
            counter.count(text, offsets + first[s], first[s + 1] - first[s], statistics + s * kinds);
        }
    });
}
