#pragma once

// Small things done with text: the nearest known name, lists, figures for people.

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace convoy::base {

// The name nearest to `word` by edit distance (a swap of neighbours counts one), or "" where none
// is near enough to be what was meant (more than a third of its length away, at least 2).
std::string nearest(std::string_view word, std::span<const std::string> names);

// "; did you mean "x"?" or "".
std::string did_you_mean(std::string_view word, std::span<const std::string> names);

// "a, b or c"
std::string list_of(std::span<const std::string> names, std::string_view last = "or");

// 1536 -> "1.5 KiB"; decimals only where they say something.
std::string human_bytes(double bytes);
std::string human_energy(double joules);
// 93784.2 -> "1d 02h 03m"; 305 -> "5m 05s"; 12.3456 -> "12.35 s"; 0.00012 -> "120 us".
std::string human_seconds(double seconds);
// 1234567 -> "1,234,567"
std::string human_count(double count);

// The integer that is all of the text, "-12"; nothing where it is none, or too large.
std::optional<std::int64_t> as_integer(std::string_view text);

// Safe to print on a terminal, and looking like what it is: UTF-8 without control characters, and
// without what nobody sees or what turns the writing around (U+202E and its kind).
bool is_printable(std::string_view text);
// Of a text from elsewhere what is safe to print and to log: at most `longest` characters, each
// control character and each byte beyond ASCII as '?'.
std::string printable(std::string_view text, std::size_t longest = 200);
// The same of its first line: what an exception of a large library has for people.
std::string first_line(std::string_view text);
// The whole text as it may go to a terminal: what is not printable as \x1b or \u{202e}; lines and
// tabs stay. For messages in which names of the user's own stand, in any script.
std::string escaped(std::string_view text);

// The text with something else for each of these characters.
std::string replaced(std::string_view text, const std::map<char, std::string_view>& by);
// As text or an attribute's value of HTML.
std::string in_html(const std::string& text);

// UTF-16 (by its byte order mark, or by the zeros in every second place) as UTF-8; anything else as
// it is. Half a character is U+FFFD. Throws UserError for UTF-32. `was_utf16`: whether it was.
std::string decoded(std::string bytes, const std::string& file, bool* was_utf16 = nullptr);

// FNV-1a, 64 bits, as 16 hexadecimal digits: names a content, is no protection against malice.
std::string content_hash(std::string_view content);

}  // namespace convoy::base
