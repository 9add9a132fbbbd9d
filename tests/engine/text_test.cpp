// Tests texts from CSV files, vocabularies, and the reading of [data].

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <map>
#include <random>
#include <set>
#include <utility>

#include "base/diagnostics.hpp"
#include "base/random.hpp"
#include "base/value.hpp"
#include "engine/data/csv_rows.hpp"
#include "engine/data/dataset.hpp"
#include "engine/data/vocabulary.hpp"
#include "tests/support/files.hpp"

namespace convoy::engine {
namespace {

using test::TemporaryFolder;
using testing::AllOf;
using testing::Contains;
using testing::Each;
using testing::ElementsAre;
using testing::Ge;
using testing::HasSubstr;
using testing::Lt;
using testing::ThrowsMessage;

class Csv : public testing::Test {
 protected:
  std::vector<CsvRow> rows(const std::string& text) {
    folder_.write("a.csv", text);
    CsvFile read = read_csv(folder_.path() / "a.csv");
    remarks_ = read.remarks;
    return read.rows;
  }
  void expect_error(const std::string& text, const std::string& message) {
    EXPECT_THAT([&] { rows(text); },
                ThrowsMessage<base::UserError>(AllOf(HasSubstr("a.csv"), HasSubstr(message))));
  }
  TemporaryFolder folder_;
  std::vector<std::string> remarks_;
};

// Quotes a cell if that is needed.
std::string quoted(const std::string& cell) {
  if (cell.find_first_of(",\"\n") == std::string::npos) return cell;
  std::string out = "\"";
  for (const char c : cell) out += c == '"' ? "\"\"" : std::string(1, c);
  return out + "\"";
}

TEST_F(Csv, FollowsWhateverHeadingThereIs) {
  const std::uint32_t seed = std::random_device()();
  std::cerr << "seed " << seed << "\n";
  std::mt19937 random(seed);
  const auto any = [&](const auto& all) { return all[random() % std::size(all)]; };
  constexpr std::array labels = {"label",       "Label",  "CLASS",    "sentiment",
                                 "Class Index", "target", "category", "emotion",
                                 "class_index", "topic",  "mood"};
  constexpr std::array texts = {"text", "Review", "sentence", "content", "Tweet", "message"};
  constexpr std::array numbers = {"id", "", "index", "Unnamed: 0"};
  for (int trial = 0; trial < 400; ++trial) {
    const std::string label = any(labels);
    const bool known = label != "mood";
    const bool integers = random() % 2 == 0;
    // The label may be in any column if its name is known; else it is in the first.
    std::vector<char> kinds = {'l', 't'};
    if (random() % 3 == 0) kinds.push_back('t');
    if (known && random() % 3 == 0) kinds.push_back('n');
    if (known) std::shuffle(kinds.begin(), kinds.end(), random);
    std::vector<std::string> heading;
    std::set<std::string> used;
    for (const char kind : kinds) {
      std::string name = label;
      while (kind != 'l' && (name == label || used.contains(name))) {
        name = kind == 't' ? std::string(any(texts)) : std::string(any(numbers));
      }
      used.insert(name);
      heading.push_back(name);
    }
    std::string file;
    const auto add = [&](const std::vector<std::string>& cells) {
      for (std::size_t c = 0; c < cells.size(); ++c) file += (c > 0 ? "," : "") + quoted(cells[c]);
      file += random() % 4 == 0 ? "\r\n" : "\n";
    };
    add(heading);
    std::vector<CsvRow> expected;
    const int rows_in_all = 12 + static_cast<int>(random() % 40);
    for (int i = 0; i < rows_in_all; ++i) {
      CsvRow row;
      row.label = integers ? std::to_string(i % 3) : std::string(1, static_cast<char>('p' + i % 3));
      std::vector<std::string> cells;
      for (const char kind : kinds) {
        if (kind == 'l') cells.push_back(row.label);
        if (kind == 'n') cells.push_back(std::to_string(i));
        if (kind != 't') continue;
        // A few texts, often repeated, with commas, quotation marks and line ends.
        const std::string text = "good, \"nice\" item\n" + std::to_string(random() % 7);
        row.text += (row.text.empty() ? "" : " ") + text;
        cells.push_back(text);
      }
      add(cells);
      expected.push_back(row);
    }
    const auto read = rows(file);
    ASSERT_EQ(read.size(), expected.size()) << file;
    for (std::size_t i = 0; i < read.size(); ++i) {
      ASSERT_EQ(read[i].label, expected[i].label) << file;
      ASSERT_EQ(read[i].text, expected[i].text) << file;
    }
    const bool plain =
        known && kinds.front() == 'l' && std::find(kinds.begin(), kinds.end(), 'n') == kinds.end();
    EXPECT_EQ(remarks_.empty(), plain) << file;
    if (!known) {
      EXPECT_THAT(remarks_, Contains(HasSubstr("is taken for a heading")));
    }
  }
}

TEST_F(Csv, ClassesOfOneRowAreNamed) {
  rows("a,x\nb,y\na,z\nb,w\nc,v\nd,u\n");
  EXPECT_THAT(remarks_, ElementsAre(HasSubstr("2 of its 4 classes have one row only: \"c\" and")));
  rows("a,x\na,y\nb,x\nb,y\n");
  EXPECT_THAT(remarks_, testing::IsEmpty());
}

// Headings of real data sets: which column is the label, and which the text.
TEST_F(Csv, HeadingsOfKnownDataSets) {
  struct Case {
    const char* heading;
    const char* cells;  // of a row: l a label, t the text, n a row number, o other words
  };
  const std::vector<Case> cases = {
      {"v1,v2,,", "lt--"},
      {"Star rating,Customer review text", "lt"},
      {"id,stars,text", "nlt"},
      {"user_id,rating,review", "nlt"},
      {",text,stars", "ntl"},
      {"tweet_id,airline_sentiment,text", "nlt"},
      {"label-coarse,label-fine,text", "lot"},
      {"Score,Text", "lt"},
      {"topic_id,text", "lt"},
      {"id,sentiment_id,review", "nlt"},
      {"target,ids,date,flag,user,text", "lnooot"},
  };
  for (const Case& c : cases) {
    for (const int count : {2, 30}) {
      std::string file = std::string(c.heading) + "\n";
      std::vector<std::string> labels;
      for (int i = 0; i < count; ++i) {
        for (const char* cell = c.cells; *cell != '\0'; ++cell) {
          file += cell == c.cells ? "" : ",";
          if (*cell == 'l')
            file += labels.emplace_back(std::string(1, static_cast<char>('p' + i % 3)));
          if (*cell == 't') file += "good item " + std::to_string(i);
          if (*cell == 'n') file += std::to_string(i);
          if (*cell == 'o') file += "other" + std::to_string(i % 5);
        }
        file += "\n";
      }
      // With two rows only the names of columns help.
      if (count == 2 && std::string(c.heading).starts_with("v1")) continue;
      const auto read = rows(file);
      ASSERT_EQ(read.size(), labels.size()) << file;
      for (std::size_t i = 0; i < read.size(); ++i) {
        EXPECT_EQ(read[i].label, labels[i]) << file;
        EXPECT_EQ(read[i].text.substr(0, 9 + std::to_string(i).size() + 1),
                  "good item " + std::to_string(i))
            << file;
      }
    }
  }
  expect_error("id,text\n0,good\n1,bad\n2,nice\n3,so so\n", "names no column of labels");
}

TEST_F(Csv, AHeadingThatComesAgainIsLeftOutThereToo) {
  EXPECT_EQ(rows("label,text\na,x\nb,y\nlabel,text\na,z\nb,w\n").size(), 4U);
  EXPECT_THAT(remarks_, ElementsAre(HasSubstr("its heading comes once more")));
}

TEST_F(Csv, TextsAreNeverClasses) {
  // Without a heading, and the label in the second column.
  std::string swapped;
  std::string numbered;
  for (int i = 0; i < 40; ++i) {
    swapped += "good nice item" + std::to_string(i % 7) + "," + (i % 2 == 0 ? "pos" : "neg") + "\n";
    numbered += "word" + std::to_string(i % 7) + "," + std::to_string(i % 3) + "\n";
  }
  expect_error(swapped, "is the label there?");
  expect_error(numbered, "is the label there?");
  // A heading makes it readable.
  EXPECT_EQ(rows("text,label\n" + swapped).front().label, "pos");
  expect_error("label,id\na,1\nb,2\n", "names a label, \"label\", and no text");
  expect_error("text,label\nx,a,more\n", "line 2: has 3 columns, the heading has 2");
  expect_error("text,label\nx,\n", "line 2: has no label in column 2");
}

TEST_F(Csv, InUtf16IsReadAsSuch) {
  const std::string text = "label,text\n0,good\n1,bad\n0,nice\n1,awful\n";
  for (const bool little : {true, false}) {
    std::string wide = little ? "\xff\xfe" : "\xfe\xff";
    for (const char c : text) wide += little ? std::string{c, '\0'} : std::string{'\0', c};
    const auto read = rows(wide);
    ASSERT_EQ(read.size(), 4U);
    EXPECT_EQ(read[3].text, "awful");
    EXPECT_THAT(remarks_, ElementsAre(HasSubstr("is UTF-16")));
  }
}

TEST_F(Csv, JoinsColumnsAndKnowsTheLinesOfItsRows) {
  const auto all = rows(
      "\xEF\xBB\xBF"
      "3,\"A \"\"quoted\"\" word\",more\r\n"
      "\n"
      "4,\"two\n\nlines\"\n"
      "  \n"
      "x , last, ");
  ASSERT_EQ(all.size(), 3);
  EXPECT_EQ(all[0].label, "3");
  EXPECT_EQ(all[0].text, "A \"quoted\" word more");
  EXPECT_EQ(all[0].line, 1);
  EXPECT_EQ(all[1].text, "two\n\nlines");
  EXPECT_EQ(all[1].line, 3);
  EXPECT_EQ(all[2].label, "x");
  EXPECT_EQ(all[2].text, "last ");
  EXPECT_EQ(all[2].line, 7);
}

TEST_F(Csv, LeavesOutAHeadingAndNothingElse) {
  EXPECT_EQ(rows("Label,text\na,x\nb,y\n").size(), 2);
  EXPECT_EQ(rows("CLASS,text\na,x\nb,y\n").size(), 2);
  EXPECT_EQ(rows("class,text\na,x\nclass,y\n").size(), 3);
  EXPECT_EQ(rows("kind,text\na,x\n").size(), 2);
}

TEST_F(Csv, NamesTheLineOfWhatIsWrong) {
  expect_error("a,x\nb\n", "line 2: has one column only");
  expect_error("a,x\n,b\n", "line 2: has no label");
  expect_error("a,\"x\ny\"\nb,\"c\"d\n", "line 3: ");
  expect_error("a,x\nb,y\"z\n", "line 2: ");
  expect_error("a,x\nb,\"never closed\n\n", "line 2: ");
  std::filesystem::create_directory(folder_.path() / "folder");
  EXPECT_THAT([&] { read_csv(folder_.path() / "folder"); },
              ThrowsMessage<base::UserError>(HasSubstr("folder: is no plain file")));
  expect_error("", "has no rows");
  expect_error("label,text\n", "has no rows");
  EXPECT_THAT([&] { read_csv(folder_.path() / "b.csv"); },
              ThrowsMessage<base::UserError>(HasSubstr("b.csv: there is no such file")));
}

TEST(Words, AreCountedAndSorted) {
  const std::string umlaut = "\xC3\xBC";
  const std::string text = "b-B a c9 A, " + umlaut + "ber d";
  const auto vocabulary = make_word_vocabulary({text}, 6);
  EXPECT_EQ(vocabulary->size(), 6);  // a, b, c9
  EXPECT_THAT(vocabulary->encode("A b c9 d?"), ElementsAre(3, 4, 5, token_unknown));
  EXPECT_EQ(make_word_vocabulary({text}, 100)->size(), 8);
  EXPECT_THAT(make_word_vocabulary({text}, 100)->encode(umlaut + "ber"), ElementsAre(7));
  EXPECT_TRUE(vocabulary->encode(" .\n").empty());
}

std::vector<std::string> sentences() {
  std::vector<std::string> all;
  for (int i = 0; i < 60; ++i) {
    all.push_back("The lower the slower, the newest is the widest of number " +
                  std::to_string(i * i));
  }
  return all;
}

TEST(BytePairs, FollowFromTheTextsAlone) {
  const std::vector<std::string> all = sentences();
  const std::vector<std::string_view> texts(all.begin(), all.end());
  const auto vocabulary = make_byte_pairs(texts, 80);
  EXPECT_LE(vocabulary->size(), 80);
  EXPECT_GT(vocabulary->size(), 40);
  const auto again = make_byte_pairs(texts, 80);
  for (const std::string& text : all) {
    const auto tokens = vocabulary->encode(text);
    EXPECT_EQ(tokens, again->encode(text));
    EXPECT_THAT(tokens, Each(AllOf(Ge(special_tokens), Lt(vocabulary->size()))));
    EXPECT_LT(tokens.size(), text.size() / 2);
  }
  EXPECT_THAT(vocabulary->encode("the \xE2\x82\xAC"), testing::Contains(token_unknown));
  EXPECT_EQ(vocabulary->encode("THE lower\n"), vocabulary->encode("the LOWER"));
}

// "ab" occurs five times; then "abc" and " d" three times each (the older pieces come first).
TEST(BytePairs, JoinTheMostFrequentPairs) {
  const auto vocabulary = make_byte_pairs({"xab.xab", "abc abc abc? d d d"}, 100);
  const auto learned = [&](std::string_view text) { return vocabulary->encode(text).size(); };
  EXPECT_EQ(learned("d"), 1);
  EXPECT_EQ(learned("abc"), 1);
  EXPECT_EQ(learned("xab"), 1);
  EXPECT_EQ(learned("D.xAb?"), 4);
  EXPECT_EQ(learned("dx"), 2);
  EXPECT_EQ(make_byte_pairs({"aaaaaaaa"}, 100)->encode("aaaaaaaaa").size(), 4);
  // Seven bytes, the space in front of words, and one joined piece.
  EXPECT_EQ(make_byte_pairs({"xab.xab", "abc abc abc? d d d"}, special_tokens + 9)->size(),
            special_tokens + 9);
}

// The same by counting everything again for each piece.
std::vector<std::vector<int>> slow_byte_pairs(const std::vector<std::string>& words, int size) {
  std::set<unsigned char> bytes = {' '};
  for (const auto& word : words) bytes.insert(word.begin(), word.end());
  std::vector<std::vector<int>> all;
  const auto number = [&](unsigned char c) {
    return special_tokens + static_cast<int>(std::distance(bytes.begin(), bytes.find(c)));
  };
  for (const auto& word : words) {
    all.push_back({number(' ')});
    for (const char c : word) all.back().push_back(number(static_cast<unsigned char>(c)));
  }
  for (int next = special_tokens + static_cast<int>(bytes.size()); next < size; ++next) {
    std::map<std::pair<int, int>, int> counts;
    for (const auto& word : all) {
      for (std::size_t i = 0; i + 1 < word.size(); ++i) ++counts[{word[i], word[i + 1]}];
    }
    const auto best =
        std::max_element(counts.begin(), counts.end(), [](const auto& a, const auto& b) {
          return a.second != b.second ? a.second < b.second : a.first > b.first;
        });
    if (best == counts.end() || best->second < 2) break;
    for (auto& word : all) {
      std::vector<int> joined;
      for (std::size_t i = 0; i < word.size(); ++i) {
        const bool both = i + 1 < word.size() && word[i] == best->first.first &&
                          word[i + 1] == best->first.second;
        joined.push_back(both ? next : word[i]);
        if (both) ++i;
      }
      word = joined;
    }
  }
  return all;
}

TEST(BytePairs, AreThoseOfTheTextbook) {
  base::Random random({1});
  for (int round = 0; round < 20; ++round) {
    std::vector<std::string> words(60);
    for (std::string& word : words) {
      const auto length = 1 + random.below(12);
      for (std::uint64_t i = 0; i < length; ++i) word += static_cast<char>('a' + random.below(4));
    }
    const int size = 10 + 5 * round;
    const auto vocabulary = make_byte_pairs({words.begin(), words.end()}, size);
    const auto expected = slow_byte_pairs(words, size);
    for (std::size_t i = 0; i < words.size(); ++i) {
      EXPECT_EQ(vocabulary->encode(words[i]), expected[i]) << words[i];
    }
  }
}

TEST(BytePairs, SayWhatIsMissing) {
  EXPECT_THAT([&] { make_byte_pairs({"abcde fghij"}, 10); },
              ThrowsMessage<base::UserError>(
                  HasSubstr("data.vocabulary.size = 10: byte pairs of these texts begin with 14")));
  EXPECT_EQ(make_byte_pairs({"", " "}, 100)->size(), special_tokens);  // no text to learn from
  // A very long word does not take very long.
  const std::string endless(1'000'000, 'a');
  EXPECT_LT(make_byte_pairs({endless}, 100)->encode(endless).size(), 50'000);
}

class CsvSource : public testing::Test {
 protected:
  CsvSource() {
    options_.source = "csv:.";
    options_.sequence = 4;
  }
  std::unique_ptr<DataSource> open() { return open_source(options_, folder_.path()); }
  void expect_error(const std::string& message) {
    EXPECT_THAT([&] { open(); }, ThrowsMessage<base::UserError>(HasSubstr(message)));
  }
  TemporaryFolder folder_;
  DataOptions options_;
};

TEST_F(CsvSource, ReadsAFolderAndTakesItsWordsFromTraining) {
  folder_.write("train.csv", "10,a b\n9,b c d e f\n10,b\n");
  folder_.write("test.csv", "9,b a new\n10,\n");
  const auto source = open();
  EXPECT_EQ(source->labels(), (std::vector<int>{1, 0, 1}));  // 9 comes before 10
  EXPECT_TRUE(source->shape().text);
  EXPECT_EQ(source->shape().classes, 2);
  EXPECT_EQ(source->shape().sequence, 4);
  EXPECT_EQ(source->shape().vocabulary, special_tokens + 6);
  const Dataset train = source->train();
  EXPECT_THAT(train.tokens, ElementsAre(2, 4, 3, 0, 2, 3, 5, 6, 2, 3, 0, 0));
  const Dataset test = source->test();
  EXPECT_THAT(test.tokens, ElementsAre(2, 3, 4, token_unknown, 2, 0, 0, 0));
  EXPECT_THAT(test.labels, ElementsAre(0, 1));

  options_.vocabulary_size = 5;
  EXPECT_EQ(open()->shape().vocabulary, 5);
  EXPECT_THAT(open()->train().tokens,
              ElementsAre(2, 4, 3, 0, 2, 3, token_unknown, token_unknown, 2, 3, 0, 0));
}

TEST_F(CsvSource, WordsOfRowsThatAreNotTrainedOnStayUnknown) {
  std::string text;
  for (int i = 0; i < 20; ++i) {
    text += std::to_string(i % 2) + ",w" + std::to_string(i) + "\n";
  }
  folder_.write("train.csv", text);
  folder_.write("test.csv", "0,x\n1,y\n");
  options_.samples = 5;
  EXPECT_EQ(open()->shape().vocabulary, special_tokens + 5);
  EXPECT_EQ(open()->shape().classes, 2);
}

TEST_F(CsvSource, SplitsAFileByLabelAndSeed) {
  std::string text = "label,text\n";
  for (int i = 0; i < 40; ++i) {
    text += (i % 4 == 0 ? "rare,w" : "common,w") + std::to_string(i) + "\n";
  }
  folder_.write("all.csv", text);
  options_.source = "csv:all.csv";
  options_.test_share = 0.2;
  options_.vocabulary = VocabularyKind::word;
  const auto source = open();
  EXPECT_EQ(source->labels().size(), 32);
  EXPECT_EQ(source->test_size(), 8);
  const Dataset test = source->test();
  EXPECT_EQ(std::count(test.labels.begin(), test.labels.end(), 1), 2);
  // Every word occurs in one row only.
  for (std::int64_t i = 0; i < test.size(); ++i) EXPECT_EQ(test.tokens[4 * i + 1], token_unknown);
  EXPECT_EQ(open()->train().labels, source->train().labels);
  options_.seed = 2;
  EXPECT_NE(open()->labels(), source->labels());
  options_.test_samples = 9;
  expect_error("data.test_samples = 9: csv:all.csv has 8 test samples");
}

TEST_F(CsvSource, TakesBytePairs) {
  std::string text;
  for (const std::string& s : sentences()) text += (s.back() > '4' ? "a,\"" : "b,\"") + s + "\"\n";
  folder_.write("all.csv", text);
  options_.source = "csv:all.csv";
  options_.sequence = 16;
  options_.vocabulary = VocabularyKind::byte_pair;
  options_.vocabulary_size = 70;
  const auto source = open();
  EXPECT_LE(source->shape().vocabulary, 70);
  const Dataset train = source->train();
  EXPECT_THAT(train.tokens, Each(AllOf(Ge(0), Lt(source->shape().vocabulary))));
  EXPECT_EQ(train.tokens, open()->train().tokens);
}

TEST_F(CsvSource, SaysWhatIsWrong) {
  folder_.write("train.csv", "a,x\nb,y\n");
  expect_error("test.csv: there is no such file");
  folder_.write("test.csv", "a,x\n\nc,y\n");
  expect_error("test.csv: line 3: label \"c\" does not occur in training");
  folder_.write("train.csv", "a,x\na,y\n");
  expect_error("train.csv: has one class only, \"a\"");
  std::string text;
  for (int i = 0; i < 10'001; ++i) text += std::to_string(i) + ",x\n";
  folder_.write("train.csv", text);
  expect_error("has 10001 different labels");
  folder_.write("all.csv", "a,x\nb,y\n");
  options_.source = "csv:all.csv";
  expect_error("all.csv: data.test_share = 0.1 of its 2 rows leaves no test set");
}

struct Read {
  DataOptions options;
  std::string problems;
};

Read read(const std::string& toml, const std::filesystem::path& folder = {}) {
  base::Diagnostics problems;
  const base::Value value = base::parse_toml(toml, "s.toml", problems);
  Read result;
  result.options = read_data(base::TableReader(value, "data", problems), folder);
  result.problems = problems.str();
  return result;
}

TEST(ReadData, ReadsEveryKey) {
  const Read none = read("");
  EXPECT_EQ(none.problems, "");
  EXPECT_FALSE(none.options.source_given);
  EXPECT_FALSE(none.options.samples.has_value());
  const Read glyphs = read(
      "source = 'glyphs'\nsamples = 100\ntest_samples = 50\nlocal_test_share = 0\nseed = 9\n"
      "classes = 36\npartition = { kind = 'dirichlet', alpha = 0.5 }");
  EXPECT_EQ(glyphs.problems, "");
  EXPECT_TRUE(glyphs.options.source_given);
  EXPECT_EQ(glyphs.options.samples, 100);
  EXPECT_EQ(glyphs.options.test_samples, 50);
  EXPECT_EQ(glyphs.options.local_test_share, 0);
  EXPECT_EQ(glyphs.options.seed, 9);
  EXPECT_EQ(glyphs.options.classes, 36);
  EXPECT_EQ(glyphs.options.partition.alpha, 0.5);
  const TemporaryFolder folder;
  folder.write("a.csv", "");
  const Read csv = read(
      "source = 'csv:a.csv'\ntest_share = 0.3\nsequence = 128\n"
      "vocabulary = { kind = 'byte-pair', size = 500 }",
      folder.path());
  EXPECT_EQ(csv.problems, "");
  EXPECT_EQ(csv.options.test_share, 0.3);
  EXPECT_EQ(csv.options.sequence, 128);
  EXPECT_EQ(csv.options.vocabulary, VocabularyKind::byte_pair);
  EXPECT_EQ(csv.options.vocabulary_size, 500);
  EXPECT_EQ(read("source = 'csv:.'", folder.path()).problems, "");
}

TEST(ReadData, RefusesTheRest) {
  const TemporaryFolder folder;
  folder.write("a.csv", "");
  const std::vector<std::pair<std::string, std::string>> all = {
      {"source = 'mnist'", "\"csv:DIR\", got \"mnist\""},
      {"source = 'cifar1:.'", "did you mean \"cifar10\" or \"cifar100\"?"},
      {"source = 'idx:'", "expected \"glyphs\""},
      {"source = 'glyphs:x'", "expected \"glyphs\""},
      {"source = 'idx:none'", "there is no folder"},
      {"source = 'idx:a.csv'", "there is no folder"},
      {"source = 'csv:none'", "there is no file or folder"},
      {"samples = 0", "data.samples: expected an integer at least 1"},
      {"test_samples = 200000000", "data.test_samples"},
      {"local_test_share = 1", "data.local_test_share"},
      {"test_share = 0", "data.test_share"},
      {"seed = -1", "data.seed"},
      {"classes = 37", "data.classes"},
      {"classes = 1", "data.classes"},
      {"source = 'idx:.'\nclasses = 10", "is for glyphs; idx:. has its own classes"},
      {"sequence = 10", "is for texts (csv:FILE), and the source is glyphs"},
      {"source = 'csv:a.csv'\nsequence = 1", "data.sequence"},
      {"source = 'csv:a.csv'\nvocabulary = { kind = 'letter' }", "data.vocabulary.kind"},
      {"source = 'csv:a.csv'\nvocabulary = { size = 3 }", "data.vocabulary.size"},
      {"source = 'csv:.'\ntest_share = 0.3", "a folder has its test.csv"},
      {"sample = 3", "samples"},
  };
  for (const auto& [toml, message] : all) {
    EXPECT_THAT(read(toml, folder.path()).problems, HasSubstr(message)) << toml;
  }
}

TEST(ReadData, OpeningSaysTheSameOfAMissingFolder) {
  DataOptions options;
  options.source = "idx:nowhere";
  EXPECT_THAT([&] { open_source(options, "x"); },
              ThrowsMessage<base::UserError>(HasSubstr("there is no folder x/nowhere")));
}

}  // namespace
}  // namespace convoy::engine
