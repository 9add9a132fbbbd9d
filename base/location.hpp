#pragma once

// Where in a file something was written, for messages of the form file:line:column.

#include <memory>
#include <string>

namespace convoy::base {

struct Location {
  std::shared_ptr<const std::string> file;  // null: nowhere in particular
  int line = 0;                             // from 1; 0: the file as a whole
  int column = 0;                           // from 1

  // "file:line:column", "file" where no line is known, "" where nothing is.
  [[nodiscard]] std::string str() const;
};

}  // namespace convoy::base
