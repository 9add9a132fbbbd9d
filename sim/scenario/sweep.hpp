#pragma once

// [sweep]: many scenarios from one file.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sim/scenario/scenario.hpp"

namespace convoy::sim {

// The sweep of a scenario: points, numbered from 0, each a scenario.
class Sweep {
 public:
  // Reads the file and checks each choice of each axis alone.
  static std::optional<Sweep> read(const std::string& path, const std::vector<Override>& overrides,
                                   base::Diagnostics& problems);

  [[nodiscard]] const Scenario& base() const;  // the scenario without changes
  [[nodiscard]] std::size_t size() const;      // number of points; 1 without [sweep]
  [[nodiscard]] std::vector<std::string> keys() const;
  // The values of keys() at a point, as TOML on one line; empty if a case does not set the key.
  [[nodiscard]] std::vector<std::string> settings(std::size_t point) const;
  // Reports values that are valid alone but not together.
  std::optional<Scenario> scenario(std::size_t point, base::Diagnostics& problems) const;

 private:
  struct Data;
  std::shared_ptr<const Data> data_;
};

}  // namespace convoy::sim
