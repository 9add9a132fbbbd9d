// Byte-pair encoding (Sennrich et al. 2016) on bytes: repeatedly makes the most frequent pair of
// neighbouring pieces a new piece. Own code, since Debian's sentencepiece brings its own protobuf,
// whose symbols clash with LibTorch's: a process with both crashes.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <queue>
#include <string>
#include <unordered_map>
#include <utility>

#include "base/diagnostics.hpp"
#include "engine/data/letters.hpp"
#include "engine/data/vocabulary.hpp"

namespace convoy::engine {
namespace {

using Pieces = std::vector<std::int32_t>;
using Pair = std::uint64_t;  // both pieces in one number, the left one in the upper half

Pair pair_of(std::int32_t left, std::int32_t right) {
  return static_cast<Pair>(left) << 32U | static_cast<Pair>(right);
}

// Visits words in lower case with a space in front (so that pieces at a word's start differ from
// others), and every other character alone. Cuts long runs: encoding takes time quadratic in the
// length.
template <class Visit>
void for_each_word(std::string_view text, Visit visit) {
  constexpr std::size_t longest = 40;
  std::string word;
  const auto end_word = [&] {
    if (!word.empty()) visit(word);
    word.clear();
  };
  for (const char c : text) {
    if (is_letter_or_digit(c)) {
      if (word.size() >= longest) end_word();
      if (word.empty()) word = " ";
      word += small_letter(c);
      continue;
    }
    end_word();
    if (c > ' ' && c < 0x7f) visit(std::string(1, c));
  }
  end_word();
}

// Replaces each pair equal to `wanted` by `made`.
void merge(Pieces& pieces, Pair wanted, std::int32_t made) {
  std::size_t to = 0;
  for (std::size_t from = 0; from < pieces.size(); ++from) {
    const bool both = from + 1 < pieces.size() && pair_of(pieces[from], pieces[from + 1]) == wanted;
    pieces[to++] = both ? made : pieces[from];
    if (both) ++from;
  }
  pieces.resize(to);
}

// The words of the texts as pieces, and the number of occurrences of each pair.
class Trainer {
 public:
  // `first`: piece number of each byte.
  Trainer(const std::unordered_map<std::string, std::int64_t>& counts,
          const std::array<std::int32_t, 256>& first) {
    for (const auto& [text, count] : counts) {
      Pieces pieces;
      for (const char c : text) pieces.push_back(first.at(static_cast<unsigned char>(c)));
      words_.push_back({std::move(pieces), count});
    }
    for (std::size_t i = 0; i < words_.size(); ++i) add(i, 1);
    for (const auto& [pair, place] : places_) queue_.push({place.count, pair});
  }

  // The most frequent pair; among equals the one with the oldest pieces. Nothing if no pair occurs
  // twice.
  std::optional<Pair> best() {
    while (!queue_.empty()) {
      const auto [count, pair] = queue_.top();
      if (const std::int64_t now = places_[pair].count; now != count) {  // outdated count
        queue_.pop();
        if (now > 0 && now < count) queue_.push({now, pair});
        continue;
      }
      if (count < 2) break;
      return pair;
    }
    return std::nullopt;
  }

  void join(Pair pair, std::int32_t made) {
    std::vector<std::size_t> within = std::move(places_[pair].words);
    std::sort(within.begin(), within.end());
    within.erase(std::unique(within.begin(), within.end()), within.end());
    for (const std::size_t i : within) {
      add(i, -1);
      merge(words_[i].pieces, pair, made);
      add(i, 1);
    }
    for (const std::size_t i : within) {  // pairs with the new piece
      const Pieces& pieces = words_[i].pieces;
      for (std::size_t p = 0; p + 1 < pieces.size(); ++p) {
        if (pieces[p] != made && pieces[p + 1] != made) continue;
        const Pair fresh = pair_of(pieces[p], pieces[p + 1]);
        queue_.push({places_[fresh].count, fresh});
      }
    }
  }

 private:
  struct Word {
    Pieces pieces;
    std::int64_t count = 0;
  };
  struct Place {
    std::int64_t count = 0;
    std::vector<std::size_t> words;  // that contain the pair, or did
  };
  struct Rarer {
    bool operator()(const std::pair<std::int64_t, Pair>& a,
                    const std::pair<std::int64_t, Pair>& b) const {
      return a.first != b.first ? a.first < b.first : a.second > b.second;
    }
  };

  void add(std::size_t i, int sign) {
    const Word& word = words_[i];
    for (std::size_t p = 0; p + 1 < word.pieces.size(); ++p) {
      Place& place = places_[pair_of(word.pieces[p], word.pieces[p + 1])];
      place.count += sign * word.count;
      if (sign > 0 && (place.words.empty() || place.words.back() != i)) place.words.push_back(i);
    }
  }

  std::vector<Word> words_;
  std::unordered_map<Pair, Place> places_;
  std::priority_queue<std::pair<std::int64_t, Pair>, std::vector<std::pair<std::int64_t, Pair>>,
                      Rarer>
      queue_;
};

class BytePairs : public Vocabulary {
 public:
  BytePairs(const std::vector<std::string_view>& texts, int size) {
    std::unordered_map<std::string, std::int64_t> counts;
    for (const std::string_view text : texts) {
      for_each_word(text, [&](const std::string& word) { ++counts[word]; });
    }
    first_.fill(token_unknown);
    for (const auto& [word, count] : counts) {
      for (const char c : word) first_.at(static_cast<unsigned char>(c)) = token_padding;
    }
    for (std::int32_t& piece : first_) {
      if (piece != token_unknown) piece = size_++;
    }
    if (size_ > size) {
      throw base::UserError(
          fmt::format("data.vocabulary.size = {}: byte pairs of these texts begin with {} tokens; "
                      "give at least that, better some thousands",
                      size, size_));
    }
    Trainer trainer(counts, first_);
    while (size_ < size) {
      const std::optional<Pair> pair = trainer.best();
      if (!pair) break;
      trainer.join(*pair, size_);
      made_.emplace(*pair, size_++);
    }
  }

  [[nodiscard]] int size() const override { return size_; }
  [[nodiscard]] std::vector<std::int32_t> encode(std::string_view text) const override {
    std::vector<std::int32_t> tokens;
    for_each_word(text, [&](const std::string& word) {
      const Pieces pieces = encode_word(word);
      tokens.insert(tokens.end(), pieces.begin(), pieces.end());
    });
    return tokens;
  }

 private:
  // Merges pairs in the order in which they were learned.
  [[nodiscard]] Pieces encode_word(const std::string& word) const {
    Pieces pieces;
    for (const char c : word) pieces.push_back(first_.at(static_cast<unsigned char>(c)));
    for (;;) {
      auto earliest = made_.end();
      for (std::size_t p = 0; p + 1 < pieces.size(); ++p) {
        const auto found = made_.find(pair_of(pieces[p], pieces[p + 1]));
        if (found == made_.end()) continue;
        if (earliest == made_.end() || found->second < earliest->second) earliest = found;
      }
      if (earliest == made_.end()) return pieces;
      merge(pieces, earliest->first, earliest->second);
    }
  }

  int size_ = special_tokens;
  std::array<std::int32_t, 256> first_{};
  std::unordered_map<Pair, std::int32_t> made_;
};

}  // namespace

std::unique_ptr<Vocabulary> make_byte_pairs(const std::vector<std::string_view>& texts, int size) {
  return std::make_unique<BytePairs>(texts, size);
}

}  // namespace convoy::engine
