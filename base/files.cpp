#include "base/files.hpp"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iostream>

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
  write_output(
      path, [&text](std::ostream& out) { out << text; }, overwrite);
}

void write_output(const std::string& path, const std::function<void(std::ostream&)>& write,
                  bool overwrite) {
  if (path == "-") {
    write(std::cout);
    return;
  }
  check_output(path, overwrite);
  const std::string draft = path + ".new";
  const auto give_up = [&draft] {
    std::error_code ignored;
    std::filesystem::remove(draft, ignored);
  };
  std::ofstream out(draft, std::ios::binary);
  try {
    write(out);
  } catch (...) {
    out.close();
    give_up();
    throw;
  }
  out.flush();
  const bool whole = static_cast<bool>(out);
  out.close();
  if (!whole) {
    give_up();
    throw base::UserError(path + ": could not be written whole; is the disk full?");
  }
  std::filesystem::rename(draft, path);
}

void make_folder(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error || !std::filesystem::is_directory(path)) {
    throw UserError(path + ": cannot be made a folder" +
                    (error ? " (" + error.message() + ")" : ""));
  }
}

}  // namespace convoy::base
