#pragma once

// Makes the model and opens the data of a scenario. Internal to sim/scenario.

#include <filesystem>

#include "base/value.hpp"
#include "sim/scenario/scenario.hpp"

namespace convoy::sim {

// Opens the data, if any, adapts unset model options to the data, and makes the model
// (setting.architecture, setting.learned_as). `root`: the scenario tree; `folder`: base of relative
// paths. False: errors were reported at [data] or [model].
bool make_model(const base::Value& root, const std::filesystem::path& folder, Scenario& scenario,
                Setting& setting, base::Diagnostics& problems);

// Checks that the submodel to be evaluated has an exit. False: it has none, which is reported.
bool has_exit_to_evaluate(const base::Value& root, const Scenario& scenario, const Setting& setting,
                          base::Diagnostics& problems);

}  // namespace convoy::sim
