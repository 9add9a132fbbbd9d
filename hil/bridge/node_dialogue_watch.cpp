// How long a node may take: NodeDialogue's watchdogs.

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "base/text.hpp"
#include "hil/bridge/node_dialogue.hpp"

namespace convoy::hil {

using sim::Cause;
using sim::WallSeconds;
using sim::WallTime;

// A slow transfer is cancelled after this many deadlines.
constexpr double trickle_factor = 10;

WallSeconds NodeDialogue::deadline(const Command& command) const {
  return WallSeconds(
      std::max(options_.deadline_factor * command.predicted_s, options_.deadline_min_s));
}

// The world's deadlines are in virtual time, which stands still until a node has begun and at
// modelled ends: here wall time limits these waits.
void NodeDialogue::watch(WallTime now, bool moved) {
  if (!ready_) return;
  std::vector<std::tuple<Task, Key, WallSeconds>> late;
  for (auto& [task, open] : tasks_) {
    WallSeconds patience{};
    const Command* oldest = nullptr;
    Key key;
    bool transfer = false;
    for (const auto& [k, command] : open.commands) {
      if (!command.sent || command.arrived) continue;
      patience += deadline(command);
      transfer = transfer || command.kind != Kind::compute;
      if (oldest == nullptr || k < key) {
        oldest = &command;
        key = k;
      }
    }
    if (oldest == nullptr) continue;
    if (moved && transfer) open.heard = now;
    const bool silent = now - open.heard > patience;
    const bool trickles = now - oldest->since > trickle_factor * patience;
    if (silent || trickles) late.emplace_back(task, key, now - oldest->since);
  }
  for (const auto& [task, key, since] : late) {
    fail(tasks_.at(task), key, Cause::timed_out,
         fmt::format("no answer for {}", base::human_seconds(since.count())));
  }
}

WallSeconds NodeDialogue::draining(WallTime now) const {
  WallSeconds longest{};
  for (const auto& [what, since] : draining_) longest = std::max(longest, now - since);
  return longest;
}

}  // namespace convoy::hil
