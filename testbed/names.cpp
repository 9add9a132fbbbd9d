#include "testbed/names.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace convoy::testbed {
namespace {

// Not std::isalnum, which depends on the locale.
bool is_letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

}  // namespace

bool is_clean_name(std::string_view name) {
  if (name.empty() || name.size() > longest_name) return false;
  if (name.front() == '.' || name.front() == '-') return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return is_letter_or_digit(c) || c == '-' || c == '_' || c == '.';
  });
}

std::string clean_name_rule() {
  return fmt::format("1 to {} letters, digits, '-', '_' and '.', not beginning with '.' or '-'",
                     longest_name);
}

std::string clean_for_log(std::string_view text) {
  constexpr std::size_t longest = 200;
  constexpr std::string_view cut = "...";
  const bool whole = text.size() <= longest;
  std::string clean(text.substr(0, whole ? longest : longest - cut.size()));
  std::replace_if(
      clean.begin(), clean.end(), [](char c) { return c < 0x20 || c > 0x7e; }, '?');
  return whole ? clean : clean.append(cut);
}

}  // namespace convoy::testbed
