#include "engine/data/csv_rows.hpp"

#include <csv.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "base/csv.hpp"
#include "base/diagnostics.hpp"
#include "base/files.hpp"
#include "base/non_copyable.hpp"
#include "base/text.hpp"
#include "engine/data/input_file.hpp"
#include "engine/data/letters.hpp"

namespace convoy::engine {
namespace {

constexpr std::size_t shown = 40;  // limit for cells quoted in messages

// A row as in the file.
struct Record {
  std::int64_t line = 0;
  std::vector<std::string> fields;
};

// Feeds libcsv line by line, to know the line number of each row.
class Parser : base::NonCopyable {
 public:
  explicit Parser(std::string name) : name_(std::move(name)) {
    if (csv_init(&parser_, CSV_STRICT | CSV_STRICT_FINI) != 0) fail("cannot be read");
  }
  ~Parser() { csv_free(&parser_); }

  // `line` includes its line end.
  void feed(std::string_view line) {
    ++line_;
    if (!within_row_) row_.line = line_;
    within_row_ = within_row_ || line.find_first_not_of(" \t\r\n") != std::string_view::npos;
    const std::size_t taken =
        csv_parse(&parser_, line.data(), line.size(), take_field, take_row, this);
    if (taken < line.size()) fail_parse();
    check_row();
  }

  std::vector<Record> finish() {
    if (csv_fini(&parser_, take_field, take_row, this) != 0) fail_parse();
    check_row();
    return std::move(rows_);
  }

 private:
  // Callbacks of libcsv. Exceptions must not pass through C code: errors are stored and thrown
  // after libcsv has returned.
  static void take_field(void* bytes, std::size_t size, void* self) {
    static_cast<Parser*>(self)->row_.fields.emplace_back(static_cast<const char*>(bytes), size);
  }
  static void take_row(int /*end*/, void* self) {
    auto& parser = *static_cast<Parser*>(self);
    if (parser.short_row_ == 0 && parser.row_.fields.size() < 2) {
      parser.short_row_ = parser.row_.line;
    }
    parser.rows_.push_back(std::move(parser.row_));
    parser.row_ = {parser.line_, {}};
    parser.within_row_ = false;
  }

  void check_row() const {
    if (short_row_ == 0) return;
    fail(fmt::format("line {}: has one column only; expected a label, a comma and a text",
                     short_row_));
  }
  [[noreturn]] void fail_parse() {
    const int error = csv_error(&parser_);
    fail(fmt::format("line {}: {}; is there a quote (\") that is not doubled, or not closed?",
                     row_.line, csv_strerror(error)));
  }
  [[noreturn]] void fail(const std::string& message) const {
    throw base::UserError(fmt::format("{}: {}", name_, message));
  }

  std::string name_;
  csv_parser parser_{};
  std::int64_t line_ = 0;
  bool within_row_ = false;
  std::int64_t short_row_ = 0;
  Record row_;
  std::vector<Record> rows_;
};

// --- which column is what -----------------------------------------------------------------------

// Usual column names in data sets of labelled texts, in lower case, without blanks, hyphens and
// underscores; label names from the most to the least specific.
const std::vector<std::string>& label_names() {
  static const std::vector<std::string> names = {
      "label",    "labels",    "class",    "classindex", "classlabel", "classid", "target",
      "category", "sentiment", "polarity", "emotion",    "topic",      "intent",  "stars",
      "rating",   "score",     "labelid",  "labeltext",  "y"};
  return names;
}
const std::vector<std::string>& text_names() {
  static const std::vector<std::string> names = {
      "text",  "texts",    "review",   "reviewtext",  "sentence",  "content",   "contents",
      "title", "headline", "body",     "description", "summary",   "message",   "comment",
      "tweet", "document", "question", "answer",      "utterance", "abstract",  "phrase",
      "news",  "sms",      "post",     "query",       "premise",   "hypothesis"};
  return names;
}
const std::vector<std::string>& number_names() {
  static const std::vector<std::string> names = {
      "",       "id",        "idx",    "index",    "rowid",      "row",      "no",
      "number", "unnamed:0", "textid", "phraseid", "sentenceid", "reviewid", "tweetid"};
  return names;
}

std::string plain(std::string_view name) {
  std::string out;
  for (const char c : base::trimmed(name)) {
    if (c == ' ' || c == '_' || c == '-') continue;
    out += small_letter(c);
  }
  return out;
}

bool is_one_of(const std::string& name, const std::vector<std::string>& names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Also "airlinesentiment", "customerreviewtext".
bool ends_with_one_of(const std::string& name, const std::vector<std::string>& names) {
  constexpr std::size_t shortest = 4;
  return std::any_of(names.begin(), names.end(), [&](const std::string& n) {
    return name == n || (n.size() >= shortest && name.ends_with(n));
  });
}
bool is_label(const std::string& name) {
  const bool topic_id =
      name.ends_with("id") && is_one_of(name.substr(0, name.size() - 2), label_names());
  return topic_id || name.starts_with("label") || ends_with_one_of(name, label_names());
}
bool is_number(const std::string& name) {
  return is_one_of(name, number_names()) ||
         (name.size() > 4 && name.ends_with("id") && !is_label(name));
}

struct Columns {
  std::size_t label = 0;
  std::vector<std::size_t> texts;  // empty: all but the label column
  bool heading = false;            // the first row is a heading
  bool fixed = false;              // each row must have as many columns as the heading
};

class Layout {
 public:
  Layout(const std::vector<Record>& rows, std::string name) : rows_(rows), name_(std::move(name)) {}

  Columns find(std::vector<std::string>& remarks) const {
    Columns columns;
    if (const auto label = named_label()) {
      columns = by_names(*label);
      // The usual column order with usual names needs no remark.
      if (*label != 0 || columns.texts.size() + 1 != rows_.front().fields.size()) {
        remarks.push_back(fmt::format("{}: by its heading the label is \"{}\", and the text {}",
                                      name_, cell(*label), said(columns.texts)));
      }
      return columns;
    }
    if (const char* why = is_like_no_other()) {
      columns.heading = true;
      remarks.push_back(fmt::format(
          "{}: its first row, \"{}\", is taken for a heading and left out: {}; the label "
          "is in the first column, call it \"label\"",
          name_, said_row(), why));
    }
    refuse_texts(columns.heading ? 1 : 0);
    return columns;
  }

 private:
  [[nodiscard]] std::string cell(std::size_t column) const {
    return base::printable(rows_.front().fields[column], shown);
  }
  [[nodiscard]] std::string said_row() const {
    std::string text;
    for (const std::string& field : rows_.front().fields) text += (text.empty() ? "" : ",") + field;
    return base::printable(text, 2 * shown);
  }
  [[nodiscard]] std::string said(const std::vector<std::size_t>& columns) const {
    std::vector<std::string> names;
    names.reserve(columns.size());
    for (const std::size_t c : columns) names.push_back("\"" + cell(c) + "\"");
    return base::list_of(names, "and");
  }

  // The column whose first cell is a name for labels that no other row has there.
  [[nodiscard]] std::optional<std::size_t> named_label() const {
    const std::vector<std::string>& first = rows_.front().fields;
    const auto names_it = [&](std::size_t c, bool sure) {
      // For a single letter, or a class with such a name, the other cells must be names, too.
      if (!sure && !others_are_names(c)) return false;
      return std::none_of(rows_.begin() + 1, rows_.end(), [&](const Record& row) {
        return c < row.fields.size() && row.fields[c] == first[c] && row.fields != first;
      });
    };
    for (const std::string& name : label_names()) {
      for (std::size_t c = 0; c < first.size(); ++c) {
        if (plain(first[c]) == name && names_it(c, name.size() >= 3)) return c;
      }
    }
    for (std::size_t c = 0; c < first.size(); ++c) {
      if (is_label(plain(first[c])) && names_it(c, false)) return c;
    }
    return std::nullopt;
  }
  [[nodiscard]] bool others_are_names(std::size_t label) const {
    const std::vector<std::string>& first = rows_.front().fields;
    for (std::size_t c = 0; c < first.size(); ++c) {
      const std::string name = plain(first[c]);
      const bool known = ends_with_one_of(name, text_names()) || is_number(name) || is_label(name);
      if (c != label && !known) return false;
    }
    return true;
  }

  [[nodiscard]] Columns by_names(std::size_t label) const {
    const std::vector<std::string>& first = rows_.front().fields;
    Columns columns{label, {}, true, true};
    std::vector<std::size_t> others;
    for (std::size_t c = 0; c < first.size(); ++c) {
      if (c == label) continue;
      const std::string name = plain(first[c]);
      if (is_one_of(name, text_names())) columns.texts.push_back(c);
      if (!is_number(name) && !is_label(name)) others.push_back(c);
    }
    for (std::size_t c = 0; c < first.size() && columns.texts.empty(); ++c) {
      if (c != label && ends_with_one_of(plain(first[c]), text_names())) columns.texts.push_back(c);
    }
    if (columns.texts.empty()) columns.texts = others;
    if (columns.texts.empty()) {
      throw base::UserError(fmt::format(
          "{}: line {}: its heading names a label, \"{}\", and no text; call the column "
          "of the text \"text\"",
          name_, rows_.front().line, cell(label)));
    }
    return columns;
  }

  // Why the first row differs from all others; null if it does not.
  [[nodiscard]] const char* is_like_no_other() const {
    constexpr std::size_t fewest = 3;  // rows after it
    if (rows_.size() < fewest + 1) return nullptr;
    const std::string& label = rows_.front().fields.front();
    if (is_number(plain(label)) && others_are_names(0)) refuse_numbers();
    bool integers = true;
    std::unordered_map<std::string_view, std::size_t> counts;
    for (auto row = rows_.begin() + 1; row != rows_.end(); ++row) {
      integers = integers && base::as_integer(row->fields.front());
      ++counts[row->fields.front()];
    }
    if (integers && !base::as_integer(label)) return "it has no number where all others have one";
    // A class of one row, at the very beginning, whose text is one word.
    const bool words =
        !label.empty() && std::ranges::all_of(rows_.front().fields, [](const auto& f) {
          return f.size() <= shown && f.find_first_of(" \t\n") == std::string::npos;
        });
    const bool alone =
        !counts.contains(label) && std::all_of(counts.begin(), counts.end(),
                                               [](const auto& entry) { return entry.second > 1; });
    if (words && alone) return "its label occurs nowhere else, and each other does";
    return nullptr;
  }

  [[noreturn]] void refuse_numbers() const {
    throw base::UserError(fmt::format(
        "{}: line {}: its heading, \"{}\", names no column of labels; call it \"label\"", name_,
        rows_.front().line, said_row()));
  }

  // Rejects textual labels if another column has fewer different values: the columns are probably
  // swapped.
  void refuse_texts(std::size_t from) const {
    if (rows_.size() <= from) return;
    const std::size_t width = rows_[from].fields.size();
    std::vector<std::unordered_set<std::string_view>> values(width);
    std::vector<bool> integers(width, true);
    std::size_t with_blanks = 0;
    for (std::size_t r = from; r < rows_.size(); ++r) {
      const std::vector<std::string>& fields = rows_[r].fields;
      if (fields.size() != width) return;
      with_blanks += fields.front().find(' ') != std::string::npos ? 1 : 0;
      for (std::size_t c = 0; c < width; ++c) {
        values[c].insert(fields[c]);
        integers[c] = integers[c] && base::as_integer(fields[c]);
      }
    }
    const bool texts = 2 * with_blanks > rows_.size() - from;
    for (std::size_t c = 1; c < width; ++c) {
      const bool fewer = values[c].size() > 1 && values[c].size() < values.front().size();
      if (!fewer || !(texts || (integers[c] && !integers.front()))) continue;
      throw base::UserError(fmt::format(
          "{}: line {}: the first column has texts such as \"{}\", {} different ones, and column "
          "{} "
          "only {} different values: is the label there? Give the file a heading that names the "
          "columns \"label\" and \"text\"",
          name_, rows_[from].line, base::printable(rows_[from].fields.front(), shown),
          values.front().size(), c + 1, values[c].size()));
    }
  }

  const std::vector<Record>& rows_;
  std::string name_;
};

std::vector<CsvRow> taken(std::vector<Record> records, const Columns& columns,
                          const std::string& name) {
  std::vector<CsvRow> rows;
  rows.reserve(records.size());
  const std::size_t width = records.front().fields.size();
  for (std::size_t r = columns.heading ? 1 : 0; r < records.size(); ++r) {
    Record& record = records[r];
    const auto fail = [&](const std::string& what) {
      throw base::UserError(fmt::format("{}: line {}: {}", name, record.line, what));
    };
    if (columns.fixed && record.fields.size() != width) {
      fail(fmt::format("has {} columns, the heading has {}", record.fields.size(), width));
    }
    CsvRow row{record.line, std::move(record.fields[columns.label]), {}};
    if (row.label.empty()) {
      fail(columns.label == 0 ? "has no label in its first column"
                              : fmt::format("has no label in column {}", columns.label + 1));
    }
    bool first = true;
    const auto add = [&](const std::string& text) {
      if (!first) row.text += ' ';
      row.text += text;
      first = false;
    };
    if (columns.texts.empty()) {
      for (std::size_t c = 1; c < record.fields.size(); ++c) add(record.fields[c]);
    } else {
      for (const std::size_t c : columns.texts) add(record.fields[c]);
    }
    rows.push_back(std::move(row));
    record = {};
  }
  return rows;
}

void note_single_rows(const CsvFile& file, const std::string& name,
                      std::vector<std::string>& remarks) {
  std::map<std::string_view, int> counts;
  for (const CsvRow& row : file.rows) ++counts[row.label];
  std::vector<std::string> single;
  std::size_t classes = 0;
  constexpr std::size_t named = 3;
  for (const auto& [label, count] : counts) {
    if (count > 1) continue;
    if (++classes <= named) single.push_back("\"" + base::printable(label, shown) + "\"");
  }
  if (classes == 0) return;
  if (classes > named) single.push_back(fmt::format("{} more", classes - named));
  remarks.push_back(fmt::format("{}: {} of its {} classes {} one row only: {}", name, classes,
                                counts.size(), classes == 1 ? "has" : "have",
                                base::list_of(single, "and")));
}

}  // namespace

CsvFile read_csv(const std::filesystem::path& path) {
  const std::string name = path.string();
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) {
    throw base::UserError(name + (std::filesystem::exists(path, ignored)
                                      ? ": is no plain file"
                                      : ": there is no such file"));
  }
  if (std::filesystem::file_size(path, ignored) > static_cast<std::uintmax_t>(largest_data)) {
    throw base::UserError(name + ": is larger than 8 GiB; use a part of it");
  }
  CsvFile file;
  std::vector<Record> records;
  {
    bool utf16 = false;
    const std::string text = base::decoded(base::read_file(path), name, &utf16);
    if (utf16) file.remarks.push_back(name + ": is UTF-16, and read as such");
    Parser parser(name);
    std::string_view rest = text;
    if (rest.starts_with("\xEF\xBB\xBF")) rest.remove_prefix(3);  // a byte order mark
    while (!rest.empty()) {
      const std::size_t end = rest.find('\n');
      const std::string_view line = rest.substr(0, end == rest.npos ? end : end + 1);
      parser.feed(line);
      rest.remove_prefix(line.size());
    }
    records = parser.finish();
  }
  if (records.empty()) throw base::UserError(name + ": has no rows");
  const Columns columns = Layout(records, name).find(file.remarks);
  if (columns.heading) {
    // Concatenated files repeat their heading.
    const std::vector<std::string> heading = records.front().fields;
    const auto again = std::erase_if(
        records, [&](const Record& r) { return &r != &records.front() && r.fields == heading; });
    if (again > 0) {
      file.remarks.push_back(
          fmt::format("{}: its heading comes {} more, and is left out there, too", name,
                      again == 1 ? "once" : fmt::format("{} times", again)));
    }
  }
  file.rows = taken(std::move(records), columns, name);
  if (file.rows.empty()) throw base::UserError(name + ": has no rows");
  note_single_rows(file, name, file.remarks);
  return file;
}

}  // namespace convoy::engine
