#include "base/folder_lock.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace convoy::base {
namespace {

int open_for_locking(const std::filesystem::path& folder, const std::string& file) {
  if (file.empty()) return ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  constexpr mode_t as_the_umask_has_it = 0644;
  return ::open((folder / file).c_str(), O_CREAT | O_RDWR | O_CLOEXEC | O_NOFOLLOW,
                as_the_umask_has_it);
}

[[noreturn]] void fail(const std::filesystem::path& path, const char* what, int error) {
  throw UserError(fmt::format("{}: {} ({})", path.string(), what,
                              std::error_code(error, std::generic_category()).message()));
}

}  // namespace

FolderLock::FolderLock(const std::filesystem::path& folder, const std::string& file)
    : descriptor_(open_for_locking(folder, file)) {
  const int opened = errno;
  const std::filesystem::path locked = file.empty() ? folder : folder / file;
  if (descriptor_ < 0) fail(locked, "cannot be opened", opened);
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) == 0) return;
  const int error = errno;
  ::close(descriptor_);
  if (error != EWOULDBLOCK) fail(locked, "cannot be locked", error);
  throw FolderTaken(
      fmt::format("{}: another command is at work on it; try again", folder.string()));
}

FolderLock::~FolderLock() { ::close(descriptor_); }

}  // namespace convoy::base
