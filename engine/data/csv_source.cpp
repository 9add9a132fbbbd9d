// Text classification from CSV files: csv:FILE, a part of which becomes the test set, or csv:DIR
// with train.csv and test.csv.

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>

#include "base/diagnostics.hpp"
#include "base/text.hpp"
#include "engine/data/csv_rows.hpp"
#include "engine/data/sources.hpp"
#include "engine/data/subset.hpp"
#include "engine/data/vocabulary.hpp"

namespace convoy::engine {
namespace {

namespace fs = std::filesystem;
using Rows = std::vector<CsvRow>;

// The classes of the labels that training knows: 0, 1, ... in the order of the numbers where all
// are integers, otherwise of the alphabet.
class Classes {
 public:
  Classes(const Rows& rows, const std::string& name) {
    numeric_ = std::ranges::all_of(
        rows, [](const CsvRow& row) { return base::as_integer(row.label).has_value(); });
    for (const CsvRow& row : rows) classes_.emplace(key(row.label), 0);
    int next = 0;
    for (auto& [label, number] : classes_) number = next++;
    if (classes_.size() < 2) {
      throw base::UserError(
          fmt::format("{}: has one class only, \"{}\"; is the label in the first column?", name,
                      base::printable(rows.front().label)));
    }
    if (classes_.size() > most_classes) {
      throw base::UserError(
          fmt::format("{}: has {} different labels, no more than {} are read; is the label in the "
                      "first column?",
                      name, classes_.size(), most_classes));
    }
  }

  [[nodiscard]] int count() const { return static_cast<int>(classes_.size()); }
  [[nodiscard]] std::vector<int> labels(const Rows& rows, const std::string& name) const {
    std::vector<int> labels;
    labels.reserve(rows.size());
    for (const CsvRow& row : rows) {
      const auto found = classes_.find(key(row.label));
      if (found == classes_.end()) {
        throw base::UserError(fmt::format("{}: line {}: label \"{}\" does not occur in training",
                                          name, row.line, base::printable(row.label)));
      }
      labels.push_back(found->second);
    }
    return labels;
  }

 private:
  static constexpr std::size_t most_classes = 10'000;
  using Key = std::pair<std::int64_t, std::string>;

  [[nodiscard]] Key key(const std::string& label) const {
    const auto number = numeric_ ? base::as_integer(label) : std::nullopt;
    return number ? Key{*number, ""} : Key{0, label};
  }

  bool numeric_ = false;
  std::map<Key, int> classes_;
};

// Each text starts with token_begin and is cut or padded to the sequence length.
std::vector<std::int32_t> encode(const std::vector<std::string_view>& texts,
                                 const Vocabulary& vocabulary, int sequence) {
  const auto length = static_cast<std::size_t>(sequence);
  std::vector<std::int32_t> all(texts.size() * length, token_padding);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const std::vector<std::int32_t> tokens = vocabulary.encode(texts[i]);
    const auto to = all.begin() + static_cast<std::ptrdiff_t>(i * length);
    *to = token_begin;
    std::copy_n(tokens.begin(), std::min(tokens.size(), length - 1), to + 1);
  }
  return all;
}

class CsvSource : public DataSource {
 public:
  CsvSource(const DataOptions& options, const fs::path& path) {
    std::error_code ignored;
    const bool folder = fs::is_directory(path, ignored);
    const fs::path train_path = folder ? path / "train.csv" : path;
    CsvFile read = read_csv(train_path);
    const Rows rows = std::move(read.rows);
    remarks_ = std::move(read.remarks);
    const Classes classes(rows, train_path.string());
    const std::vector<int> labels = classes.labels(rows, train_path.string());
    Rows test_rows;
    if (folder) {
      const fs::path test_path = path / "test.csv";
      CsvFile tests = read_csv(test_path);
      test_rows = std::move(tests.rows);
      // In a small test set it is normal that classes have a single row.
      for (std::string& remark : tests.remarks) {
        if (remark.find("one row only") == std::string::npos) remarks_.push_back(std::move(remark));
      }
      const std::vector<int> test_labels = classes.labels(test_rows, test_path.string());
      make(options, classes.count(), {rows, labels, numbers(rows.size())},
           {test_rows, test_labels, numbers(test_rows.size())});
    } else {
      constexpr std::uint64_t purpose = 0x637376ULL;  // a stream of its own
      base::Random random({options.seed, purpose});
      LocalSplit split =
          split_by_label(numbers(rows.size()), labels, options.test_share, 1, random);
      if (split.test.empty()) {
        throw base::UserError(
            fmt::format("{}: data.test_share = {} of its {} rows leaves no test set; give a larger "
                        "share or more rows",
                        path.string(), options.test_share, rows.size()));
      }
      make(options, classes.count(), {rows, labels, std::move(split.train)},
           {rows, labels, std::move(split.test)});
    }
  }

  [[nodiscard]] const DataShape& shape() const override { return train_.shape; }
  [[nodiscard]] const std::vector<int>& labels() const override { return train_.labels; }
  [[nodiscard]] std::int64_t test_size() const override { return test_.size(); }
  [[nodiscard]] std::vector<std::string> remarks() const override { return remarks_; }
  [[nodiscard]] Dataset train() const override { return train_; }
  [[nodiscard]] Dataset test() const override { return test_; }

 private:
  struct PartRows {
    const Rows& rows;
    const std::vector<int>& labels;
    std::vector<std::int64_t> indices;  // rows of the part
  };

  static std::vector<std::int64_t> numbers(std::size_t count) {
    std::vector<std::int64_t> all(count);
    std::iota(all.begin(), all.end(), 0);
    return all;
  }

  // Of the part what the scenario asks for: its texts, and their labels.
  static std::vector<std::string_view> choose(const PartRows& part_rows, const DataOptions& options,
                                              Part part, std::vector<int>& labels) {
    Taken taken = take(options, part, pick(part_rows.labels, part_rows.indices));
    labels = std::move(taken.labels);
    std::vector<std::string_view> texts;
    for (const std::int64_t i : taken.indices) {
      const std::int64_t row = part_rows.indices[static_cast<std::size_t>(i)];
      texts.push_back(part_rows.rows[static_cast<std::size_t>(row)].text);
    }
    check_size(options.source, static_cast<std::int64_t>(texts.size()),
               std::int64_t{options.sequence} * static_cast<std::int64_t>(sizeof(std::int32_t)));
    return texts;
  }

  void make(const DataOptions& options, int classes, const PartRows& train, const PartRows& test) {
    const auto train_texts = choose(train, options, Part::train, train_.labels);
    const auto test_texts = choose(test, options, Part::test, test_.labels);
    // Of what is trained on alone: a word that only the test set has stays unknown.
    const auto vocabulary = options.vocabulary == VocabularyKind::word
                                ? make_word_vocabulary(train_texts, options.vocabulary_size)
                                : make_byte_pairs(train_texts, options.vocabulary_size);
    train_.shape.text = true;
    train_.shape.sequence = options.sequence;
    train_.shape.vocabulary = vocabulary->size();
    train_.shape.classes = classes;
    test_.shape = train_.shape;
    train_.tokens = encode(train_texts, *vocabulary, options.sequence);
    test_.tokens = encode(test_texts, *vocabulary, options.sequence);
  }

  std::vector<std::string> remarks_;
  Dataset train_;
  Dataset test_;
};

}  // namespace

std::unique_ptr<DataSource> open_csv(const DataOptions& options, const fs::path& path) {
  return std::make_unique<CsvSource>(options, path);
}

}  // namespace convoy::engine
