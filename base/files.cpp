#include "base/files.hpp"

#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "base/diagnostics.hpp"

namespace convoy::base {

void check_output(const std::string& path, bool overwrite) {
  if (path == "-") return;
  if (std::filesystem::is_directory(path)) {
    throw base::UserError(path + ": is a folder; give -o a file");
  }
  if (std::filesystem::exists(path) && !overwrite) {
    throw base::UserError(path + ": is there already; --overwrite replaces it");
  }
  const std::filesystem::path file = path;
  const std::filesystem::path folder = file.has_parent_path() ? file.parent_path() : ".";
  if (::access(folder.c_str(), W_OK) != 0) {
    throw base::UserError(path + ": its folder is not there, or cannot be written to");
  }
}

void write_output(const std::string& path, const std::string& text, bool overwrite) {
  if (path == "-") {
    std::fwrite(text.data(), 1, text.size(), stdout);
    return;
  }
  check_output(path, overwrite);
  const std::string draft = path + ".new";
  {
    std::ofstream out(draft, std::ios::binary);
    out << text;
    out.flush();
    if (!out) {
      out.close();
      std::error_code ignored;
      std::filesystem::remove(draft, ignored);
      throw base::UserError(path + ": could not be written whole; is the disk full?");
    }
  }
  std::filesystem::rename(draft, path);
}

}  // namespace convoy::base
