#pragma once

// A run with real agents over loopback.

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

  // Three nodes; the first two ("a", "b") are real unless `real` says otherwise. A small CNN on
  // glyphs. Further keys as for --set.
  std::vector<std::string> sets = {"fleet.nodes.0.backend=hil", "fleet.nodes.1.backend=hil"};

  // Starts an agent with `further` options. Agents are stored by name: one per name.
  Program& agent(const std::string& name, const std::vector<std::string>& further = {});
  Program& coordinator(const std::string& folder, const std::vector<std::string>& further = {});
  // For a run that must go on until something has happened, and that the test then ends.
  void without_end() { sets.push_back("stop.tasks=1000000"); }
  // Tasks that last long enough to be interrupted, and end before their deadline of 30 s.
  void train_long() {
    sets.push_back(patience > 1 ? "training.local_epochs=8" : "training.local_epochs=60");
  }
  static void expect_interrupted(Program& coordinator);
  // The replay of the run "real", with further options, has the same journal.
  void expect_replay(const std::string& options = "");
  // The run "real" was interrupted: its replay also ends so, and equals the run up to there.
  void expect_replay_of_interrupted();
  // Runs `convoy` to its end with the same scenario and sets, and further options.
  Output convoy_with(const std::string& options);

  [[nodiscard]] std::string in(const std::string& name) const {
    return (folder.path() / name).string();
  }
  [[nodiscard]] std::vector<Entry> journal(const std::string& folder) const;
  [[nodiscard]] std::vector<std::string> query(const std::string& folder,
                                               const std::string& sql) const;
  // Waits until a query on the store of a run in progress gives `wanted`; false after a minute.
  [[nodiscard]] bool reaches(const std::string& folder, const std::string& count, int wanted) const;
  // Aggregated updates by node name; fails the test if an update was aggregated twice.
  [[nodiscard]] std::map<std::string, int> aggregated(const std::string& folder) const;

  TemporaryFolder folder;
  std::string scenario;
  std::string binary = CONVOY_BINARY;  // the coordinator's program
  int port;                            // where the coordinator listens
  int agent_port;  // where agents connect; another port if a relay is in between
  std::map<std::string, std::unique_ptr<Program>> agents;
  std::unique_ptr<Program> run;
  int runs = 0;
  std::string netns;  // network namespace of the programs; empty: the present one

 private:
  std::unique_ptr<Program> start(std::string program, std::vector<std::string> arguments,
                                 const std::string& log) const;
};

}  // namespace convoy::test
