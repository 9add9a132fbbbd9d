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

}  // namespace

std::string nearest(std::string_view word, std::span<const std::string> names) {
  constexpr std::size_t longest = 64;  // longer words are no misspelled names
  if (word.size() > longest) return "";
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(2, word.size() / 3) + 1;
  for (const std::string& name : names) {
    // "batchsize" for "batch": one is a prefix of the other.
    const std::size_t common = std::min(word.size(), name.size());
    const bool begins = common >= 4 && word.substr(0, common) == name.substr(0, common);
    const std::size_t d = begins ? 1 : distance(word, name);
    if (d < best_distance) {
      best = name;
      best_distance = d;
    }
  }
  return best;
}

std::string did_you_mean(std::string_view word, std::span<const std::string> names) {
  const std::string name = nearest(word, names);
  return name.empty() ? "" : fmt::format("; did you mean \"{}\"?", name);
}

std::string list_of(std::span<const std::string> names, std::string_view last) {
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) text += i + 1 == names.size() ? fmt::format(" {} ", last) : ", ";
    text += names[i];
  }
  return text;
}

std::string human_bytes(double bytes) {
  static constexpr std::array units = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  std::size_t unit = 0;
  while (std::abs(bytes) >= 1024 && unit + 1 < units.size()) {
    bytes /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{:.0f} B", bytes)
                   : fmt::format("{:.{}f} {}", bytes, bytes < 100 ? 1 : 0, units.at(unit));
}

std::string human_energy(double joules) {
  static constexpr std::array units = {"J", "kJ", "MJ", "GJ", "TJ"};
  constexpr double thousand = 1000;
  std::size_t unit = 0;
  while (std::abs(joules) >= thousand && unit + 1 < units.size()) {
    joules /= thousand;
    ++unit;
  }
  return fmt::format("{:.{}f} {}", joules, joules < 100 ? 1 : 0, units.at(unit));
}

std::string human_seconds(double seconds) {
  if (seconds < 0) return "-" + human_seconds(-seconds);
  if (seconds == 0) return "0 s";
  if (seconds < 1e-3) return fmt::format("{:.0f} us", seconds * 1e6);
  if (seconds < 1) return fmt::format("{:.1f} ms", seconds * 1e3);
  if (seconds < 100) return fmt::format("{:.2f} s", seconds);
  if (seconds > 1e12) return fmt::format("{:.3g} s", seconds);
  const auto whole = static_cast<std::int64_t>(std::llround(seconds));
  const auto minutes = whole / 60 % 60;
  if (whole < 3600) return fmt::format("{}m {:02}s", minutes, whole % 60);
  if (whole < 86400) return fmt::format("{}h {:02}m {:02}s", whole / 3600, minutes, whole % 60);
  return fmt::format("{}d {:02}h {:02}m", whole / 86400, whole / 3600 % 24, minutes);
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
