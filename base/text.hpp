#pragma once

// Small text functions: nearest known name, lists, numbers for people.

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace convoy::base {

// The name nearest to `word` by edit distance (a swap of neighbours counts one). "" if none is near
// enough: distance <= max(2, length / 3).
std::string nearest(std::string_view word, std::span<const std::string> names);

// "; did you mean "x"?" with the nearest name, or with all names that begin with the word; or "".
std::string did_you_mean(std::string_view word, std::span<const std::string> names);

// "a, b or c"
std::string list_of(std::span<const std::string> names, std::string_view last = "or");

// 1536 -> "1.5 KiB"; decimals only where useful, and `more` than that.
std::string human_bytes(double bytes, int more = 0);
std::string human_energy(double joules, int more = 0);
// 93784.2 -> "1d 02h 03m"; 305 -> "5m 05s"; 12.3456 -> "12.35 s"; 0.00012 -> "120 us". With one
// decimal more: "1d 02h 03m 04s", "5m 05.0s", "12.346 s", "120.0 us".
std::string human_seconds(double seconds, int more = 0);
// Bits per second: 5e7 -> "50 Mbit/s".
std::string human_rate(double bits_per_s);
// 1234567 -> "1,234,567"
std::string human_count(double count);

// The integer that is all of the text, "-12"; nothing where it is none, or too large.
std::optional<std::int64_t> as_integer(std::string_view text);

// Safe to print on a terminal, and looking like what it is: UTF-8 without control characters, and
// without what nobody sees or what turns the writing around (U+202E and its kind).
bool is_printable(std::string_view text);
// Makes foreign text safe to print and to log: at most `longest` characters; control characters and
// bytes outside ASCII become '?'.
std::string printable(std::string_view text, std::size_t longest = 200);
// printable() of the first line: for long exception texts of large libraries.
std::string first_line(std::string_view text);
// The columns that a text takes on a terminal: its characters.
std::size_t width_of(std::string_view text);
// Without blanks at its end.
std::string without_end(std::string text);
// A text in lines of at most `width` columns, broken after blanks and separators (, /).
// A longer piece without these stays whole. At least one line.
std::vector<std::string> wrapped(const std::string& text, std::size_t width);
// The width below which wrapped() cannot go.
std::size_t longest_piece(const std::string& text);
// Makes a whole text safe for a terminal: unprintable characters become \x1b or \u{202e}; line
// breaks and tabs stay. For messages with names given by the user, in any script.
std::string escaped(std::string_view text);
// The same for a JSON text, by JSON's own escapes: its value stays.
std::string escaped_json(std::string_view json);

// Capitals of ASCII become small letters, whatever the C library's locale.
std::string in_small_letters(std::string text);
// Replaces each of these characters by a text.
std::string replaced(std::string_view text, const std::map<char, std::string_view>& by);
// Escapes a text for HTML, in elements and attributes.
std::string in_html(const std::string& text);

// Converts UTF-16 (by its byte order mark, or zeros in every second byte) to UTF-8; other text
// stays as it is. Unpaired surrogates become U+FFFD. Throws UserError for UTF-32. Sets `was_utf16`.
std::string decoded(std::string bytes, const std::string& file, bool* was_utf16 = nullptr);

// FNV-1a, 64 bits, as 16 hexadecimal digits: identifies a content, is no security.
std::string content_hash(std::string_view content);

}  // namespace convoy::base
