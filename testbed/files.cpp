#include "testbed/files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "base/diagnostics.hpp"
#include "base/non_copyable.hpp"

namespace convoy::testbed {
namespace {

// A file descriptor that is closed with the object.
class Descriptor : base::NonCopyable {
 public:
  explicit Descriptor(int descriptor) : descriptor_(descriptor) {}
  ~Descriptor() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }

  [[nodiscard]] int get() const { return descriptor_; }
  [[nodiscard]] bool is_open() const { return descriptor_ >= 0; }

 private:
  int descriptor_;
};

using std::filesystem::path;

constexpr std::size_t longest_key = std::size_t{1} << 20U;

[[noreturn]] void fail(const path& file, std::string_view what, int error = errno) {
  throw base::UserError(
      fmt::format("{}: {}: {}", file.string(), what, std::generic_category().message(error)));
}

// Does not block, as opening a pipe would.
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

void write_file(const path& file, std::string_view content, mode_t mode, Existing existing) {
  base::WholeFile whole(file, mode, existing);
  whole.write(content);
  whole.commit();
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

}  // namespace convoy::testbed
