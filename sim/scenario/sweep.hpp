#pragma once

// [sweep]: many scenarios from one file.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sim/scenario/scenario.hpp"

namespace convoy::sim {

// A scenario's [sweep]: its points, numbered from 0, of which each is a scenario.
class Sweep {
 public:
  // Reads the file and tries each value of each axis by itself.
  static std::optional<Sweep> read(const std::string& path, const std::vector<Override>& overrides,
                                   base::Diagnostics& problems);

  [[nodiscard]] const Scenario& base() const;  // without any change
  [[nodiscard]] std::size_t size() const;      // 1 where there is no [sweep]
  [[nodiscard]] std::vector<std::string> keys() const;
  // The values of keys() at a point, as TOML on one line; empty where a case does not set one.
  [[nodiscard]] std::vector<std::string> settings(std::size_t point) const;
  // Values that fit by themselves may not fit together: that is reported.
  std::optional<Scenario> scenario(std::size_t point, base::Diagnostics& problems) const;

 private:
  struct Data;
  std::shared_ptr<const Data> data_;
};

}  // namespace convoy::sim
