#include "base/files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <iostream>
#include <new>
#include <random>
#include <streambuf>
#include <system_error>
#include <vector>

#include "base/diagnostics.hpp"
#include "base/text.hpp"

namespace convoy::base {
namespace {

namespace fs = std::filesystem;

std::string reason(int error) { return std::generic_category().message(error); }

[[noreturn]] void cannot_read(const std::string& name, int error) {
  if (error == EISDIR) throw UserError(name + ": is a folder; a file is needed");
  throw UserError(fmt::format("{}: cannot be read: {}", name, reason(error)));
}

// Draft names of WholeFile: hidden, with limited length.
constexpr std::string_view draft_begin = ".";
constexpr std::string_view draft_end = ".new";
constexpr std::size_t random_digits = 16;

fs::path draft_of(const fs::path& path) {
  constexpr std::size_t longest = 100;  // of the file's own name; file systems allow 255 bytes
  std::random_device device;
  const std::uint64_t number = (std::uint64_t{device()} << 32U) | device();
  return path.parent_path() / fmt::format("{}{}.{:0{}x}{}", draft_begin,
                                          path.filename().string().substr(0, longest), number,
                                          random_digits, draft_end);
}

bool is_draft(const std::string& name) {
  if (!name.starts_with(draft_begin) || !name.ends_with(draft_end)) return false;
  const std::size_t end = name.size() - draft_end.size();
  if (end < random_digits + 1 || name[end - random_digits - 1] != '.') return false;
  return name.find_first_not_of("0123456789abcdef", end - random_digits) == end;
}

// Renames without replacing: gives 0 or errno; EEXIST if `to` exists.
int rename_new(const char* from, const char* to) {
  if (::renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0) return 0;
  if (errno != EINVAL && errno != ENOSYS) return errno;
  // On file systems without support (such as NFS) uses a hard link, which never replaces a file.
  return ::link(from, to) == 0 ? 0 : errno;
}

// An ostream buffer into a WholeFile. Throws write errors, beyond noting them in the stream.
class Buffer : public std::streambuf {
 public:
  explicit Buffer(WholeFile& file) : file_(file) { empty(); }
  void flush() {
    file_.write(std::string_view(pbase(), static_cast<std::size_t>(pptr() - pbase())));
    empty();
  }

 protected:
  int_type overflow(int_type c) override {
    flush();
    if (!traits_type::eq_int_type(c, traits_type::eof())) sputc(traits_type::to_char_type(c));
    return traits_type::not_eof(c);
  }
  int sync() override {
    flush();
    return 0;
  }

 private:
  void empty() { setp(bytes_.data(), bytes_.data() + bytes_.size()); }

  WholeFile& file_;
  std::array<char, 1U << 16U> bytes_{};
};

}  // namespace

// --- reading -----------------------------------------------------------------------------------

std::filesystem::path companion(const std::string& library) {
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe");
  for (const char* place : {".", "..", "../lib/convoy", "../lib", "../.."}) {
    std::filesystem::path path = program.parent_path() / place / library;
    std::error_code ignored;
    if (std::filesystem::exists(path, ignored)) return path;
  }
  return {};
}

InputStream::InputStream(const fs::path& path)
    : name_(path.string()), descriptor_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
  if (descriptor_ < 0) cannot_read(name_, errno);
  struct stat facts {};
  int error = ::fstat(descriptor_, &facts) == 0 ? 0 : errno;
  if (error == 0 && S_ISDIR(facts.st_mode)) error = EISDIR;
  // Devices may have no end.
  if (error == 0 && (S_ISCHR(facts.st_mode) || S_ISBLK(facts.st_mode))) {
    ::close(descriptor_);
    throw UserError(name_ + ": is a device, and no file");
  }
  if (error != 0) {
    ::close(descriptor_);
    cannot_read(name_, error);
  }
  if (S_ISREG(facts.st_mode)) size_ = static_cast<std::uint64_t>(facts.st_size);
}

InputStream::~InputStream() { ::close(descriptor_); }

std::size_t InputStream::read_some(std::span<std::byte> bytes) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t got = ::read(descriptor_, bytes.data() + done, bytes.size() - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) cannot_read(name_, errno);
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

void InputStream::read(std::span<std::byte> bytes) {
  if (read_some(bytes) < bytes.size()) throw UserError(name_ + ": is truncated");
}

std::string read_file(const fs::path& path, std::uintmax_t most) {
  InputStream in(path);
  const auto too_long = [&] {
    throw UserError(fmt::format("{}: is longer than {}; is it the right file?", path.string(),
                                human_bytes(static_cast<double>(most))));
  };
  if (in.size() > most) too_long();
  std::string text;
  try {
    // Pipes and kernel files do not report their length, and other files may grow meanwhile.
    constexpr std::uint64_t piece = 1U << 16U;
    text.resize(in.size() + 1);
    for (std::size_t done = 0;;) {
      const std::span<char> rest = std::span(text).subspan(done);
      done += in.read_some(std::as_writable_bytes(rest));
      if (done > most) too_long();
      if (done < text.size()) {
        text.resize(done);
        return text;
      }
      text.resize(text.size() + std::max<std::uint64_t>(piece, text.size() / 2));
    }
  } catch (const std::bad_alloc&) {
    throw UserError(fmt::format("{}: there is not enough memory to read its {}", path.string(),
                                human_bytes(static_cast<double>(in.size()))));
  }
}

// --- writing -----------------------------------------------------------------------------------

WholeFile::WholeFile(fs::path path, mode_t mode, Existing existing)
    : path_(std::move(path)), existing_(existing) {
  struct stat facts {};
  if (::stat(path_.c_str(), &facts) == 0 && !S_ISREG(facts.st_mode)) {
    throw UserError(path_.string() + ": is there already, and is no plain file");
  }
  for (int attempt = 0; descriptor_ < 0; ++attempt) {
    constexpr int attempts = 10;
    constexpr mode_t usual = 0666;
    draft_ = draft_of(path_);
    descriptor_ = ::open(draft_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                         mode == 0 ? usual : mode);
    if (descriptor_ < 0 && (errno != EEXIST || attempt == attempts)) {
      fail("cannot be written", errno);
    }
  }
  // The umask may have removed permissions.
  if (mode != 0 && ::fchmod(descriptor_, mode) != 0) {
    const int error = errno;
    ::close(descriptor_);
    ::unlink(draft_.c_str());
    fail("its mode cannot be set", error);
  }
}

WholeFile::~WholeFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (!draft_.empty()) ::unlink(draft_.c_str());
}

void WholeFile::fail(const char* what, int error) const {
  throw UserError(fmt::format("{}: {}: {}", path_.string(), what, reason(error)));
}

void WholeFile::write(std::string_view bytes) { write(std::as_bytes(std::span(bytes))); }

void WholeFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("cannot be written", errno);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

void WholeFile::commit(bool durable) {
  if (durable && ::fsync(descriptor_) != 0 && errno != EINVAL) fail("cannot be written", errno);
  // Network file systems may report a full disk only at close().
  const int closed = ::close(descriptor_);
  descriptor_ = -1;
  if (closed != 0 && errno != EINTR) fail("cannot be written", errno);
  if (existing_ == Existing::replace) {
    if (::rename(draft_.c_str(), path_.c_str()) != 0) fail("cannot be replaced", errno);
    draft_.clear();
  } else if (const int error = rename_new(draft_.c_str(), path_.c_str()); error != 0) {
    if (error == EEXIST) {
      throw UserError(path_.string() + ": is there already, and is not overwritten");
    }
    fail("cannot be written", error);
  }
  if (durable) sync_folder(path_.parent_path());
}

void write_file(const fs::path& path, std::string_view content) {
  WholeFile file(path);
  file.write(content);
  file.commit();
}

void sync_folder(const fs::path& folder) {
  const int descriptor =
      ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return;  // a folder may be writable but not readable
  const int error = ::fsync(descriptor) == 0 ? 0 : errno;
  ::close(descriptor);
  if (error == EIO || error == ENOSPC || error == EDQUOT) {
    throw UserError(fmt::format("{}: cannot be written: {}", folder.string(), reason(error)));
  }
}

void remove_drafts(const fs::path& folder) {
  std::error_code ignored;
  std::vector<fs::path> drafts;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    if (is_draft(entry.path().filename().string())) drafts.push_back(entry.path());
  }
  for (const fs::path& draft : drafts) fs::remove(draft, ignored);
}

// --- what a user asked for ---------------------------------------------------------------------

void check_output(const std::string& path, bool overwrite) {
  if (path == "-") return;
  if (fs::is_directory(path)) {
    throw base::UserError(path + ": is a folder; give -o a file");
  }
  if (fs::exists(path) && !overwrite) {
    throw base::UserError(path + ": is there already; --overwrite replaces it");
  }
  const fs::path file = path;
  const fs::path folder = file.has_parent_path() ? file.parent_path() : ".";
  if (::access(folder.c_str(), W_OK) != 0) {
    throw base::UserError(path + ": its folder is not there, or cannot be written to");
  }
}

void write_output(const std::string& path, const std::string& text, bool overwrite, bool durable) {
  write_output(
      path, [&text](std::ostream& out) { out << text; }, overwrite, durable);
}

void write_output(const std::string& path, const std::function<void(std::ostream&)>& write,
                  bool overwrite, bool durable) {
  if (path == "-") {
    write(std::cout);
    std::cout.flush();
    if (!std::cout) throw UserError("the standard output cannot be written; is a disk full?");
    return;
  }
  check_output(path, overwrite);
  WholeFile file(path);
  Buffer buffer(file);
  std::ostream out(&buffer);
  out.exceptions(std::ios::badbit);  // rethrows the buffer's exceptions
  write(out);
  buffer.flush();
  file.commit(durable);
}

void make_folder(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error || !fs::is_directory(path)) {
    throw UserError(path + ": cannot be made a folder" +
                    (error ? " (" + error.message() + ")" : ""));
  }
}

}  // namespace convoy::base
