#pragma once

// The model and the data of a scenario, which must fit each other. Internal to sim/scenario.

#include <filesystem>

#include "base/value.hpp"
#include "sim/scenario/scenario.hpp"

namespace convoy::sim {

// Opens the data, where there are any, lets the model follow them where the scenario does not say
// otherwise, and makes it (setting.architecture). `root`: the scenario as it was written; `folder`:
// where relative paths start. False: something is wrong, and reported at [data] or [model].
bool make_model(const base::Value& root, const std::filesystem::path& folder, Scenario& scenario,
                Setting& setting, base::Diagnostics& problems);

// The submodel that is evaluated must have an exit. False: it has none, which is reported.
bool has_exit_to_evaluate(const base::Value& root, const Scenario& scenario, const Setting& setting,
                          base::Diagnostics& problems);

}  // namespace convoy::sim
