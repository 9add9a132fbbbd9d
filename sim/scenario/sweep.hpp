#pragma once

// Checking [sweep]: every axis must name a key of the scenario, and every value must be one that
// the key takes. Internal to sim/scenario.

#include <functional>

#include "base/value.hpp"

namespace convoy::sim {

// `check` reads a changed scenario and reports what is wrong with it.
void check_sweep(const base::Value& root,
                 const std::function<void(base::Value, base::Diagnostics&)>& check,
                 base::Diagnostics& problems);

}  // namespace convoy::sim
