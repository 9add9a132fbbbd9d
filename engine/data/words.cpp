#include <algorithm>
#include <string>
#include <unordered_map>
#include <utility>

#include "engine/data/letters.hpp"
#include "engine/data/vocabulary.hpp"

namespace convoy::engine {
namespace {

template <class Visit>
void for_each_word(std::string_view text, Visit visit) {
  std::string word;
  for (const char c : text) {
    if (is_letter_or_digit(c)) {
      word += small_letter(c);
    } else if (!word.empty()) {
      visit(word);
      word.clear();
    }
  }
  if (!word.empty()) visit(word);
}

class Words : public Vocabulary {
 public:
  Words(const std::vector<std::string_view>& texts, int size) {
    std::unordered_map<std::string, std::int64_t> counts;
    for (const std::string_view text : texts) {
      for_each_word(text, [&](const std::string& word) { ++counts[word]; });
    }
    std::vector<std::pair<std::string, std::int64_t>> order(counts.begin(), counts.end());
    std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
      return a.second != b.second ? a.second > b.second : a.first < b.first;
    });
    order.resize(std::min(order.size(), static_cast<std::size_t>(size - special_tokens)));
    for (const auto& [word, count] : order) {
      numbers_.emplace(word, static_cast<std::int32_t>(numbers_.size()) + special_tokens);
    }
  }

  [[nodiscard]] int size() const override {
    return static_cast<int>(numbers_.size()) + special_tokens;
  }
  [[nodiscard]] std::vector<std::int32_t> encode(std::string_view text) const override {
    std::vector<std::int32_t> tokens;
    for_each_word(text, [&](const std::string& word) {
      const auto found = numbers_.find(word);
      tokens.push_back(found == numbers_.end() ? token_unknown : found->second);
    });
    return tokens;
  }

 private:
  std::unordered_map<std::string, std::int32_t> numbers_;
};

}  // namespace

std::unique_ptr<Vocabulary> make_word_vocabulary(const std::vector<std::string_view>& texts,
                                                 int size) {
  return std::make_unique<Words>(texts, size);
}

}  // namespace convoy::engine
