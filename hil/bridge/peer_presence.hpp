#pragma once

// Which real nodes are there: a link that breaks makes a node lost after a while, a lost node is
// gone for good after another, and the run's clock is told. Internal to hil/bridge; the bridge's
// thread only.

#include "hil/bridge/peer.hpp"
#include "sim/scenario/scenario.hpp"

namespace convoy::hil {

class PeerPresence {
 public:
  PeerPresence(asio::io_context& io, Peers& peers, const sim::HilOptions& options)
      : io_(io), peers_(peers), options_(options) {}

  // The run begins: its clock is told who is there. Without one nobody is told anything.
  void attach(sim::ElasticClock& clock);
  void detach() { clock_ = nullptr; }
  [[nodiscard]] sim::ElasticClock* clock() const { return clock_; }  // null: no run is on

  // Set up and connected.
  void is_ready(Peer& peer);
  // Its link is broken, and it was silent for so long before: it is lost hil.lost_after_s after its
  // last sign of life, unless it is ready by then.
  void link_is_broken(Peer& peer, double silence_s);
  // It has none of its tasks any more, and may come again within hil.rejoin_timeout_s.
  void is_lost(Peer& peer);
  // It does not come back: nobody waits for it any more.
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
