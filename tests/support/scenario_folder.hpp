#pragma once

// A folder with a scenario and its runs, made by the command line.

#include <SQLiteCpp/SQLiteCpp.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/support/files.hpp"

namespace convoy::test {

class ScenarioFolder : public testing::Test {
 protected:
  explicit ScenarioFolder(const char* scenario) : file(folder.write("s.toml", scenario)) {}

  [[nodiscard]] std::string in(const std::string& name) const {
    return (folder.path() / name).string();
  }
  [[nodiscard]] Output run(const std::string& name, const std::string& more = "") const {
    return convoy("run " + file + " --quiet -o " + in(name) + " " + more);
  }
  [[nodiscard]] std::string model(const std::string& name) const {
    return read_file(in(name) + "/model.safetensors");
  }
  [[nodiscard]] std::string stored(const std::string& name) const { return dump_store(in(name)); }
  // The first value of an answer.
  [[nodiscard]] double query(const std::string& name, const std::string& sql) const {
    SQLite::Database database(store(name), SQLite::OPEN_READONLY);
    return database.execAndGet(sql).getDouble();
  }
  [[nodiscard]] std::string text(const std::string& name, const std::string& sql) const {
    SQLite::Database database(store(name), SQLite::OPEN_READONLY);
    return database.execAndGet(sql).getString();
  }

  TemporaryFolder folder;
  std::string file;

 private:
  [[nodiscard]] std::string store(const std::string& name) const {
    return in(name) + "/run.sqlite";
  }
};

}  // namespace convoy::test
