#pragma once

// Checking [sweep]: every axis must name a key of the scenario, and every value must be one that
// the key takes. Axes that are paired are tried together. Internal to sim/scenario.

#include <functional>
#include <string>
#include <vector>

#include "base/value.hpp"

namespace convoy::sim {

// A key of the scenario that takes another value.
struct Change {
  std::string path;
  base::Value value;
};

// `check` reads the scenario with these changes and reports what is wrong with it.
void check_sweep(const base::Value& root,
                 const std::function<void(const std::vector<Change>&, base::Diagnostics&)>& check,
                 base::Diagnostics& problems);

}  // namespace convoy::sim
