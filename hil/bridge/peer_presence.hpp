#pragma once

// Tracks which real nodes are present: a node with a broken link is lost after a while, a lost node
// is gone for good after a longer while. Reports both to the run's clock. Internal to hil/bridge;
// used by the bridge's thread only.

#include "hil/bridge/peer.hpp"
#include "sim/scenario/scenario.hpp"

namespace convoy::hil {

class PeerPresence {
 public:
  PeerPresence(asio::io_context& io, Peers& peers, const sim::HilOptions& options)
      : io_(io), peers_(peers), options_(options) {}

  // The run begins: reports the present nodes to its clock. Before, nothing is reported.
  void attach(sim::ElasticClock& clock);
  void detach() { clock_ = nullptr; }
  [[nodiscard]] sim::ElasticClock* clock() const { return clock_; }  // null: no run under way

  // The agent is set up and connected.
  void is_ready(Peer& peer);
  // The link is broken after `silence_s` seconds of silence. The node counts as lost
  // hil.lost_after_s after its last message, unless it is ready before.
  void link_is_broken(Peer& peer, double silence_s);
  // The node has lost its tasks; it may come back within hil.rejoin_timeout_s.
  void is_lost(Peer& peer);
  // The node will not come back.
  void is_gone(Peer& peer);

 private:
  void wait_for_return(Peer& peer);
  void say_expected();

  asio::io_context& io_;
  Peers& peers_;
  const sim::HilOptions& options_;
  sim::ElasticClock* clock_ = nullptr;
};

}  // namespace convoy::hil
