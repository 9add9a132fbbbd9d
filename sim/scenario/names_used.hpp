#pragma once

// The names of a fleet's nodes, to find those that are used twice without a list of all: numbered
// nodes ("orin-0" to "orin-999999") are kept as a number. Internal to sim/scenario.

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace convoy::sim {

class NamesUsed {
 public:
  // A name as it is written. Gives it if it was used before.
  std::vector<std::string> add(const std::string& name);
  // The next `count` of "text-0", "text-1", ... Gives those that were used before, as names that
  // are written out.
  std::vector<std::string> add(const std::string& text, std::int64_t count);
  [[nodiscard]] std::int64_t next_number(const std::string& text) const;

 private:
  std::set<std::string> written_;
  // Of these, those that look like numbered ones: their numbers by the text before.
  std::map<std::string, std::set<std::int64_t>> look_numbered_;
  std::map<std::string, std::int64_t> next_;
};

}  // namespace convoy::sim
