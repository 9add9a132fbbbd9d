#pragma once

// A folder that one process at a time works on.

#include <filesystem>
#include <string>

#include "base/diagnostics.hpp"

namespace convoy::base {

// Another process has the lock.
class FolderTaken : public UserError {
 public:
  using UserError::UserError;
};

// While it lives, no other process gets the lock of that folder; it is free again when the process
// ends, however it does.
class FolderLock {
 public:
  // `file`: what is locked, by its name in the folder, and made where it is missing, so that a
  // folder that cannot be written to is noticed; empty: the folder itself. Throws FolderTaken, and
  // UserError naming the path and the system's reason.
  explicit FolderLock(const std::filesystem::path& folder, const std::string& file = "");
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int descriptor_;
};

}  // namespace convoy::base
