#pragma once

// Collects everything that is wrong with a user's input, so that it is reported at once.
//
//   Diagnostics problems;
//   read_scenario(text, "s.toml", problems);
//   if (problems.has_errors()) fmt::print(stderr, "{}", problems.str());

#include <stdexcept>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/location.hpp"

namespace convoy::base {

struct Diagnostic {
  Location where;
  std::string message;

  [[nodiscard]] std::string str() const;  // "file:line:column: error: message"
};

class Diagnostics {
 public:
  // The same message at the same place is kept once.
  void error(Location where, std::string message);

  [[nodiscard]] bool has_errors() const { return !all_.empty(); }
  [[nodiscard]] int errors() const { return static_cast<int>(all_.size()); }
  // In the order of the files and lines, one message a line; no more than a hundred of them.
  [[nodiscard]] std::string str() const;
  [[nodiscard]] const std::vector<Diagnostic>& all() const { return all_; }

 private:
  std::vector<Diagnostic> all_;
  std::unordered_set<std::string> known_;
};

// What a user can mend: a bad file, a bad option, a folder that cannot be written. The command
// line prints the text and ends with status 2.
class UserError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace convoy::base
