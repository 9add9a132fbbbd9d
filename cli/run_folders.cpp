#include "cli/run_folders.hpp"

#include <filesystem>
#include <set>

#include "base/diagnostics.hpp"
#include "sim/store/store.hpp"
#include "sim/sweep/folder.hpp"

namespace convoy::cli {
RunFolders sort_out(const std::vector<std::string>& folders) {
  RunFolders all;
  std::set<std::string> seen;
  for (const std::string& folder : folders) {
    if (!seen.insert(std::filesystem::path(folder).lexically_normal().string()).second) {
      throw base::UserError(folder + ": is named twice");
    }
    if (sim::SweepFolder(folder).exists()) {
      all.sweeps.push_back(folder);
    } else {
      sim::read_run(folder);  // throws for a faulty store
      all.runs.push_back(folder);
    }
  }
  return all;
}

void add_comparison_options(CLI::App& verb, ComparisonOptions& options) {
  verb.add_option("--baseline", options.baseline,
                  "Group, run or schedule with which the others are compared (default: the first)");
  verb.add_option(
          "--target", options.targets,
          "Accuracy, 0 to 1, whose time and costs are shown; several: 0.8,0.9 (default: the "
          "scenarios' target, else the highest whole percent that all runs reached)")
      ->check(CLI::Range(0.0, 1.0))
      ->delimiter(',')
      ->expected(1)
      ->take_all()
      ->allow_extra_args(false)
      ->type_name("ACCURACY");
  verb.add_option("--metrics", options.metrics,
                  "Only these metrics, in this order: energy_j,accuracy (keys or parts of titles); "
                  "all: also those that are usually left out")
      ->delimiter(',')
      ->expected(1)
      ->take_all()
      ->allow_extra_args(false)
      ->type_name("NAMES");
  verb.add_option(
          "--label", options.labels,
          "Name of a run or group of runs, once for each in their order; with --latex it is LaTeX")
      ->expected(1)
      ->take_all()
      ->allow_extra_args(false)
      ->type_name("NAME");
}

}  // namespace convoy::cli
