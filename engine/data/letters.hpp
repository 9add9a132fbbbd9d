#pragma once

// What a word is made of. Not the C library's idea of a letter, which depends on the locale: every
// byte outside ASCII counts as one, so that words of all scripts in UTF-8 stay whole.

namespace convoy::engine {

constexpr bool is_letter_or_digit(char c) {
  return static_cast<unsigned char>(c) >= 0x80 || (c >= '0' && c <= '9') ||
         (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

constexpr char small_letter(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

}  // namespace convoy::engine
