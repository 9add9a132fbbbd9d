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

void add_target(CLI::App& verb, std::optional<double>& target) {
  verb.add_option("--target", target,
                  "Accuracy, 0 to 1, whose time is reported (default: the scenarios' target, else "
                  "the highest whole percent that all runs reached)")
      ->check(CLI::Range(0.0, 1.0))
      ->type_name("ACCURACY");
}

}  // namespace convoy::cli
