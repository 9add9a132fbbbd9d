#pragma once

// Chooses the source of a run's real nodes: none, the devices of a testbed, a recording, or a
// recording continued by live devices.

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "hil/bridge/bridge.hpp"
#include "sim/run/recorded_nodes.hpp"
#include "sim/run/run.hpp"

namespace convoy::hil {

struct RealSideOptions {
  std::filesystem::path folder;  // of the run's store; empty: no store
  sim::StoreMode mode = sim::StoreMode::create;
  std::filesystem::path replay;  // folder of a recorded run to simulate again; empty: none
  // true: any agent of the inventory becomes real; false: only nodes with backend = "hil".
  bool all_present = false;
  std::function<testbed::Inventory()> inventory;     // of the testbed; may throw UserError
  const std::atomic<bool>* interrupted = nullptr;    // ends waiting; may be null
  std::function<void(const std::string&)> progress;  // gets a text: who is missing
};

class RealSide {
 public:
  // Decides which nodes are real and waits for them. Throws base::UserError.
  RealSide(sim::Scenario scenario, const RealSideOptions& options);

  // The scenario with its real nodes marked.
  [[nodiscard]] const sim::Scenario& scenario() const { return scenario_; }
  // Null if all nodes are simulated.
  [[nodiscard]] sim::RealNodes* nodes() const;
  // Virtual end time of a recording whose run was interrupted.
  [[nodiscard]] std::optional<double> replay_until_s() const { return replay_until_s_; }

  // Tells the devices how the run ended.
  void run_is_over(sim::RunStatus status);

 private:
  void replay(const RealSideOptions& options);
  void go_on(sim::Recording before, const RealSideOptions& options);
  // `real_before`: real nodes of the run to be continued; empty: a new run.
  void listen(const RealSideOptions& options, std::vector<sim::NodeId> real_before);

  sim::Scenario scenario_;
  std::unique_ptr<Bridge> bridge_;
  std::unique_ptr<sim::RecordedNodes> recorded_;
  std::optional<double> replay_until_s_;
};

}  // namespace convoy::hil
