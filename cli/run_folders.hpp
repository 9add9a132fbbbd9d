#pragma once

// Folders that a user names: runs, or sweeps.

#include <string>
#include <vector>

namespace convoy::cli {

struct RunFolders {
  std::vector<std::string> runs;
  std::vector<std::string> sweeps;
};

// Throws base::UserError where a folder is neither, or is named twice.
RunFolders sort_out(const std::vector<std::string>& folders);

}  // namespace convoy::cli
