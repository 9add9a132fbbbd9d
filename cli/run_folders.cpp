#include "cli/run_folders.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "base/diagnostics.hpp"
#include "base/text.hpp"
#include "sim/store/store.hpp"
#include "sim/sweep/folder.hpp"

namespace convoy::cli {
namespace {

namespace fs = std::filesystem;

// Names of the runs and sweeps one level below a folder that is none itself; a few of them.
std::string runs_inside(const fs::path& folder) {
  constexpr std::size_t most = 4;
  std::error_code unreadable;
  if (!fs::is_directory(folder, unreadable) || fs::exists(folder / "run.sqlite", unreadable))
    return "";
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder, unreadable)) {
    if (!fs::exists(entry.path() / "run.sqlite", unreadable) &&
        !sim::SweepFolder(entry.path()).exists()) {
      continue;
    }
    names.push_back(entry.path().string());
  }
  std::ranges::sort(names);
  if (names.size() > most) {
    names.resize(most);
    names.emplace_back("others");
  }
  return base::list_of(names, "and");
}

}  // namespace

RunFolders sort_out(const std::vector<std::string>& folders) {
  RunFolders all;
  std::set<std::string> seen;
  for (const std::string& folder : folders) {
    if (!seen.insert(fs::path(folder).lexically_normal().string()).second) {
      throw base::UserError(folder + ": is named twice");
    }
    if (sim::SweepFolder(folder).exists()) {
      all.sweeps.push_back(folder);
    } else {
      if (const std::string inside = runs_inside(folder); !inside.empty()) {
        throw base::UserError(folder + ": there is no run here, but there are inside: " + inside);
      }
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
      ->check([](const std::string& text) {
        double value = 0;
        const bool number = CLI::detail::lexical_cast(text, value);
        if (number && value >= 0 && value <= 1) return std::string();
        std::string message = text + " is no accuracy between 0 and 1";
        if (number && value > 1 && value <= 100)
          message += fmt::format("; {} %: {:g}", text, value / 100);
        return message;
      })
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
