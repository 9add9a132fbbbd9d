#pragma once

// The rows of a CSV file of labelled texts (RFC 4180). Without a heading the label comes first,
// then one or more columns of text; a heading says by its names which column is what.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace convoy::engine {

struct CsvRow {
  std::int64_t line = 0;  // where it begins, from 1
  std::string label;
  std::string text;  // the columns of text, joined by a space
};

struct CsvFile {
  std::vector<CsvRow> rows;
  std::vector<std::string> remarks;  // what was taken for what, for people
};

// Throws base::UserError naming file and line: not there, bad quoting, a row of one column or of
// another number of columns than the heading has, no rows, labels that are texts. UTF-8, or UTF-16
// by its mark.
//
// The first row is a heading where one of its cells names labels ("label", "class", "sentiment",
// "target", ...: see csv_rows.cpp), or the label and no other row has it in that column; columns
// of known numbers ("id", "index") are left out, and of the others those whose names say that they
// are texts, or all. A first row whose label is like no other (no number where all others are, or
// one that occurs only there, where each other occurs more often) is a heading too, of unknown
// names: never a class. A remark says so.
CsvFile read_csv(const std::filesystem::path& path);

}  // namespace convoy::engine
