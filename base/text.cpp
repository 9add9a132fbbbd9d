#include "base/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <iterator>
#include <system_error>

#include "base/diagnostics.hpp"

namespace convoy::base {
namespace {

// Optimal string alignment distance.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = a[i - 1] == b[j - 1] ? 0 : 1;
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + change});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
      }
    }
  }
  return d[a.size()][b.size()];
}

struct Character {
  std::uint32_t code = 0;  // for a byte outside any character: the byte
  bool valid = false;
};

// Removes a UTF-8 character, or one invalid byte, from the front.
Character take_character(std::string_view& text) {
  const auto byte = [&](std::size_t i) -> std::uint32_t {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const std::uint32_t first = byte(0);
  const std::size_t length = first < 0x80   ? 1
                             : first < 0xc2 ? 0
                             : first < 0xe0 ? 2
                             : first < 0xf0 ? 3
                             : first < 0xf5 ? 4
                                            : 0;
  constexpr std::array<std::uint32_t, 5> least = {0, 0, 0x80, 0x800, 0x10000};
  std::uint32_t code = length == 1 ? first : first & (0x7fU >> length);
  bool valid = length > 0;
  for (std::size_t i = 1; valid && i < length; ++i) {
    valid = (byte(i) & 0xc0U) == 0x80;
    code = code << 6U | (byte(i) & 0x3fU);
  }
  valid = valid && code >= least.at(length) && code <= 0x10ffff && (code & 0x1ff800U) != 0xd800;
  text.remove_prefix(valid ? length : 1);
  return {valid ? code : first, valid};
}

// Control characters, characters that change the writing direction, invisible ones (Unicode's
// categories Cc, Zl, Zp, and Cf except signs used in Arabic and other scripts), and code points
// that Unicode will never assign.
bool hidden(std::uint32_t c) {
  struct Span {
    std::uint32_t first;
    std::uint32_t last;
  };
  constexpr std::array<Span, 17> spans = {{{0, 0x1f},
                                           {0x7f, 0x9f},
                                           {0xad, 0xad},
                                           {0x61c, 0x61c},
                                           {0x115f, 0x1160},
                                           {0x17b4, 0x17b5},
                                           {0x180b, 0x180f},
                                           {0x200b, 0x200f},
                                           {0x2028, 0x202e},
                                           {0x2060, 0x206f},
                                           {0x3164, 0x3164},
                                           {0xfdd0, 0xfdef},
                                           {0xfeff, 0xfeff},
                                           {0xfff0, 0xfffb},
                                           {0x1bca0, 0x1bca3},
                                           {0x1d173, 0x1d17a},
                                           {0xe0000, 0xe0fff}}};
  return (c & 0xfffeU) == 0xfffe ||
         std::ranges::any_of(spans, [c](const Span& s) { return c >= s.first && c <= s.last; });
}

void append_utf8(std::uint32_t c, std::string& out) {
  const auto put = [&](std::uint32_t byte) { out += static_cast<char>(byte); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xc0U | c >> 6U);
    put(0x80U | (c & 0x3fU));
  } else if (c < 0x10000) {
    put(0xe0U | c >> 12U);
    put(0x80U | (c >> 6U & 0x3fU));
    put(0x80U | (c & 0x3fU));
  } else {
    put(0xf0U | c >> 18U);
    put(0x80U | (c >> 12U & 0x3fU));
    put(0x80U | (c >> 6U & 0x3fU));
    put(0x80U | (c & 0x3fU));
  }
}

// Pieces at whose ends a line may end: after blanks and separators, but not before "%".
std::vector<std::string> pieces_of(const std::string& text) {
  constexpr std::string_view separators = " ,/";
  constexpr std::string_view joins = " ,/%";
  std::vector<std::string> pieces = {""};
  for (std::size_t i = 0; i < text.size(); ++i) {
    pieces.back() += text[i];
    const bool ends = separators.find(text[i]) < separators.size() && i + 1 < text.size() &&
                      joins.find(text[i + 1]) >= joins.size();
    if (ends) pieces.emplace_back();
  }
  return pieces;
}

}  // namespace

std::string without_end(std::string text) {
  text.erase(text.find_last_not_of(' ') + 1);
  return text;
}

std::string nearest(std::string_view word, std::span<const std::string> names) {
  constexpr std::size_t longest = 64;  // longer words are no misspelled names
  if (word.size() > longest) return "";
  std::string best;
  // In halves, so that "batch" for "batchsize" comes between one and two letters.
  std::size_t best_distance = 2 * std::max<std::size_t>(2, word.size() / 3) + 1;
  for (const std::string& name : names) {
    const std::size_t common = std::min(word.size(), name.size());
    const bool begins = common >= 4 && word.substr(0, common) == name.substr(0, common);
    std::size_t d = 2 * distance(word, name);
    if (begins) d = std::min<std::size_t>(d, 3);
    if (d < best_distance) {
      best = name;
      best_distance = d;
    }
  }
  return best;
}

std::string did_you_mean(std::string_view word, std::span<const std::string> names) {
  constexpr std::size_t most = 8;
  std::vector<std::string> longer;
  for (const std::string& name : names) {
    if (word.size() >= 2 && name.size() > word.size() && name.starts_with(word)) {
      longer.push_back(fmt::format("\"{}\"", name));
    }
  }
  if (longer.size() > 1 && longer.size() <= most) {
    return fmt::format("; did you mean {}?", list_of(longer));
  }
  const std::string name = nearest(word, names);
  return name.empty() || name == word ? "" : fmt::format("; did you mean \"{}\"?", name);
}

std::string list_of(std::span<const std::string> names, std::string_view last) {
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) text += i + 1 == names.size() ? fmt::format(" {} ", last) : ", ";
    text += names[i];
  }
  return text;
}

std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::vector<std::string> wrapped(const std::string& text, std::size_t width) {
  if (width_of(text) <= width) return {text};
  std::vector<std::string> lines = {""};
  for (const std::string& piece : pieces_of(text)) {
    if (!lines.back().empty() && width_of(lines.back()) + width_of(without_end(piece)) > width) {
      lines.emplace_back();
    }
    lines.back() += piece;
  }
  for (std::string& line : lines) line = without_end(line);
  return lines;
}

std::size_t longest_piece(const std::string& text) {
  std::size_t longest = 0;
  for (const std::string& piece : pieces_of(text)) {
    longest = std::max(longest, width_of(without_end(piece)));
  }
  return longest;
}

std::string human_bytes(double bytes, int more) {
  static constexpr std::array units = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  std::size_t unit = 0;
  while (std::abs(bytes) >= 1024 && unit + 1 < units.size()) {
    bytes /= 1024;
    ++unit;
  }
  // Bytes are whole, but for means.
  if (unit == 0) return fmt::format("{:.{}f} B", bytes, more);
  return fmt::format("{:.{}f} {}", bytes, (bytes < 100 ? 1 : 0) + more, units.at(unit));
}

std::string human_energy(double joules, int more) {
  static constexpr std::array units = {"J", "kJ", "MJ", "GJ", "TJ"};
  constexpr double thousand = 1000;
  std::size_t unit = 0;
  while (std::abs(joules) >= thousand && unit + 1 < units.size()) {
    joules /= thousand;
    ++unit;
  }
  return fmt::format("{:.{}f} {}", joules, (joules < 100 ? 1 : 0) + more, units.at(unit));
}

std::string human_seconds(double seconds, int more) {
  constexpr double minute = 60;
  constexpr double hour = 3600;
  constexpr double day = 86400;
  if (seconds < 0) return "-" + human_seconds(-seconds, more);
  if (seconds == 0) return "0 s";
  if (seconds < 1e-3) return fmt::format("{:.{}f} us", seconds * 1e6, more);
  if (seconds < 1) return fmt::format("{:.{}f} ms", seconds * 1e3, 1 + more);
  if (seconds < 100) return fmt::format("{:.{}f} s", seconds, 2 + more);
  if (seconds > 1e12) return fmt::format("{:.{}g} s", seconds, 3 + more);
  // Rounded first, so that 59.96 s do not become "60.0s". From a day on without seconds, at first.
  const int decimals = seconds < day ? more : std::max(0, more - 1);
  const double steps = std::pow(10, decimals);
  const double rounded = std::round(seconds * steps) / steps;
  const double rest = std::fmod(rounded, minute);
  const auto seconds_text =
      fmt::format("{:0{}.{}f}s", rest, decimals > 0 ? decimals + 3 : 2, decimals);
  const auto whole = static_cast<std::int64_t>(rounded);
  const auto minutes = whole / 60 % 60;
  if (rounded < hour) return fmt::format("{}m {}", minutes, seconds_text);
  if (rounded < day) return fmt::format("{}h {:02}m {}", whole / 3600, minutes, seconds_text);
  return fmt::format("{}d {:02}h {:02}m{}", whole / 86400, whole / 3600 % 24, minutes,
                     more > 0 ? " " + seconds_text : "");
}

std::string human_rate(double bits_per_s) {
  static constexpr std::array units = {"bit/s", "kbit/s", "Mbit/s", "Gbit/s"};
  constexpr double thousand = 1000;
  std::size_t unit = 0;
  while (std::abs(bits_per_s) >= thousand && unit + 1 < units.size()) {
    bits_per_s /= thousand;
    ++unit;
  }
  return fmt::format("{:.4g} {}", bits_per_s, units.at(unit));
}

std::string human_count(double count) {
  std::string digits = fmt::format("{:.0f}", count);
  const std::size_t first = digits.front() == '-' ? 1 : 0;
  for (std::size_t at = digits.size(); at > first + 3;) {
    at -= 3;
    digits.insert(at, ",");
  }
  return digits;
}

std::optional<std::int64_t> as_integer(std::string_view text) {
  std::int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, failure] = std::from_chars(text.data(), end, value);
  return failure == std::errc() && stop == end ? std::optional(value) : std::nullopt;
}

bool is_printable(std::string_view text) {
  while (!text.empty()) {
    const Character c = take_character(text);
    if (!c.valid || hidden(c.code)) return false;
  }
  return true;
}

std::string first_line(std::string_view text) { return printable(text.substr(0, text.find('\n'))); }

std::string escaped(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::string_view before = text;
    const Character c = take_character(text);
    const std::string_view bytes = before.substr(0, before.size() - text.size());
    if (!c.valid || (hidden(c.code) && c.code < 0x80 && c.code != '\n' && c.code != '\t')) {
      fmt::format_to(std::back_inserter(out), "\\x{:02x}", c.code);
    } else if (hidden(c.code) && c.code >= 0x80) {
      fmt::format_to(std::back_inserter(out), "\\u{{{:04x}}}", c.code);
    } else {
      out += bytes;
    }
  }
  return out;
}

std::string escaped_json(std::string_view json) {
  std::string out;
  while (!json.empty()) {
    const std::string_view before = json;
    const Character c = take_character(json);
    const std::string_view bytes = before.substr(0, before.size() - json.size());
    if (!c.valid || !hidden(c.code) || c.code == '\n' || c.code == '\t') {
      out += bytes;
    } else if (c.code < 0x10000) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", c.code);
    } else {  // two surrogates
      const auto high = 0xD800 + ((c.code - 0x10000) >> 10);
      const auto low = 0xDC00 + ((c.code - 0x10000) & 0x3FF);
      fmt::format_to(std::back_inserter(out), "\\u{:04x}\\u{:04x}", high, low);
    }
  }
  return out;
}

std::string in_small_letters(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

std::string replaced(std::string_view text, const std::map<char, std::string_view>& by) {
  std::string out;
  out.reserve(text.size());
  for (const char& c : text) {
    const auto found = by.find(c);
    out += found == by.end() ? std::string_view(&c, 1) : found->second;
  }
  return out;
}

std::string in_html(const std::string& text) {
  return replaced(text,
                  {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}, {'\'', "&#39;"}});
}

std::string decoded(std::string bytes, const std::string& file, bool* was_utf16) {
  const auto at = [&](std::size_t i) {
    return i < bytes.size() ? static_cast<unsigned char>(bytes[i]) : 0xffU;
  };
  if ((at(0) == 0xff && at(1) == 0xfe && at(2) == 0 && at(3) == 0) ||
      (at(0) == 0 && at(1) == 0 && at(2) == 0xfe && at(3) == 0xff)) {
    throw UserError(file + ": is UTF-32; save it as UTF-8");
  }
  bool little = at(0) == 0xff && at(1) == 0xfe;
  bool big = at(0) == 0xfe && at(1) == 0xff;
  const std::size_t mark = little || big ? 2 : 0;
  if (mark == 0 && bytes.size() >= 4) {
    // UTF-16 text of letters and digits: at its beginning exactly every second byte is 0.
    const std::size_t looked_at = std::min<std::size_t>(bytes.size() / 2 * 2, 64);
    std::array<std::size_t, 2> zeros{};
    for (std::size_t i = 0; i < looked_at; ++i) zeros.at(i % 2) += at(i) == 0 ? 1 : 0;
    little = zeros[0] == 0 && zeros[1] > looked_at / 4;
    big = zeros[1] == 0 && zeros[0] > looked_at / 4;
  }
  if (was_utf16 != nullptr) *was_utf16 = little || big;
  if (!little && !big) return bytes;
  constexpr std::uint32_t replacement = 0xfffd;
  std::string out;
  out.reserve(bytes.size() / 2 + 4);
  const auto unit = [&](std::size_t i) -> std::uint32_t {
    return little ? at(i) | at(i + 1) << 8U : at(i) << 8U | at(i + 1);
  };
  const auto is = [](std::uint32_t c, std::uint32_t half) { return (c & 0xfc00U) == half; };
  for (std::size_t i = mark; i < bytes.size(); i += 2) {
    std::uint32_t c = i + 1 < bytes.size() ? unit(i) : replacement;
    if (is(c, 0xd800) && i + 3 < bytes.size() && is(unit(i + 2), 0xdc00)) {
      c = 0x10000 + ((c & 0x3ffU) << 10U) + (unit(i + 2) & 0x3ffU);
      i += 2;
    } else if (is(c, 0xd800) || is(c, 0xdc00)) {
      c = replacement;
    }
    append_utf8(c, out);
  }
  return out;
}

std::string printable(std::string_view text, std::size_t longest) {
  std::string clean(text.substr(0, longest));
  for (char& c : clean) {
    if (c < ' ' || c > '~') c = '?';
  }
  return clean;
}

std::string content_hash(std::string_view content) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : content) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001b3U;
  }
  return fmt::format("{:016x}", hash);
}

}  // namespace convoy::base
