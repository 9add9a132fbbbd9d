#include "cli/run_folders.hpp"

#include <algorithm>
#include <filesystem>
#include <set>

#include "base/diagnostics.hpp"
#include "sim/store/store.hpp"

namespace convoy::cli {
namespace {

// Figures of several sweeps by their keys: what one has not is nothing there.
analysis::Cases join(const std::vector<analysis::SweepResults>& sweeps) {
  analysis::Cases all;
  const auto place = [&all](const analysis::FigureName& name) {
    const auto found = std::find_if(all.figures.begin(), all.figures.end(),
                                    [&](const auto& known) { return known.key == name.key; });
    if (found != all.figures.end()) return static_cast<std::size_t>(found - all.figures.begin());
    all.figures.push_back(name);
    return all.figures.size() - 1;
  };
  for (const analysis::SweepResults& sweep : sweeps) {
    for (const analysis::FigureName& name : sweep.figures) place(name);
  }
  for (const analysis::SweepResults& sweep : sweeps) {
    for (analysis::Case& one : analysis::cases_of(sweep).all) {
      std::vector<std::optional<double>> values(all.figures.size());
      for (std::size_t f = 0; f < sweep.figures.size(); ++f) {
        values[place(sweep.figures[f])] = one.values[f];
      }
      one.values = std::move(values);
      if (sweeps.size() > 1) one.group = sweep.folder + ": " + one.group;
      all.all.push_back(std::move(one));
    }
  }
  return all;
}

}  // namespace

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
      sim::read_run(folder);  // says what is wrong with a store
      all.runs.push_back(folder);
    }
  }
  return all;
}

analysis::Comparison compare_all(const RunFolders& folders, const std::string& baseline) {
  if (folders.sweeps.empty()) {
    std::vector<analysis::RunSummary> runs;
    for (const std::string& folder : folders.runs) runs.push_back(analysis::read_summary(folder));
    return analysis::compare(analysis::cases_of(runs), baseline);
  }
  if (!folders.runs.empty()) {
    throw base::UserError(folders.runs.front() +
                          ": is a run, others are sweeps; compare runs or sweeps, not both");
  }
  std::vector<analysis::SweepResults> sweeps;
  for (const std::string& folder : folders.sweeps) {
    sweeps.push_back(analysis::read_sweep(sim::SweepFolder(folder)));
  }
  const analysis::Cases cases = join(sweeps);
  if (cases.all.empty()) {
    throw base::UserError(folders.sweeps.front() +
                          ": no point of it is finished; run `convoy sweep` on it again");
  }
  return analysis::compare(cases, baseline);
}

}  // namespace convoy::cli
