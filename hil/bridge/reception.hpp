#pragma once

// How an agent becomes a real node of the run: which node it stands for, under which session, what
// it is told, and whether what it then has is what it should have. Internal to hil/bridge; the
// bridge's thread only.

#include <functional>
#include <memory>
#include <set>
#include <string>

#include "hil/bridge/bridge.hpp"
#include "hil/bridge/parcel_worker.hpp"
#include "hil/bridge/peer_log.hpp"
#include "hil/bridge/peer_presence.hpp"
#include "hil/bridge/sessions.hpp"

namespace convoy::hil {

class Reception {
 public:
  Reception(const sim::Scenario& scenario, const BridgeOptions& options, Roster& roster,
            Peers& peers, PeerPresence& presence, ParcelWorker& parcels, PeerLog& log);

  // An agent has come through the door. `listen`: makes it heard from now on. Refused where it
  // stands for no node, another has its name, or the run has gone on without it.
  void greet(const std::shared_ptr<Connection>& connection, const wire::HelloT& hello,
             const std::function<void(Peer&)>& listen);
  // It has set itself up, says that it trains on so many samples and, perhaps, what its device can
  // do. True: it takes part from now on; false: it did before, or does not.
  bool check_in(Peer& peer, std::int64_t samples, const std::string& profile);

  // The run has its folder to itself: what another has there was not touched before.
  void folder_is_ours();

 private:
  void welcome(Peer& peer);
  [[nodiscard]] std::int64_t part_of(const Peer& peer) const;
  [[nodiscard]] std::int64_t most_samples(const Peer& peer) const;
  void keep_sessions() const;
  void keep_profile(const Peer& peer) const;
  void acknowledge_again(Peer& peer);

  const sim::Scenario& scenario_;
  const BridgeOptions& options_;
  Roster& roster_;
  Peers& peers_;
  PeerPresence& presence_;
  ParcelWorker& parcels_;
  PeerLog& log_;
  const std::string setup_;      // of the engine
  const std::string signature_;  // of the data
  Sessions sessions_;
  std::set<std::string> unplaced_agents_;  // named once
  bool is_ours_ = false;                   // the folder
};

// Of a connection that nobody listens to any more.
Connection::Handlers nobody();

}  // namespace convoy::hil
