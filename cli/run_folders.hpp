#pragma once

// Folders of runs and sweeps given by a user, and options shared by several verbs.

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

namespace convoy::cli {

struct RunFolders {
  std::vector<std::string> runs;
  std::vector<std::string> sweeps;
};

// Throws base::UserError if a folder is neither a run nor a sweep, or is given twice.
RunFolders sort_out(const std::vector<std::string>& folders);

// The option --target ACCURACY.
void add_target(CLI::App& verb, std::optional<double>& target);

}  // namespace convoy::cli
