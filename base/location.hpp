#pragma once

// A place in a file, for messages of the form file:line:column.

#include <memory>
#include <string>

namespace convoy::base {

struct Location {
  std::shared_ptr<const std::string> file;  // null: no place
  int line = 0;                             // from 1; 0: the file as a whole
  int column = 0;                           // from 1

  // "file:line:column", "file" without a line, "" without a file.
  [[nodiscard]] std::string str() const;
};

}  // namespace convoy::base
