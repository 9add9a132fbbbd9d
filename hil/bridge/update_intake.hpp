#pragma once

// The way of an update from an agent's offer to a result that the run may take: room for it, its
// bytes, the checks, the disk. Internal to hil/bridge; the bridge's thread only.

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
  // `trouble`: told where this machine cannot write an update down, in words: the run is to fail
  // before anything else of that task is written down.
  UpdateIntake(Peers& peers, ParcelWorker& parcels, const Roster& roster,
               std::function<void(std::string)> trouble)
      : peers_(peers), parcels_(parcels), roster_(roster), trouble_(std::move(trouble)) {}

  void offered(Peer& peer, const wire::Offer& offer);

 private:
  void arrived(sim::NodeId node, const std::shared_ptr<engine::Unpacking>& box,
               const std::string& header, const engine::TaskInput& task, std::int32_t attempt);
  void filed(sim::NodeId node, sim::TaskId id, std::int32_t attempt, double stamp,
             ParcelWorker::Verdict verdict);

  Peers& peers_;
  ParcelWorker& parcels_;
  const Roster& roster_;
  std::function<void(std::string)> trouble_;
};

}  // namespace convoy::hil
