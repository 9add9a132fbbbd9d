#pragma once

// Collects all problems of a user's input, so that they are reported together. Errors stop the
// command; warnings are only printed.
//
//   Diagnostics problems;
//   read_scenario(text, "s.toml", problems);
//   fmt::print(stderr, "{}", problems.str());
//   if (problems.has_errors()) return;

#include <memory>
#include <stdexcept>
#include <string>
#include <unordered_set>
#include <vector>

namespace convoy::base {

// Where in a file something was written.
struct Location {
  std::shared_ptr<const std::string> file;  // null: nowhere in particular
  int line = 0;                             // from 1; 0: the file as a whole
  int column = 0;                           // from 1

  // "file:line:column", "file" where no line is known, "" where nothing is.
  [[nodiscard]] std::string str() const;
};

enum class Severity { error, warning };

struct Diagnostic {
  Location where;
  std::string message;
  Severity severity = Severity::error;

  [[nodiscard]] std::string str() const;  // "file:line:column: error: message"
};

class Diagnostics {
 public:
  // The same message at the same place is kept once.
  void error(Location where, std::string message);
  void warning(Location where, std::string message);
  void add(Diagnostic problem);

  [[nodiscard]] bool has_errors() const { return errors_ > 0; }
  [[nodiscard]] int errors() const { return errors_; }  // warnings are not counted
  // One message a line, by file and line; at most a hundred messages.
  [[nodiscard]] std::string str() const;
  [[nodiscard]] const std::vector<Diagnostic>& all() const { return all_; }

 private:
  std::vector<Diagnostic> all_;
  std::unordered_set<std::string> known_;
  int errors_ = 0;
};

// An error that the user can fix: a bad file, a bad option, a folder that cannot be written. The
// command line prints the text and exits with status 2.
class UserError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace convoy::base
