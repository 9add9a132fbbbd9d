#include "base/csv.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <system_error>

#include "base/diagnostics.hpp"
#include "base/files.hpp"
#include "base/text.hpp"

namespace convoy::base {
namespace {

constexpr std::size_t shown = 40;  // limit for cells quoted in messages

// Length of a quoted cell including its quotation marks; 0 if the quote is not closed, or if text
// follows it before the comma: then commas inside separate cells.
std::size_t quoted_length(std::string_view cell) {
  std::size_t end = 1;
  for (;;) {
    end = cell.find('"', end);
    if (end == cell.npos) return 0;
    if (end + 1 == cell.size() || cell[end + 1] != '"') break;
    end += 2;  // two stand for one
  }
  const std::string_view rest = cell.substr(end + 1);
  return trimmed(rest.substr(0, rest.find(','))).empty() ? end + 1 : 0;
}

// `kept` holds cells that are no part of the line as they are: those with two marks for one.
template <class Use>
void split(std::string_view line, std::deque<std::string>& kept, Use use) {
  for (;;) {
    std::string_view cell = line.substr(std::min(line.find_first_not_of(" \t"), line.size()));
    const std::size_t quoted = cell.starts_with('"') ? quoted_length(cell) : 0;
    if (quoted > 0) line = cell;
    const std::size_t comma = line.find(',', quoted);
    cell = trimmed(line.substr(0, comma));
    const bool marks = cell.size() >= 2 && cell.front() == '"' && cell.back() == '"';
    if (marks) cell = cell.substr(1, cell.size() - 2);
    if (quoted > 0 && cell.find("\"\"") != cell.npos) {
      std::string& whole = kept.emplace_back(cell);
      for (std::size_t at = 0; (at = whole.find("\"\"", at)) != whole.npos; ++at) {
        whole.erase(at, 1);
      }
      cell = whole;
    }
    use(cell);
    if (comma == line.npos) return;
    line.remove_prefix(comma + 1);
  }
}

}  // namespace

Lines::Lines(std::string_view text) : rest_(text) {
  constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
  if (rest_.starts_with(byte_order_mark)) rest_.remove_prefix(byte_order_mark.size());
  if (rest_.find('\n') == rest_.npos && rest_.find('\r') != rest_.npos) end_ = '\r';
}

bool Lines::next(std::string_view& line) {
  if (rest_.empty()) return false;
  const std::size_t end = rest_.find(end_);
  line = rest_.substr(0, end);
  rest_.remove_prefix(end == rest_.npos ? rest_.size() : end + 1);
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  ++line_;
  return true;
}

std::string csv_cell(std::string text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  for (std::size_t at = 0; (at = text.find('"', at)) != std::string::npos; at += 2) {
    text.insert(at, 1, '"');
  }
  return "\"" + text + "\"";
}

std::string_view trimmed(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

double parse_number(std::string_view text) {
  constexpr double none = std::numeric_limits<double>::quiet_NaN();
  if (!text.empty() && text.front() == '+') text.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  return whole && std::isfinite(value) ? value : none;
}

std::string read_text_file(const std::string& path) { return decoded(read_file(path), path); }

CsvReader::CsvReader(std::string_view text, std::string file)
    : lines_(text), file_(std::move(file)) {
  std::string_view line;
  if (!read_line(line)) throw UserError(file_ + ": is empty; a heading is needed");
  split(line, kept_, [this](std::string_view cell) { columns_.emplace_back(cell); });
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    const auto same =
        std::find(columns_.begin(), columns_.begin() + static_cast<std::ptrdiff_t>(i), columns_[i]);
    if (same != columns_.begin() + static_cast<std::ptrdiff_t>(i)) {
      fail(-1, fmt::format("column \"{}\" is there twice", printable(columns_[i], shown)));
    }
  }
}

int CsvReader::column(std::string_view name) const {
  const auto found = std::find(columns_.begin(), columns_.end(), name);
  return found == columns_.end() ? -1 : static_cast<int>(found - columns_.begin());
}

bool CsvReader::read_line(std::string_view& line) {
  while (lines_.next(line)) {
    line = trimmed(line);
    if (!line.empty() && line.front() != '#') return true;
  }
  return false;
}

bool CsvReader::next() {
  std::string_view line;
  if (!read_line(line)) return false;
  cells_.clear();
  kept_.clear();
  split(line, kept_, [this](std::string_view cell) { cells_.push_back(cell); });
  if (cells_.size() != columns_.size()) {
    fail(-1, fmt::format("has {} cells, the heading has {}", cells_.size(), columns_.size()));
  }
  return true;
}

double CsvReader::number(int column) const {
  const std::string_view text = cell(column);
  if (text.empty()) return std::numeric_limits<double>::quiet_NaN();
  const double value = parse_number(text);
  if (std::isnan(value)) {
    fail(column, fmt::format("\"{}\" is no finite number", printable(std::string(text), shown)));
  }
  return value;
}

void CsvReader::fail(int column, const std::string& what) const {
  if (column < 0) throw UserError(fmt::format("{}:{}: {}", file_, line(), what));
  throw UserError(fmt::format("{}:{}: {}: {}", file_, line(),
                              printable(columns_[static_cast<std::size_t>(column)], shown), what));
}

}  // namespace convoy::base
