#pragma once

// The rows of a CSV file of labelled texts (RFC 4180): the label, then one or more columns of text.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace convoy::engine {

struct CsvRow {
  std::int64_t line = 0;  // where it begins, from 1
  std::string label;
  std::string text;  // the other columns, joined by a space
};

// Throws base::UserError naming file and line: not there, bad quoting, a row of one column, no
// rows. A first row is a heading, and left out, where its label reads "label" or "class" and no
// other row has that label.
std::vector<CsvRow> read_csv(const std::filesystem::path& path);

}  // namespace convoy::engine
