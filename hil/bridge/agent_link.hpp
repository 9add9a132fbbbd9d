#pragma once

// Connects a NodeDialogue to its two sides: the agent, over its present connection, and the run's
// clock. Internal to hil/bridge; used by the bridge's thread only.

#include "hil/bridge/parcel_worker.hpp"
#include "hil/bridge/peer_presence.hpp"
#include "hil/bridge/split_worker.hpp"

namespace convoy::hil {

class AgentLink : public NodeDialogue::Agent {
 public:
  AgentLink(Peers& peers, sim::NodeId node, ParcelWorker& parcels, const SplitWorker& splits)
      : peers_(peers), node_(node), parcels_(parcels), splits_(splits) {}

  // The parcel worker packs the submodel, since packing takes a while.
  void assign(const engine::TaskInput& input, std::int32_t attempt) override;
  void begin(const wire::BeginT& begin) override;
  void cross(sim::TaskId task, std::int32_t attempt, int artifact) override;
  void cancel(sim::TaskId task, std::int32_t attempt) override;
  void kept(sim::TaskId task, std::int32_t attempt) override;

 private:
  Peer& peer() { return peers_.by_node.at(node_); }
  Connection& connection() { return *peer().connection; }

  Peers& peers_;
  sim::NodeId node_;
  ParcelWorker& parcels_;
  const SplitWorker& splits_;
};

// Exists only while a run goes on.
class ClockReports : public NodeDialogue::Reports {
 public:
  explicit ClockReports(const PeerPresence& presence) : presence_(presence) {}

  void started(sim::ElasticClock::Id id, sim::WallTime stamp, sim::WallSeconds allowance) override;
  void stopped(sim::ElasticClock::Id id, sim::WallTime stamp) override;
  void ended(sim::ElasticClock::Id id, sim::WallTime stamp) override;
  void ended_after(sim::ElasticClock::Id id, sim::WallSeconds duration) override;
  void failed(sim::ElasticClock::Id id, sim::Cause cause, const std::string& why) override;

 private:
  const PeerPresence& presence_;
};

}  // namespace convoy::hil
