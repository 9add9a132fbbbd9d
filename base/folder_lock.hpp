#pragma once

// A lock on a folder: one process at a time works on it.

#include <filesystem>
#include <string>

#include "base/diagnostics.hpp"
#include "base/non_copyable.hpp"

namespace convoy::base {

// Another process has the lock.
class FolderTaken : public UserError {
 public:
  using UserError::UserError;
};

// Holds the lock of a folder while the object lives. The system frees the lock when the process
// ends, also when it is killed.
class FolderLock : NonCopyable {
 public:
  // `file`: the name of the lock file in the folder; it is created where missing, so that a
  // read-only folder is noticed. Empty: the folder itself is locked. Throws FolderTaken, or
  // UserError with the path and the system's reason.
  explicit FolderLock(const std::filesystem::path& folder, const std::string& file = "");
  ~FolderLock();

 private:
  int descriptor_;
};

}  // namespace convoy::base
