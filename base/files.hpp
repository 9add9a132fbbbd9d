#pragma once

// Files, read whole and written whole. Every stream of the project that reads a file goes through
// read_file(), so that what is read in part, or is a folder, never passes for a short file.
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

namespace convoy::base {

// --- reading -----------------------------------------------------------------------------------

constexpr std::uintmax_t longest_file = std::uintmax_t(8) << 30;
// Of files that people write, or programs for people to read.
constexpr std::uintmax_t longest_text = std::uintmax_t(64) << 20;

// The whole content. Throws UserError naming the file and the system's reason: not there, a folder,
// a device, an error of the disk at any place, more than `most` bytes, no memory for it.
std::string read_file(const std::filesystem::path& path, std::uintmax_t most = longest_file);

// Reads a file from front to end in pieces; throws as read_file() does.
class InputStream {
 public:
  explicit InputStream(const std::filesystem::path& path);
  ~InputStream();
  InputStream(const InputStream&) = delete;
  InputStream& operator=(const InputStream&) = delete;

  // Fills the bytes as far as the file goes; how many they were.
  std::size_t read_some(std::span<std::byte> bytes);
  // Fills all of them, or throws "NAME: is truncated".
  void read(std::span<std::byte> bytes);
  [[nodiscard]] std::uint64_t size() const { return size_; }  // when it was opened

 private:
  std::string name_;
  int descriptor_ = -1;
  std::uint64_t size_ = 0;
};

// Where a library lies that belongs to the running program: beside it, in the folder of a build
// above it, or where an installation has it (../lib/convoy). Empty: nowhere.
std::filesystem::path companion(const std::string& library);

// --- writing -----------------------------------------------------------------------------------

// A file that appears whole or not at all: a draft with a name that nobody can guess, made anew
// (never by way of a link that lies there), is filled, checked, brought to the disk and renamed,
// and its folder is brought to the disk too. Without commit() the draft goes and what was there
// stays. All of it throws UserError naming the file and the system's reason ("No space left on
// device").
class WholeFile {
 public:
  enum class Existing {
    replace,
    keep,  // commit() throws where something has the name; a link counts
  };
  // `mode`: exactly that, whatever the umask says; 0: as the umask has new files.
  explicit WholeFile(std::filesystem::path path, mode_t mode = 0,
                     Existing existing = Existing::replace);
  ~WholeFile();
  WholeFile(const WholeFile&) = delete;
  WholeFile& operator=(const WholeFile&) = delete;

  void write(std::string_view bytes);
  void write(std::span<const std::byte> bytes);
  // Not `durable`: whole for whoever reads it, and quick, but after a power cut perhaps empty or
  // not there. For what is made again where it is missing.
  void commit(bool durable = true);

 private:
  [[noreturn]] void fail(const char* what, int error) const;

  std::filesystem::path path_;
  std::filesystem::path draft_;
  Existing existing_;
  int descriptor_ = -1;
};

// The same in one step.
void write_file(const std::filesystem::path& path, std::string_view content);

// A name or a removal in a folder is safe only with the folder. Throws UserError where the disk
// fails; file systems that cannot do so are left to the system's own time.
void sync_folder(const std::filesystem::path& folder);

// Removes what a WholeFile leaves in a folder when its process is killed. Only where nobody else
// writes there.
void remove_drafts(const std::filesystem::path& folder);

// --- what a user asked for ---------------------------------------------------------------------

// That the file may be written: its folder is there and may be written to, it is no folder, and it
// is not there, or `overwrite` is given. Throws base::UserError.
void check_output(const std::string& path, bool overwrite);

// Whole or not at all, as WholeFile. "-": to the terminal.
void write_output(const std::string& path, const std::string& text, bool overwrite,
                  bool durable = true);
// The same for what is too large to be held in memory: `write` fills the file; what it throws
// leaves none behind.
void write_output(const std::string& path, const std::function<void(std::ostream&)>& write,
                  bool overwrite, bool durable = true);

// With those above it. Throws base::UserError where it cannot be.
void make_folder(const std::string& path);

}  // namespace convoy::base
