#pragma once

// Turning texts into token numbers, by a vocabulary made of the texts that are trained on.

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
  // The tokens of a text, token_begin not among them.
  [[nodiscard]] virtual std::vector<std::int32_t> encode(std::string_view text) const = 0;
};

// The most frequent words, those equally frequent in the order of the alphabet. A word is a run of
// letters and digits; ASCII letters are made small, every byte outside ASCII counts as a letter.
std::unique_ptr<Vocabulary> make_word_vocabulary(const std::vector<std::string_view>& texts,
                                                 int size);

// Pieces of such words by byte-pair encoding, and each other sign as a piece of its own. Throws
// base::UserError where `size` has no room for the bytes that occur.
std::unique_ptr<Vocabulary> make_byte_pairs(const std::vector<std::string_view>& texts, int size);

}  // namespace convoy::engine
