#include "cli/scenario_arguments.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <optional>

#include "base/text.hpp"
#include "sim/store/store.hpp"

namespace convoy::cli {

void add_scenario_arguments(CLI::App& verb, ScenarioArguments& arguments, bool required) {
  auto* file = verb.add_option("scenario", arguments.file, "Scenario file (TOML)");
  if (required) file->required();
  verb.add_option("--set", arguments.sets, "Override a key: --set schedule.kind=cos2p")
      ->type_name("KEY=VALUE")
      ->expected(1)
      ->take_all()
      ->allow_extra_args(false);
}

std::vector<sim::Override> overrides_of(const ScenarioArguments& arguments) {
  std::vector<sim::Override> overrides;
  overrides.reserve(arguments.sets.size());
  for (const std::string& text : arguments.sets) overrides.push_back(sim::parse_override(text));
  return overrides;
}

namespace {

// The scenario, or a UserError; prints what was found out about it.
sim::Scenario checked(std::optional<sim::Scenario> scenario, const base::Diagnostics& problems,
                      const std::string& name, bool quiet) {
  if (!quiet || !scenario) fmt::print(stderr, "{}", problems.str());
  if (!scenario) {
    const int errors = problems.errors();
    throw base::UserError(
        fmt::format("{}: {} error{}, nothing was run", name, errors, errors == 1 ? "" : "s"));
  }
  return std::move(*scenario);
}

}  // namespace

sim::Scenario load_recorded(const ScenarioArguments& arguments, const std::string& folder,
                            bool quiet) {
  const sim::RunRow recorded = sim::read_run(folder).run;
  if (!arguments.file.empty()) {
    base::Diagnostics ignored;
    auto scenario = sim::read_scenario(arguments.file, overrides_of(arguments), ignored);
    const bool same = scenario && sim::is_same_course(recorded, scenario->hash, scenario->course);
    if (same) return checked(std::move(scenario), ignored, arguments.file, quiet);
    if (!std::filesystem::exists(arguments.file)) {
      throw base::UserError(arguments.file + ": no such file; a replay needs none");
    }
    if (!quiet) {
      fmt::print(stderr,
                 "convoy: note: {} does not have the settings of the run in {}: those of the run "
                 "are used\n",
                 base::escaped(arguments.file), base::escaped(folder));
    }
  }
  const std::string path =
      (std::filesystem::path(arguments.file).parent_path() / "recorded.toml").string();
  base::Diagnostics problems;
  auto scenario =
      sim::read_scenario_text(recorded.scenario, path, overrides_of(arguments), problems);
  return checked(std::move(scenario), problems, "the scenario in " + folder, quiet);
}

sim::Scenario load(const ScenarioArguments& arguments, bool quiet) {
  base::Diagnostics problems;
  auto scenario = sim::read_scenario(arguments.file, overrides_of(arguments), problems);
  return checked(std::move(scenario), problems, arguments.file, quiet);
}

}  // namespace convoy::cli
