#pragma once

// Takes what a real node's split task sends the server from the agent's offer to what the server
// makes of it. Internal to hil/bridge; used by the bridge's thread only.

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "hil/bridge/parcel_worker.hpp"
#include "hil/bridge/peer.hpp"
#include "hil/bridge/roster.hpp"
#include "hil/bridge/split_worker.hpp"

namespace convoy::hil {

class CrossingIntake {
 public:
  // `trouble`: as for UpdateIntake.
  CrossingIntake(Peers& peers, ParcelWorker& parcels, SplitWorker& splits, const Roster& roster,
                 std::function<void(std::string)> trouble)
      : peers_(peers),
        parcels_(parcels),
        splits_(splits),
        roster_(roster),
        trouble_(std::move(trouble)) {}

  // A task begins, split or not.
  void assigned(engine::TaskInput input, const std::shared_ptr<const sim::TaskGraph>& graph);
  // The agent offers an artifact.
  void offered(Peer& peer, const wire::Offer& offer, const engine::Architecture& architecture);

 private:
  void arrived(sim::NodeId node, const std::shared_ptr<engine::Unpacking>& box, sim::TaskId task,
               std::int32_t attempt, int activity);
  void computed(sim::NodeId node, sim::TaskId task, std::int32_t attempt, sim::WallTime stamp,
                SplitWorker::Verdict verdict);

  Peers& peers_;
  ParcelWorker& parcels_;
  SplitWorker& splits_;
  const Roster& roster_;
  std::function<void(std::string)> trouble_;
};

}  // namespace convoy::hil
