#pragma once

// Tables of numbers and names as text: comma-separated, a heading first, comments behind '#'. Fast
// (hundreds of MB/s), since traces may have a million lines.
//
//   CsvReader csv(text, "trace.csv");                // reads the heading
//   const int time = csv.column("time_s");           // -1: there is none
//   while (csv.next()) use(csv.number(time));
//
// Errors are base::UserError with file, line and column. Cells may be quoted (RFC 4180), but not go
// over several lines.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace convoy::base {

// Lines of a text, without their ends ("\n" or "\r\n", or "\r" alone where there is no "\n");
// line() counts from 1.
class Lines {
 public:
  explicit Lines(std::string_view text);
  bool next(std::string_view& line);
  [[nodiscard]] std::int64_t line() const { return line_; }

 private:
  std::string_view rest_;
  char end_ = '\n';
  std::int64_t line_ = 0;
};

class CsvReader {
 public:
  // `text` must outlive the reader. Throws where there is no heading.
  CsvReader(std::string_view text, std::string file);

  [[nodiscard]] const std::vector<std::string>& columns() const { return columns_; }
  [[nodiscard]] int column(std::string_view name) const;  // -1: there is none

  // Goes to the next row that is not empty; false at the end of the text. Throws where the row has
  // more or fewer cells than the heading.
  bool next();
  [[nodiscard]] std::string_view cell(int column) const {
    return cells_[static_cast<std::size_t>(column)];
  }
  // The cell as a finite number; an empty cell is NaN. Throws for anything else.
  [[nodiscard]] double number(int column) const;

  [[nodiscard]] std::int64_t line() const { return lines_.line(); }  // of the row, from 1
  // Throws UserError with `what` and the place in the current row; `column` -1: the whole row.
  [[noreturn]] void fail(int column, const std::string& what) const;

 private:
  bool read_line(std::string_view& line);

  Lines lines_;
  std::string file_;
  std::vector<std::string> columns_;
  std::vector<std::string_view> cells_;
  std::deque<std::string> kept_;  // texts of quoted cells
};

std::string_view trimmed(std::string_view text);  // without blanks at both ends

// The number if the whole text is one finite number, else NaN.
double parse_number(std::string_view text);

// The text as a CSV cell, quoted where RFC 4180 requires it.
std::string csv_cell(std::string text);

// The whole file as UTF-8; UTF-16 (by its byte order mark or its zero bytes) is converted. Throws
// UserError where the file cannot be read, as read_file() and decoded() do.
std::string read_text_file(const std::string& path);

}  // namespace convoy::base
