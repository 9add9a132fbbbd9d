#pragma once

// Tables for the terminal; columns fit their content, numbers are right-aligned.

#include <string>
#include <vector>

namespace convoy::cli {

class Table {
 public:
  // A heading with '<' in front (not shown) has a left-aligned column.
  explicit Table(std::vector<std::string> headings);
  void add(std::vector<std::string> cells);
  [[nodiscard]] std::string str() const;

 private:
  std::vector<bool> left_;
  std::vector<std::vector<std::string>> rows_;  // the first: headings
};

}  // namespace convoy::cli
