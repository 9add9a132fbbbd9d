#include "tests/support/files.hpp"

#include <SQLiteCpp/SQLiteCpp.h>
#include <fmt/format.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <fstream>
#include <sstream>

namespace convoy::test {

TemporaryFolder::TemporaryFolder() {
  std::string pattern = (std::filesystem::temp_directory_path() / "convoy-XXXXXX").string();
  path_ = ::mkdtemp(pattern.data());
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TemporaryFolder::write(const std::string& name, const std::string& text) const {
  const std::filesystem::path path = path_ / name;
  std::ofstream(path, std::ios::binary) << text;
  return path.string();
}

std::string read_file(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

Output convoy(const std::string& arguments) {
  const TemporaryFolder folder;
  const std::string out = (folder.path() / "out").string();
  const std::string err = (folder.path() / "err").string();
  const std::string command = fmt::format("{} {} >{} 2>{}", CONVOY_BINARY, arguments, out, err);
  const int status = std::system(command.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status), read_file(out),
          read_file(err)};
}

std::string dump_store(const std::filesystem::path& folder) {
  SQLite::Database database(folder / "run.sqlite", SQLite::OPEN_READONLY);
  std::string text;
  for (const char* table :
       {"run", "node_group", "task", "activity", "aggregation", "journal", "traffic"}) {
    text += std::string("-- ") + table + "\n";
    SQLite::Statement rows(database, std::string("SELECT * FROM ") + table + " ORDER BY rowid");
    while (rows.executeStep()) {
      for (int i = 0; i < rows.getColumnCount(); ++i) {
        text += rows.getColumn(i).isNull() ? "NULL" : rows.getColumn(i).getString();
        text += "|";
      }
      text += "\n";
    }
  }
  return text;
}

}  // namespace convoy::test
