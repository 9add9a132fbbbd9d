#include "hil/testbed/files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <random>
#include <system_error>

#include "base/diagnostics.hpp"

namespace convoy::hil {
namespace {

using std::filesystem::path;

constexpr std::size_t longest_key = std::size_t{1} << 20U;

[[noreturn]] void fail(const path& file, std::string_view what, int error = errno) {
  throw base::UserError(
      fmt::format("{}: {}: {}", file.string(), what, std::generic_category().message(error)));
}

// A draft that goes away unless it got its name.
class Draft {
 public:
  explicit Draft(const path& file)
      : path_(file.parent_path() /
              fmt::format(".{}.{:08x}.new", file.filename().string(), std::random_device()())) {}
  ~Draft() { ::unlink(path_.c_str()); }  // after a rename there is nothing to be found
  Draft(const Draft&) = delete;
  Draft& operator=(const Draft&) = delete;

  [[nodiscard]] const char* name() const { return path_.c_str(); }

 private:
  path path_;
};

void write_all(int descriptor, std::string_view content, const path& file) {
  while (!content.empty()) {
    const ssize_t written = ::write(descriptor, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail(file, "cannot be written");
    content.remove_prefix(static_cast<std::size_t>(written));
  }
}

// 0, or why it did not happen. Fails with EEXIST where `to` is there.
int rename_new(const char* from, const char* to) {
  if (::renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0) return 0;
  if (errno != EINVAL && errno != ENOSYS) return errno;
  // A file system that cannot do so (NFS, for one) has hard links, which never replace either.
  return ::link(from, to) == 0 ? 0 : errno;
}

// A new name is safe on the disk only with its folder. Not every file system can; then it is left
// to the system's own time.
void sync_folder(const path& folder) {
  const Descriptor descriptor(
      ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (descriptor.is_open()) ::fsync(descriptor.get());
}

// Never waits, as it would for the other end of a pipe.
int open_for_reading(const path& file) {
  return ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
}

std::string read_from(int descriptor, const path& file, std::size_t limit) {
  std::string content(limit + 1, '\0');
  std::size_t size = 0;
  while (size < content.size()) {
    const ssize_t got = ::read(descriptor, content.data() + size, content.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail(file, "cannot be read");
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  if (size > limit) {
    throw base::UserError(
        fmt::format("{}: is longer than {} bytes; is it the right file?", file.string(), limit));
  }
  content.resize(size);
  return content;
}

void check_plain(const struct stat& facts, const path& file) {
  if (S_ISREG(facts.st_mode)) return;
  throw base::UserError(fmt::format("{}: is no plain file", file.string()));
}

void check_private(const struct stat& facts, const path& file) {
  check_plain(facts, file);
  if ((facts.st_mode & 077U) == 0) return;
  const bool readable = (facts.st_mode & 044U) != 0;
  throw base::UserError(fmt::format(
      "{0}: this private key can be {1} by others than its owner (mode {2:04o}); chmod 600 {0}",
      file.string(), readable ? "read" : "changed", facts.st_mode & 07777U));
}

}  // namespace

Descriptor::~Descriptor() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void write_file(const path& file, std::string_view content, mode_t mode, Existing existing) {
  const Draft draft(file);
  {
    const Descriptor descriptor(
        ::open(draft.name(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
    if (!descriptor.is_open()) fail(file, "cannot be written");
    // The umask may have taken something away.
    if (::fchmod(descriptor.get(), mode) != 0) fail(file, "its mode cannot be set");
    write_all(descriptor.get(), content, file);
    if (::fsync(descriptor.get()) != 0) fail(file, "cannot be written");
  }
  if (existing == Existing::replace) {
    if (::rename(draft.name(), file.c_str()) != 0) fail(file, "cannot be replaced");
  } else if (const int error = rename_new(draft.name(), file.c_str()); error != 0) {
    if (error == EEXIST) {
      throw base::UserError(
          fmt::format("{}: is there already, and is not overwritten", file.string()));
    }
    fail(file, "cannot be written", error);
  }
  sync_folder(file.parent_path());
}

void make_folder(const path& folder, mode_t mode) {
  if (::mkdir(folder.c_str(), mode) != 0) {
    if (errno == EEXIST) {
      throw base::UserError(
          fmt::format("{}: is there already, and is not overwritten", folder.string()));
    }
    fail(folder, "cannot be made");
  }
  if (::chmod(folder.c_str(), mode) != 0) fail(folder, "its mode cannot be set");
}

std::string read_file(const path& file, std::size_t limit) {
  const Descriptor descriptor(open_for_reading(file));
  struct stat facts {};
  if (!descriptor.is_open() || ::fstat(descriptor.get(), &facts) != 0) {
    fail(file, "cannot be read");
  }
  check_plain(facts, file);
  return read_from(descriptor.get(), file, limit);
}

void check_key_file(const path& file) {
  struct stat facts {};
  if (::stat(file.c_str(), &facts) != 0) fail(file, "the private key cannot be read");
  check_private(facts, file);
}

std::string read_key_file(const path& file) {
  const Descriptor descriptor(open_for_reading(file));
  struct stat facts {};
  if (!descriptor.is_open() || ::fstat(descriptor.get(), &facts) != 0) {
    fail(file, "the private key cannot be read");
  }
  check_private(facts, file);
  return read_from(descriptor.get(), file, longest_key);
}

FolderLock::FolderLock(const path& folder)
    : descriptor_(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
  if (!descriptor_.is_open()) fail(folder, "cannot be opened");
  if (::flock(descriptor_.get(), LOCK_EX | LOCK_NB) == 0) return;
  if (errno == EWOULDBLOCK) {
    throw base::UserError(
        fmt::format("{}: another command is at work on it; try again", folder.string()));
  }
  fail(folder, "cannot be locked");
}

}  // namespace convoy::hil
