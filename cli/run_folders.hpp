#pragma once

// Folders of runs and sweeps given by a user, and options shared by several verbs.

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace convoy::cli {

struct RunFolders {
  std::vector<std::string> runs;
  std::vector<std::string> sweeps;
};

// Throws base::UserError if a folder is neither a run nor a sweep, or is given twice.
RunFolders sort_out(const std::vector<std::string>& folders);

// Options by which runs are compared.
struct ComparisonOptions {
  std::string baseline;
  std::vector<double> targets;       // accuracies, 0 to 1
  std::vector<std::string> labels;   // of the groups
  std::vector<std::string> metrics;  // names; none: the usual ones
};
void add_comparison_options(CLI::App& verb, ComparisonOptions& options);

}  // namespace convoy::cli
