#pragma once

// Reads a CSV file of labelled texts (RFC 4180). Without a heading the label is the first column
// and the others are text; a heading names the columns.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace convoy::engine {

struct CsvRow {
  std::int64_t line = 0;  // where the row begins, from 1
  std::string label;
  std::string text;  // text columns, joined by spaces
};

struct CsvFile {
  std::vector<CsvRow> rows;
  std::vector<std::string> remarks;  // how the columns were interpreted, for people
};

// Throws base::UserError with file and line: missing file, bad quoting, wrong number of columns,
// only one column, no rows, texts as labels. UTF-8, or UTF-16 with a byte order mark.
//
// The first row is a heading if one of its cells is a name for labels ("label", "class",
// "sentiment", "target", ...: see csv_rows.cpp) or names the label and no other row has this cell
// in that column. Numbering columns ("id", "index") are ignored; of the others those with names for
// texts are used, or all. A first row whose label is unlike all others (not a number among numbers,
// or unique where each other label repeats) is a heading with unknown names, never a class; a
// remark says so.
CsvFile read_csv(const std::filesystem::path& path);

}  // namespace convoy::engine
