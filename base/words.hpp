#pragma once

// The words for the values of an enum, or of a flag. They are written once, beside the enum; files
// are read, and results written, by the same list.
//
//   enum class Duplex { half, full };
//   inline constexpr base::Words<Duplex> duplex_words = {{Duplex::half, "half"},
//                                                        {Duplex::full, "full"}};
//
//   link.duplex = reader.choice(key, duplex_words, Duplex::full);  // TableReader
//   text += name_of(duplex_words, link.duplex);

#include <initializer_list>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace convoy::base {

template <class Value>
struct Word {
  Value value;
  const char* text;
};

template <class Value>
using Words = std::initializer_list<Word<Value>>;

// Throws std::logic_error for a value that has no word.
template <class Value>
constexpr const Word<Value>& word_of(Words<Value> words, std::type_identity_t<Value> value) {
  for (const Word<Value>& word : words) {
    if (word.value == value) return word;
  }
  throw std::logic_error("a value without a word");
}
template <class Value>
constexpr std::string_view name_of(Words<Value> words, std::type_identity_t<Value> value) {
  return word_of(words, value).text;
}

// Nothing where it is none of the words.
template <class Value>
constexpr std::optional<Value> value_of(Words<Value> words, std::string_view text) {
  for (const Word<Value>& word : words) {
    if (text == word.text) return word.value;
  }
  return std::nullopt;
}

template <class Value>
std::vector<std::string> texts_of(Words<Value> words) {
  std::vector<std::string> texts;
  for (const Word<Value>& word : words) texts.emplace_back(word.text);
  return texts;
}

}  // namespace convoy::base
