#pragma once

// The coordinator's side of hardware in the loop: real devices as a run's real nodes. Sockets are
// the business of one thread of its own; the simulation is told through the elastic clock.
//
//   Bridge bridge(scenario, inventory, folder);
//   bridge.gather(interrupted);          // waits for the agents; decides who is real
//   bridge.adopt(scenario);              // and writes that into the scenario
//   sim::run(scenario, {.real = &bridge, ...});

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "hil/testbed/inventory.hpp"
#include "sim/run/real_nodes.hpp"
#include "sim/scenario/scenario.hpp"

namespace convoy::hil {

struct BridgeOptions {
  Inventory inventory;
  std::filesystem::path folder;  // of the run's store: updates and sessions; empty: none are kept
  bool resume = false;           // an interrupted run is gone on with: its sessions hold
  // Whoever is in the inventory and comes is made real; else only nodes with backend = "hil" are.
  bool all_present = false;
  // On a resumed run: the nodes that were real then, and no others. Empty: it is no such run.
  std::vector<sim::NodeId> real_before;
};

class Bridge : public sim::RealNodes {
 public:
  // Listens from now on. Throws base::UserError where it cannot.
  Bridge(const sim::Scenario& scenario, BridgeOptions options);
  ~Bridge() override;

  // Waits until every node that is expected is there and ready, or hil.join_timeout_s is over.
  // `progress` is told in words what is waited for. Throws base::UserError where a node is missing
  // and hil.missing = "fail".
  void gather(const std::atomic<bool>& interrupted,
              const std::function<void(const std::string&)>& progress);
  // Makes the nodes that have come real, and those that have not what hil.missing says.
  void adopt(sim::Scenario& scenario) const;

  void attach(sim::ElasticClock& clock) override;
  void detach() override;
  void begin(const sim::RealActivity& activity) override;
  void give_up(sim::TaskId task) override;
  void use(std::shared_ptr<const engine::Engine> engine) override;
  void assigned(const engine::TaskInput& input,
                std::shared_ptr<const sim::TaskGraph> graph) override;
  engine::Outcome outcome(sim::TaskId task) override;
  bool has_outcome(sim::TaskId task) override;
  [[nodiscard]] std::string trouble() override;
  [[nodiscard]] bool has_orders() const override;
  void settled() override;
  std::vector<sim::ReadingRow> readings() override;

  // Agents are told how the run ended; `over`: it is not gone on with.
  void farewell(const std::string& why, bool over);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace convoy::hil
