#include "engine/data/csv_rows.hpp"

#include <csv.h>
#include <fmt/format.h>

#include <algorithm>
#include <fstream>

#include "base/diagnostics.hpp"
#include "engine/data/input_file.hpp"

namespace convoy::engine {
namespace {

// Feeds libcsv line by line, so that the line of each row is known.
class Parser {
 public:
  explicit Parser(std::string name) : name_(std::move(name)) {
    if (csv_init(&parser_, CSV_STRICT | CSV_STRICT_FINI) != 0) fail("cannot be read");
  }
  ~Parser() { csv_free(&parser_); }
  Parser(const Parser&) = delete;
  Parser& operator=(const Parser&) = delete;

  // `line` with its end.
  void feed(const std::string& line) {
    ++line_;
    if (!within_row_) row_.line = line_;
    within_row_ = within_row_ || line.find_first_not_of(" \t\r\n") != std::string::npos;
    const std::size_t taken =
        csv_parse(&parser_, line.data(), line.size(), take_field, take_row, this);
    if (taken < line.size()) fail_parse();
    check_row();
  }

  std::vector<CsvRow> finish() {
    if (csv_fini(&parser_, take_field, take_row, this) != 0) fail_parse();
    check_row();
    return std::move(rows_);
  }

 private:
  // libcsv calls these, and C code is no place for an exception to pass through: what is wrong is
  // kept, and thrown once libcsv has returned.
  static void take_field(void* bytes, std::size_t size, void* self) {
    auto& parser = *static_cast<Parser*>(self);
    const char* text = static_cast<const char*>(bytes);
    CsvRow& row = parser.row_;
    if (parser.fields_ == 0) {
      row.label.assign(text, size);
    } else {
      if (parser.fields_ > 1) row.text += ' ';
      row.text.append(text, size);
    }
    ++parser.fields_;
  }
  static void take_row(int /*end*/, void* self) {
    auto& parser = *static_cast<Parser*>(self);
    if (parser.short_row_ == 0 && (parser.fields_ < 2 || parser.row_.label.empty())) {
      parser.short_row_ = parser.row_.line;
      parser.short_fields_ = parser.fields_;
    }
    parser.rows_.push_back(std::move(parser.row_));
    parser.row_ = {parser.line_, {}, {}};
    parser.fields_ = 0;
    parser.within_row_ = false;
  }

  void check_row() const {
    if (short_row_ == 0) return;
    fail(fmt::format("line {}: {}", short_row_,
                     short_fields_ < 2 ? "has one column only; expected a label, a comma and a text"
                                       : "has no label in its first column"));
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
  int fields_ = 0;
  std::int64_t short_row_ = 0;
  int short_fields_ = 0;
  CsvRow row_;
  std::vector<CsvRow> rows_;
};

bool is_heading(const std::vector<CsvRow>& rows) {
  std::string label = rows.front().label;
  std::transform(label.begin(), label.end(), label.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  if (label != "label" && label != "class") return false;
  return std::none_of(rows.begin() + 1, rows.end(),
                      [&](const CsvRow& row) { return row.label == rows.front().label; });
}

}  // namespace

std::vector<CsvRow> read_csv(const std::filesystem::path& path) {
  const std::string name = path.string();
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) {
    throw base::UserError(name + ": there is no such file");
  }
  if (std::filesystem::file_size(path, ignored) > static_cast<std::uintmax_t>(largest_data)) {
    throw base::UserError(name + ": is larger than 8 GiB; use a part of it");
  }
  std::ifstream in(path, std::ios::binary);
  if (!in) throw base::UserError(name + ": cannot be opened; check that it may be read");
  Parser parser(name);
  bool first = true;
  for (std::string line; std::getline(in, line); first = false) {
    if (!in.eof()) line += '\n';
    if (first && line.starts_with("\xEF\xBB\xBF")) line.erase(0, 3);  // a byte order mark
    parser.feed(line);
  }
  std::vector<CsvRow> rows = parser.finish();
  if (!rows.empty() && is_heading(rows)) rows.erase(rows.begin());
  if (rows.empty()) throw base::UserError(name + ": has no rows");
  return rows;
}

}  // namespace convoy::engine
