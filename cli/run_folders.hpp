#pragma once

// Folders that a user names: runs, or sweeps.

#include <string>
#include <vector>

#include "analysis/comparison.hpp"

namespace convoy::cli {

struct RunFolders {
  std::vector<std::string> runs;
  std::vector<std::string> sweeps;
};

// Throws base::UserError where a folder is neither, or is named twice.
RunFolders sort_out(const std::vector<std::string>& folders);

// All sweeps, or where there are none all runs, against a baseline. Throws base::UserError where
// runs and sweeps are mixed, no point of a sweep is finished, or the baseline is not to be found.
analysis::Comparison compare_all(const RunFolders& folders, const std::string& baseline);

}  // namespace convoy::cli
