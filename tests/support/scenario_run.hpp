#pragma once

// Runs a scenario given as text in this process (once: see World), and reads its store.

#include <memory>
#include <string>
#include <vector>

#include "sim/run/run.hpp"
#include "tests/support/expect_time.hpp"
#include "tests/support/files.hpp"

namespace convoy::test {

// The columns of a row of `task` or `activity` that tests use.
struct StoredTask {
  std::int64_t id, node;
  double assigned_s, ended_s;
  std::string outcome;
  std::int64_t base_version, staleness;  // -1: not aggregated
};
struct StoredActivity {
  std::int64_t task, node;
  std::string label;
  double start_s, end_s;
  std::string cause;
};

class ScenarioRun {
 public:
  // Reads and runs the scenario; an invalid scenario fails the test.
  explicit ScenarioRun(const std::string& toml);
  // With a schedule made by the test.
  ScenarioRun(const std::string& toml, sim::ScheduleSpec schedule);

  [[nodiscard]] const sim::RunResult& result() const { return result_; }
  [[nodiscard]] const sim::Summary& summary() const { return result_.summary; }
  [[nodiscard]] std::vector<StoredTask> tasks() const;  // of nodes, without aggregations
  [[nodiscard]] std::vector<StoredActivity> activities(const std::string& label = "") const;
  // End times of the aggregations.
  [[nodiscard]] std::vector<double> versions() const;
  // The journalled events of a kind, such as "node_lost@5".
  [[nodiscard]] std::vector<double> times_of(const std::string& event) const;
  [[nodiscard]] const std::filesystem::path& folder() const { return folder_.path(); }

 private:
  void execute(const std::string& toml, const sim::ScheduleSpec* schedule);

  TemporaryFolder folder_;
  sim::RunResult result_;
};

// The rows of a query on a run's store, columns joined by '|'.
std::vector<std::string> query_store(const std::filesystem::path& folder, const std::string& sql);

sim::Scenario read_or_fail(const std::string& toml);

// A fleet with figures for calculation by hand: nodes with 1 MB/s up and down without latency, a
// server that is no bottleneck, a task of 1 MB down, 10 s of training, 1 MB up, 0.5 s of
// aggregation.
struct Simple {
  std::vector<std::string> nodes;  // further keys for each [[fleet.nodes]]
  std::string schedule;            // keys of [schedule]
  std::string stop;
  std::string cost = "compute_s = 10, download_bytes = 1e6, upload_bytes = 1e6, aggregate_s = 0.5";
  std::string server_link = "duplex = \"full\", down_bps = 1e12, up_bps = 1e12";
  std::string shared_link;  // keys of one shared link called "ap"
};
std::string simple_scenario(const Simple& simple);

}  // namespace convoy::test
