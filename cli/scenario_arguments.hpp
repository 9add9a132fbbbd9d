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

void add_scenario_arguments(CLI::App& verb, ScenarioArguments& arguments);

// Reads the scenario; prints errors and, unless `quiet`, warnings to stderr. Throws base::UserError
// after errors.
sim::Scenario load(const ScenarioArguments& arguments, bool quiet = false);

}  // namespace convoy::cli
