#include "cli/scenario_arguments.hpp"

#include <fmt/format.h>

#include <cstdio>

namespace convoy::cli {

void add_scenario_arguments(CLI::App& verb, ScenarioArguments& arguments) {
  verb.add_option("scenario", arguments.file, "Scenario file (TOML)")->required();
  verb.add_option("--set", arguments.sets, "Override a key: --set schedule.kind=cos2p")
      ->type_name("KEY=VALUE")
      ->expected(1)
      ->take_all();
}

sim::Scenario load(const ScenarioArguments& arguments, bool quiet) {
  std::vector<sim::Override> overrides;
  overrides.reserve(arguments.sets.size());
  for (const std::string& text : arguments.sets) overrides.push_back(sim::parse_override(text));
  base::Diagnostics problems;
  auto scenario = sim::read_scenario(arguments.file, overrides, problems);
  if (!quiet || !scenario) fmt::print(stderr, "{}", problems.str());
  if (!scenario) {
    const int errors = problems.errors();
    throw base::UserError(fmt::format("{}: {} error{}, nothing was run", arguments.file, errors,
                                      errors == 1 ? "" : "s"));
  }
  return std::move(*scenario);
}

}  // namespace convoy::cli
