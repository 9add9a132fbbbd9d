// Tests text that is safe for a terminal, and encodings of files.

#include "base/text.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <iostream>
#include <limits>
#include <random>

#include "base/csv.hpp"
#include "base/diagnostics.hpp"
#include "base/table_reader.hpp"
#include "tests/support/files.hpp"

namespace convoy::base {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

// An independent implementation, by the table of RFC 3629.
std::string utf8(char32_t c) {
  const auto tail = [](char32_t bits) { return static_cast<char>(0x80 + bits % 64); };
  if (c < 0x80) return {static_cast<char>(c)};
  if (c < 0x800) return {static_cast<char>(0xc0 + c / 64), tail(c)};
  if (c < 0x10000) return {static_cast<char>(0xe0 + c / 4096), tail(c / 64), tail(c)};
  return {static_cast<char>(0xf0 + c / 262144), tail(c / 4096), tail(c / 64), tail(c)};
}

std::string utf16(const std::u32string& text, bool little, bool mark) {
  std::u16string units;
  if (mark) units += u'\xfeff';
  for (const char32_t c : text) {
    if (c < 0x10000) {
      units += static_cast<char16_t>(c);
    } else {
      units += static_cast<char16_t>(0xd800 + (c - 0x10000) / 0x400);
      units += static_cast<char16_t>(0xdc00 + (c - 0x10000) % 0x400);
    }
  }
  std::string bytes;
  for (const char16_t u : units) {
    const char low = static_cast<char>(u % 256);
    const char high = static_cast<char>(u / 256);
    bytes += little ? std::string{low, high} : std::string{high, low};
  }
  return bytes;
}

char32_t random_character(std::mt19937& random) {
  for (;;) {
    constexpr char32_t ends[] = {0x80, 0x800, 0x10000, 0x110000};
    const char32_t c = random() % ends[random() % 4];
    if (c < 0xd800 || c > 0xdfff) return c;
  }
}

TEST(Text, UnicodeIsReadFromUtf8AndUtf16Alike) {
  const std::uint32_t seed = std::random_device()();
  std::cerr << "seed " << seed << "\n";
  std::mt19937 random(seed);
  for (int i = 0; i < 500; ++i) {
    std::u32string text;
    std::string expected;
    // The text begins with letters and digits, as logs and tables do.
    for (int k = 0; k < 40; ++k) text += U'a' + random() % 26;
    for (int k = 0; k < 40; ++k) text += random_character(random);
    for (const char32_t c : text) expected += utf8(c);
    const bool mark = random() % 2 == 0;
    for (const bool little : {true, false}) {
      bool was = false;
      EXPECT_EQ(decoded(utf16(text, little, mark), "f", &was), expected);
      EXPECT_TRUE(was);
    }
    bool was = true;
    EXPECT_EQ(decoded(expected, "f", &was), expected);
    EXPECT_FALSE(was);
  }
}

TEST(Text, WhatIsBrokenInUtf16IsMarked) {
  using namespace std::string_literals;
  EXPECT_EQ(decoded("\xff\xfe"s + "a\0"s + "\x00\xd8"s + "b\0"s, "f"), "a\xEF\xBF\xBD"s + "b");
  EXPECT_EQ(decoded("\xff\xfe"s + "a\0"s + "\x00\xdc"s, "f"), "a\xEF\xBF\xBD");
  EXPECT_EQ(decoded("\xff\xfe"s + "a\0"s + "b"s, "f"), "a\xEF\xBF\xBD") << "cut within one";
  EXPECT_EQ(decoded("\xff\xfe"s, "f"), "");
  EXPECT_EQ(decoded("", "f"), "");
  EXPECT_EQ(decoded("a\0\0\0"s, "f"), "a\0\0\0"s) << "no text at all";
  EXPECT_THAT([] { decoded("\xff\xfe\0\0a\0\0\0"s, "f.csv"); },
              ThrowsMessage<UserError>(HasSubstr("f.csv: is UTF-32")));
}

TEST(Text, WhatHidesOrTurnsTheWritingIsNotPrintable) {
  // Unicode 15: controls, line ends, directions, invisible signs, tags.
  for (const char32_t c :
       {U'\0',     U'\n',     U'\x1b',   U'\x7f',    U'\x80',    U'\x9b',   U'\xad',   U'\x61c',
        U'\x180e', U'\x200b', U'\x200e', U'\x200f',  U'\x2028',  U'\x2029', U'\x202a', U'\x202b',
        U'\x202c', U'\x202d', U'\x202e', U'\x2060',  U'\x2066',  U'\x2067', U'\x2068', U'\x2069',
        U'\xfeff', U'\xfff9', U'\xfffe', U'\xe0001', U'\xe0041', U'\x1ffff'}) {
    EXPECT_FALSE(is_printable("nano" + utf8(c) + "1")) << std::hex << static_cast<unsigned>(c);
    if (c != U'\n') {
      EXPECT_TRUE(is_printable(escaped("nano" + utf8(c)))) << std::hex << static_cast<unsigned>(c);
    }
  }
  for (const char32_t c : {U' ', U'~', U'\xe4', U'\x3b1', U'\x416', U'\x5d0', U'\x627', U'\x4e2d',
                           U'\x1f600', U'\x661', U'\xfffd'}) {
    EXPECT_TRUE(is_printable("nano" + utf8(c))) << std::hex << static_cast<unsigned>(c);
    EXPECT_EQ(escaped("nano" + utf8(c)), "nano" + utf8(c));
  }
  for (const char* broken : {"\x80", "\xc3", "\xc0\xaf", "\xe0\x80\x80", "\xed\xa0\x80",
                             "\xf4\x90\x80\x80", "\xff", "a\xe2\x82"}) {
    EXPECT_FALSE(is_printable(broken)) << broken;
    EXPECT_TRUE(is_printable(escaped(broken))) << broken;
  }
  EXPECT_EQ(escaped("a\x1b[31m\xe2\x80\xae\tb\n\xff"), "a\\x1b[31m\\u{202e}\tb\n\\xff");
}

TEST(Text, WhateverBytesComeNothingReachesTheTerminalRaw) {
  const std::uint32_t seed = std::random_device()();
  std::cerr << "seed " << seed << "\n";
  std::mt19937 random(seed);
  for (int i = 0; i < 3000; ++i) {
    std::string bytes;
    for (int k = 0; k < 30; ++k) {
      bytes += random() % 2 == 0 ? std::string(1, static_cast<char>(random()))
                                 : utf8(random_character(random));
    }
    std::string safe = escaped(bytes);
    EXPECT_EQ(escaped(safe), safe);
    std::erase_if(safe, [](char c) { return c == '\n' || c == '\t'; });
    ASSERT_TRUE(is_printable(safe));
    ASSERT_TRUE(is_printable(printable(bytes)));
    if (is_printable(bytes)) {
      EXPECT_EQ(escaped(bytes), bytes);
    }
  }
}

TEST(Text, MessagesAboutAFileShowItsNamesEscaped) {
  Diagnostics problems;
  const Value root =
      parse_toml("\"a\\u001b[2J\\u202e\" = 1\nb = \"\\u001b]0;x\\u0007\"\n", "f.toml", problems);
  TableReader reader(root, "", problems);
  reader.number("b", at_least(0));
  reader.finish();
  ASSERT_TRUE(problems.has_errors());
  for (const char* raw : {"\x1b", "\x07", "\xe2\x80\xae"}) {
    EXPECT_EQ(problems.str().find(raw), std::string::npos) << problems.str();
  }
  EXPECT_THAT(problems.str(), HasSubstr("\\x1b[2J\\u{202e}"));
}

TEST(TableReader, ANumberWithoutAFractionIsAWholeOne) {
  const std::uint32_t seed = std::random_device()();
  std::cerr << "seed " << seed << "\n";
  std::mt19937_64 random(seed);
  const auto read = [](double written, Diagnostics& problems) {
    Value table;
    table.set("n", {written, {}});
    TableReader reader(table, "", problems);
    return reader.integer("n", base::Range{}, 0);
  };
  for (int i = 0; i < 1000; ++i) {
    const auto whole =
        static_cast<std::int64_t>(random() >> (11 + random() % 50)) * (random() % 2 == 0 ? 1 : -1);
    Diagnostics problems;
    EXPECT_EQ(read(static_cast<double>(whole), problems), whole);
    EXPECT_FALSE(problems.has_errors()) << whole;
  }
  for (const double no :
       {0.5, -1.5, 1e-9, 2.0000001, 1e17, -1e300, std::numeric_limits<double>::infinity(),
        std::numeric_limits<double>::quiet_NaN()}) {
    Diagnostics problems;
    read(no, problems);
    EXPECT_THAT(problems.str(), HasSubstr("expected an integer")) << no;
  }
}

}  // namespace
}  // namespace convoy::base
