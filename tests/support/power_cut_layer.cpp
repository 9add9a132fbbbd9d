// A layer between a program and the system's files, preloaded by tests: keeps what a power cut
// could not take away. Whatever is brought to the disk (fsync, fdatasync) of a file is copied, of a
// folder its names are listed; a test puts together from that what a disk would hold that wrote
// nothing it was not told to (tests/cli/power_cut_test.cpp).
//
// CONVOY_POWER_CUT_WATCH: the folder that is watched. CONVOY_POWER_CUT_SHADOW: where the copies go.
// The log has a line for each time:
//
//   F FILE COPY            the file's content is COPY, in the shadow folder
//   D PATH NAME:FILE ...   the folder's names

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <mutex>
#include <string>

namespace {

using Sync = int (*)(int);

std::string path_of(int descriptor) {
  std::array<char, 4096> buffer{};
  const std::string link = "/proc/self/fd/" + std::to_string(descriptor);
  const ssize_t n = ::readlink(link.c_str(), buffer.data(), buffer.size());
  return n > 0 ? std::string(buffer.data(), static_cast<std::size_t>(n)) : "";
}

void write_all(int to, const char* bytes, std::size_t n) {
  for (std::size_t done = 0; done < n;) {
    const ssize_t more = ::write(to, bytes + done, n - done);
    if (more <= 0) ::abort();  // a test without its log would have no result
    done += static_cast<std::size_t>(more);
  }
}

void append(const std::string& shadow, const std::string& line) {
  const int log =
      ::open((shadow + "/log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  write_all(log, line.data(), line.size());
  ::close(log);
}

void copy(const std::string& from, const std::string& to) {
  const int in = ::open(from.c_str(), O_RDONLY | O_CLOEXEC);
  const int out = ::open(to.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  std::array<char, 1 << 16> buffer{};
  for (ssize_t n = 0; (n = ::read(in, buffer.data(), buffer.size())) > 0;) {
    write_all(out, buffer.data(), static_cast<std::size_t>(n));
  }
  ::close(in);
  ::close(out);
}

// Identifies the file, since inode numbers are used again for later files.
std::string identity(const std::string& path) {
  struct statx about {};
  if (::statx(AT_FDCWD, path.c_str(), 0, STATX_INO | STATX_BTIME, &about) != 0) return "gone";
  return std::to_string(about.stx_ino) + "." + std::to_string(about.stx_btime.tv_sec) + "." +
         std::to_string(about.stx_btime.tv_nsec);
}

void keep(int descriptor) {
  const char* watch = std::getenv("CONVOY_POWER_CUT_WATCH");
  const char* shadow = std::getenv("CONVOY_POWER_CUT_SHADOW");
  if (watch == nullptr || shadow == nullptr) return;
  const std::string path = path_of(descriptor);
  if (!path.starts_with(watch)) return;
  struct stat about {};
  if (::fstat(descriptor, &about) != 0) return;
  static std::mutex mutex;
  static int copies = 0;
  const std::lock_guard lock(mutex);
  if (S_ISDIR(about.st_mode)) {
    std::string line = "D " + path;
    DIR* folder = ::opendir(path.c_str());
    if (folder == nullptr) return;
    while (const dirent* entry = ::readdir(folder)) {
      const std::string name = static_cast<const char*>(entry->d_name);
      if (name == "." || name == "..") continue;
      line += " " + name + ":" + identity(path + "/" + name);
    }
    ::closedir(folder);
    append(shadow, line + "\n");
  } else if (S_ISREG(about.st_mode)) {
    const std::string name = std::to_string(copies++);
    // Reads through the descriptor: the file may have another name by now, or none.
    const std::string file = "/proc/self/fd/" + std::to_string(descriptor);
    copy(file, std::string(shadow) + "/" + name);
    append(shadow, "F " + identity(file) + " " + name + "\n");
  }
}

int sync_with(const char* name, int descriptor) {
  const auto real = reinterpret_cast<Sync>(::dlsym(RTLD_NEXT, name));
  const int result = real(descriptor);
  if (result == 0) keep(descriptor);
  return result;
}

}  // namespace

extern "C" int fsync(int descriptor) { return sync_with("fsync", descriptor); }
extern "C" int fdatasync(int descriptor) { return sync_with("fdatasync", descriptor); }
