#pragma once

// Folders and programs for tests.

#include <filesystem>
#include <string>

namespace convoy::test {

// A new empty folder, removed with the object.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  // Writes a file in it and gives its path.
  std::string write(const std::string& name, const std::string& text) const;

 private:
  std::filesystem::path path_;
};

struct Output {
  int status = 0;  // exit status; -signal if it was killed
  std::string out;
  std::string err;
};

// Runs the built `convoy` with arguments as a shell would split them.
Output convoy(const std::string& arguments);

std::string read_file(const std::filesystem::path& path);

// Everything in a store as text, except the host's table.
std::string dump_store(const std::filesystem::path& folder);

}  // namespace convoy::test
