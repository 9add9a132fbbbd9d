#pragma once

// Folders that a user names: runs, or sweeps; and what is asked about them by several verbs.

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

namespace convoy::cli {

struct RunFolders {
  std::vector<std::string> runs;
  std::vector<std::string> sweeps;
};

// Throws base::UserError where a folder is neither, or is named twice.
RunFolders sort_out(const std::vector<std::string>& folders);

// The option --target ACCURACY.
void add_target(CLI::App& verb, std::optional<double>& target);

}  // namespace convoy::cli
