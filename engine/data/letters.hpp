#pragma once

// The characters of a word. Independent of the C library's locale: every byte outside ASCII counts
// as a letter, so that UTF-8 words of all scripts stay whole.

namespace convoy::engine {

constexpr bool is_letter_or_digit(char c) {
  return static_cast<unsigned char>(c) >= 0x80 || (c >= '0' && c <= '9') ||
         (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

constexpr char small_letter(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

}  // namespace convoy::engine
