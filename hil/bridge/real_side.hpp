#pragma once

// Who the real nodes of a run are: nobody, the devices of a testbed, a recording of them, or a
// recording and the devices that go on where it ends.

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
  std::filesystem::path folder;  // of the run's store; empty: none
  sim::StoreMode mode = sim::StoreMode::create;
  std::filesystem::path replay;  // folder of a run that is simulated again; empty: none
  // Whoever is in the inventory and comes is made real; else only nodes with backend = "hil" are.
  bool all_present = false;
  std::function<testbed::Inventory()> inventory;   // where devices are wanted; may throw UserError
  const std::atomic<bool>* interrupted = nullptr;  // ends waiting; null: nothing does
  std::function<void(const std::string&)> progress;  // what is waited for
};

class RealSide {
 public:
  // Decides which nodes are real, and waits for them. Throws base::UserError.
  RealSide(sim::Scenario scenario, const RealSideOptions& options);

  // The scenario with its real nodes.
  [[nodiscard]] const sim::Scenario& scenario() const { return scenario_; }
  // For the run; null: all nodes are simulated.
  [[nodiscard]] sim::RealNodes* nodes() const;
  // Virtual time at which a recording ends, where its run was not done.
  [[nodiscard]] std::optional<double> replay_until_s() const { return replay_until_s_; }

  // Tells the devices how the run ended.
  void run_is_over(sim::RunStatus status);

 private:
  void replay(const RealSideOptions& options);
  void go_on(sim::Recording before, const RealSideOptions& options);
  // `real_before`: of the run that is gone on with; empty: it is a new one.
  void listen(const RealSideOptions& options, std::vector<sim::NodeId> real_before);

  sim::Scenario scenario_;
  std::unique_ptr<Bridge> bridge_;
  std::unique_ptr<sim::RecordedNodes> recorded_;
  std::optional<double> replay_until_s_;
};

}  // namespace convoy::hil
