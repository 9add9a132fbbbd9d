#pragma once

// Arguments of all verbs that read a scenario: the file and --set.

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "sim/scenario/scenario.hpp"

namespace convoy::cli {

struct ScenarioArguments {
  std::string file;
  std::vector<std::string> sets;
};

// `required`: the file must be given.
void add_scenario_arguments(CLI::App& verb, ScenarioArguments& arguments, bool required = true);

// The overrides of --set. Throws base::UserError for one without "=".
std::vector<sim::Override> overrides_of(const ScenarioArguments& arguments);

// Reads the scenario of a recorded run, with its settings; --set comes on top. The file is used if
// it gives the same scenario; else only its folder, as the base of relative paths (without a file,
// the working directory).
sim::Scenario load_recorded(const ScenarioArguments& arguments, const std::string& folder,
                            bool quiet = false);

// Reads the scenario; prints errors and, unless `quiet`, warnings to stderr. Throws base::UserError
// after errors.
sim::Scenario load(const ScenarioArguments& arguments, bool quiet = false);

}  // namespace convoy::cli
