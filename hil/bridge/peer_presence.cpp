#include "hil/bridge/peer_presence.hpp"

#include <algorithm>
#include <utility>

namespace convoy::hil {

using sim::NodeId;

void PeerPresence::attach(sim::ElasticClock& clock) {
  clock_ = &clock;
  for (auto& [node, peer] : peers_.by_node) {
    peer.lost = !peer.ready;
    clock_->happened({node, peer.ready, peer.gone});
    if (!peer.ready) wait_for_return(peer);
  }
  say_expected();
}

void PeerPresence::is_ready(Peer& peer) {
  peer.lost_timer.reset();
  peer.gone_timer.reset();
  if (std::exchange(peer.lost, false) && clock_ != nullptr) {
    clock_->happened({peer.node, true, false});
  }
  say_expected();
}

void PeerPresence::link_is_broken(Peer& peer, double silence_s) {
  if (peer.lost) return;
  const double left = std::max(0.0, options_.lost_after_s - silence_s);
  peer.lost_timer = std::make_unique<asio::steady_timer>(io_, in_ms(left));
  peer.lost_timer->async_wait([this, node = peer.node](const error_code& cancelled) {
    Peer* there = peers_.at(node);
    if (!cancelled && there != nullptr && !there->ready) is_lost(*there);
  });
}

void PeerPresence::is_lost(Peer& peer) {
  if (std::exchange(peer.lost, true)) return;
  for (const sim::TaskId task : peer.dialogue->clear()) peers_.node_of.erase(task);
  if (clock_ != nullptr) clock_->happened({peer.node, false, peer.gone});
  wait_for_return(peer);
}

void PeerPresence::wait_for_return(Peer& peer) {
  say_expected();
  if (peer.gone) return;
  peer.gone_timer = std::make_unique<asio::steady_timer>(io_, in_ms(options_.rejoin_timeout_s));
  peer.gone_timer->async_wait([this, node = peer.node](const error_code& cancelled) {
    Peer* there = peers_.at(node);
    if (!cancelled && there != nullptr && there->lost) is_gone(*there);
  });
}

void PeerPresence::is_gone(Peer& peer) {
  if (std::exchange(peer.gone, true)) return;
  if (!peer.lost) {
    is_lost(peer);
    return;
  }
  if (clock_ != nullptr) clock_->happened({peer.node, false, true});
  say_expected();
}

void PeerPresence::say_expected() {
  if (clock_ == nullptr) return;
  clock_->expect(std::any_of(peers_.by_node.begin(), peers_.by_node.end(),
                             [](const auto& p) { return p.second.lost && !p.second.gone; }));
}

}  // namespace convoy::hil
