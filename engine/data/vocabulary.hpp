#pragma once

// Converts texts to token numbers, by a vocabulary made from the training texts.

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "engine/data/dataset.hpp"

namespace convoy::engine {

class Vocabulary {
 public:
  virtual ~Vocabulary() = default;
  // Token numbers are below this.
  [[nodiscard]] virtual int size() const = 0;
  // The tokens of a text, without token_begin.
  [[nodiscard]] virtual std::vector<std::int32_t> encode(std::string_view text) const = 0;
};

// A vocabulary of the most frequent words; equally frequent ones in alphabetical order. A word is a
// run of letters and digits; ASCII letters become lower case, every byte outside ASCII is a letter.
std::unique_ptr<Vocabulary> make_word_vocabulary(const std::vector<std::string_view>& texts,
                                                 int size);

// Byte-pair encoding: pieces of such words; every other character is its own token. Throws
// base::UserError if `size` is too small for the bytes that occur.
std::unique_ptr<Vocabulary> make_byte_pairs(const std::vector<std::string_view>& texts, int size);

}  // namespace convoy::engine
