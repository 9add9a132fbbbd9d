#pragma once

// Tables for the terminal: columns as wide as they need to be, numbers to the right.

#include <string>
#include <vector>

namespace convoy::cli {

class Table {
 public:
  // A heading that begins with '<' has its column to the left; the sign is not shown.
  explicit Table(std::vector<std::string> headings);
  void add(std::vector<std::string> cells);
  [[nodiscard]] std::string str() const;

 private:
  std::vector<bool> left_;
  std::vector<std::vector<std::string>> rows_;  // the first: headings
};

}  // namespace convoy::cli
