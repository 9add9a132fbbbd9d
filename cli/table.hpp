#pragma once

// Tables for the terminal; columns fit their content, numbers are right-aligned. A table that is
// too wide gets its headings, then its texts, wrapped; if that is not enough, its columns are
// printed in several blocks, each with the first columns again. Nothing is cut off.

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace convoy::cli {

// Adds the flag --wide: tables of this process as wide as they come.
void add_wide(CLI::App& verb);

class Table {
 public:
  // A heading with '<' in front (not shown) has a left-aligned column: a text.
  explicit Table(std::vector<std::string> headings);
  void add(std::vector<std::string> cells);
  // At most 100 columns wide without --wide, unless single words are longer.
  [[nodiscard]] std::string str() const;

 private:
  std::vector<bool> left_;
  std::vector<std::vector<std::string>> rows_;  // the first: headings
};

}  // namespace convoy::cli
