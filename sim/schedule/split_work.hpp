#pragma once

// Split learning: a node's task in which it trains the first layers of the model and the server the
// rest, batch by batch (engine/model/stage.hpp).

#include <compare>

namespace convoy::sim {

struct SplitWork {
  // The node has the layers [0, cut) of the setting's architecture (its full model).
  int cut = 1;
  // Where labels stay on the node: it has the layers [tail, n), too. 0: labels go to the server.
  int tail = 0;
  // Most that each of the node's transfers gets, to the server and from it; 0: no limit.
  double up_bytes_per_s = 0;
  double down_bytes_per_s = 0;
  double server_share = 0;  // of the server's compute; see Activity::share
  bool at_least = false;    // rates and share are guarantees; see Activity::at_least
  // The server's part is one that the tasks of a round step in turn (SplitFed v2), and what the
  // node sends back counts without it. Needs the labels at the server.
  bool shared = false;
  // The node's parts are its own (SplitFed v3): they are neither aggregated nor sent, but for once,
  // before a node has any (`has_own`).
  bool own = false;
  bool has_own = false;
  // What a forward would keep until its backward is computed again: on the node, and at the server
  // where the tail comes in between (else it goes forward and back at once and keeps nothing).
  bool recompute = false;

  // NOLINTNEXTLINE(modernize-use-nullptr): the 0 of a comparison
  friend auto operator<=>(const SplitWork&, const SplitWork&) = default;
};

}  // namespace convoy::sim
