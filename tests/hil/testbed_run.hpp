#pragma once

// A run with real agents beside it, over loopback.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/files.hpp"
#include "tests/support/programs.hpp"

namespace convoy::test {

// One event or order of a run's journal.
struct Entry {
  double time_s = 0;
  std::string kind;
  std::int64_t node = 0;
  std::int64_t task = 0;
  std::string detail;
};

class TestbedRun {
 public:
  TestbedRun();

  // Three nodes, of which the first two ("a", "b") are real unless `real` says otherwise; a small
  // CNN on glyphs. Further keys by --set.
  std::vector<std::string> sets = {"fleet.nodes.0.backend=hil", "fleet.nodes.1.backend=hil"};

  // Starts an agent; `further` options. By its name: one of a name at a time.
  Program& agent(const std::string& name, const std::vector<std::string>& further = {});
  Program& coordinator(const std::string& folder, const std::vector<std::string>& further = {});
  // For a run that is to go on until something has happened, however fast the machine is, and that
  // the test then ends.
  void without_end() { sets.push_back("stop.tasks=1000000"); }
  static void expect_interrupted(Program& coordinator);
  // The run "real" was interrupted: its replay ends like that, and before that all is as it was.
  void expect_replay_of_interrupted();
  // Runs `convoy` with the same scenario and sets, and other options, to its end.
  Output convoy_with(const std::string& options);

  [[nodiscard]] std::string in(const std::string& name) const {
    return (folder.path() / name).string();
  }
  [[nodiscard]] std::vector<Entry> journal(const std::string& folder) const;
  [[nodiscard]] std::vector<std::string> query(const std::string& folder,
                                               const std::string& sql) const;
  // The store of a run that goes on comes to so many; false after a minute.
  [[nodiscard]] bool reaches(const std::string& folder, const std::string& count, int wanted) const;
  // Updates that were aggregated, by node name; fails the test where one was so twice.
  [[nodiscard]] std::map<std::string, int> aggregated(const std::string& folder) const;

  TemporaryFolder folder;
  std::string scenario;
  std::string binary = CONVOY_BINARY;  // the coordinator's
  int port;                            // that the coordinator listens on
  int agent_port;  // that agents connect to; another one where something stands in between
  std::map<std::string, std::unique_ptr<Program>> agents;
  std::unique_ptr<Program> run;
  int runs = 0;
  std::string netns;  // network namespace in which programs run; empty: this one

 private:
  std::unique_ptr<Program> start(std::string program, std::vector<std::string> arguments,
                                 const std::string& log) const;
};

}  // namespace convoy::test
