#pragma once

// Takes an update from an agent's offer to a usable result: memory, transfer, checks, disk.
// Internal to hil/bridge; used by the bridge's thread only.

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "hil/bridge/parcel_worker.hpp"
#include "hil/bridge/peer.hpp"
#include "hil/bridge/roster.hpp"

namespace convoy::hil {

class UpdateIntake {
 public:
  // `trouble`: called with a reason if this machine cannot save an update. The run must then fail
  // before it records anything else of that task.
  UpdateIntake(Peers& peers, ParcelWorker& parcels, const Roster& roster,
               std::function<void(std::string)> trouble)
      : peers_(peers), parcels_(parcels), roster_(roster), trouble_(std::move(trouble)) {}

  void offered(Peer& peer, const wire::Offer& offer);

 private:
  void arrived(sim::NodeId node, const std::shared_ptr<engine::Unpacking>& box,
               const std::string& header, const engine::TaskInput& task, std::int32_t attempt);
  void filed(sim::NodeId node, sim::TaskId id, std::int32_t attempt, sim::WallTime stamp,
             ParcelWorker::Verdict verdict);

  Peers& peers_;
  ParcelWorker& parcels_;
  const Roster& roster_;
  std::function<void(std::string)> trouble_;
};

}  // namespace convoy::hil
