#pragma once

// Reads and writes whole files. All file reading in the project goes through read_file(), so that a
// partly read file, or a folder, is never taken for a short file.
//
//   const std::string text = read_file("log.txt");       // all of it, or base::UserError
//
//   WholeFile file("index.json");                        // a draft beside it
//   file.write(text);
//   file.commit();                                       // on the disk, under its name

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <iosfwd>
#include <span>
#include <string>
#include <string_view>

#include "base/non_copyable.hpp"

namespace convoy::base {

// --- reading -----------------------------------------------------------------------------------

constexpr std::uintmax_t longest_file = std::uintmax_t(8) << 30;
// Limit for text files (written by people or for people), in bytes.
constexpr std::uintmax_t longest_text = std::uintmax_t(64) << 20;

// Gives the whole content. Throws UserError with the file and the system's reason: missing, a
// folder, a device, a read error, more than `most` bytes, not enough memory.
std::string read_file(const std::filesystem::path& path, std::uintmax_t most = longest_file);

// Reads a file from front to end in pieces; throws as read_file() does.
class InputStream : NonCopyable {
 public:
  explicit InputStream(const std::filesystem::path& path);
  ~InputStream();

  // Fills `bytes` as far as the file goes; gives the number of bytes read.
  std::size_t read_some(std::span<std::byte> bytes);
  // Fills all of `bytes`, or throws UserError "NAME: is truncated".
  void read(std::span<std::byte> bytes);
  [[nodiscard]] std::uint64_t size() const { return size_; }  // when it was opened

 private:
  std::string name_;
  int descriptor_ = -1;
  std::uint64_t size_ = 0;
};

// Finds a library of the running program: beside it, in the build folder above it, or where it is
// installed (../lib/convoy). Empty: not found.
std::filesystem::path companion(const std::string& library);

// --- writing -----------------------------------------------------------------------------------

// A file that appears whole or not at all. A draft with a random name is created (never through a
// link), filled, checked, synced to the disk and renamed; then its folder is synced, too. Without
// commit() the draft is removed and the old file stays. All functions throw UserError with the file
// and the system's reason ("No space left on device").
class WholeFile : NonCopyable {
 public:
  enum class Existing {
    replace,
    keep,  // commit() throws where the name is taken, by a link as well
  };
  // `mode`: the exact mode, whatever the umask; 0: the mode that the umask gives.
  explicit WholeFile(std::filesystem::path path, mode_t mode = 0,
                     Existing existing = Existing::replace);
  ~WholeFile();

  void write(std::string_view bytes);
  void write(std::span<const std::byte> bytes);
  // durable = false: readers still see a whole file, and the call is quick, but after a power cut
  // the file may be empty or missing. For files that can be made again.
  void commit(bool durable = true);

 private:
  [[noreturn]] void fail(const char* what, int error) const;

  std::filesystem::path path_;
  std::filesystem::path draft_;
  Existing existing_;
  int descriptor_ = -1;
};

// Writes a whole file in one call, by WholeFile.
void write_file(const std::filesystem::path& path, std::string_view content);

// Syncs a folder: a new name or a removal is safe only after that. Throws UserError for disk
// errors; file systems that cannot sync folders are ignored.
void sync_folder(const std::filesystem::path& folder);

// Removes drafts that killed processes left in the folder. Only where no other process writes
// there.
void remove_drafts(const std::filesystem::path& folder);

// --- what a user asked for ---------------------------------------------------------------------

// Checks that the file may be written: its folder exists and is writable, the path is no folder,
// and the file does not exist, or `overwrite` is given. Throws base::UserError.
void check_output(const std::string& path, bool overwrite);

// Writes whole or not at all, as WholeFile does. "-" means the terminal.
void write_output(const std::string& path, const std::string& text, bool overwrite,
                  bool durable = true);
// The same for content too large for memory: `write` fills the file. If `write` throws, no file is
// left.
void write_output(const std::string& path, const std::function<void(std::ostream&)>& write,
                  bool overwrite, bool durable = true);

// Makes the folder and those above it. Throws base::UserError where that fails.
void make_folder(const std::string& path);

}  // namespace convoy::base
