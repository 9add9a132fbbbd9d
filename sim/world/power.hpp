#pragma once

// What a node draws, and who it draws it for. Internal to sim/world.
//
// A node that is there draws idle_w; while it computes, (busy_w - idle_w) x its speed by the trace
// more (an activity that says what it draws: that in place of busy_w); while it sends or receives,
// (communicating_w - idle_w) more. A node that is away draws nothing. Where a trace gives the
// power, that is drawn instead, and nothing is added. What moves over a link costs joules a byte at
// each end.
//
// At every moment the activities under way on a node share its power equally, so that the energy of
// its activities and that of the time without any add up to the node's.

#include <memory>
#include <optional>

#include "platforms/traces/signal.hpp"
#include "sim/world/config.hpp"

namespace convoy::sim {

class PowerMeter {
 public:
  PowerMeter(const Power& power, const Behaviour& behaviour);

  struct State {
    bool present = true;
    bool computing = false;
    std::optional<double> computing_w;  // what is computed draws it; nothing: busy_w
    int transfers = 0;
  };
  // From `from` to `to` (s) the node was in that state.
  void passed(double from, double to, const State& state);
  void add_link_energy(double joules) { total_ += joules; }

  [[nodiscard]] double total_j() const { return total_; }
  // The share of one activity that was under way from the beginning of time: take two, subtract.
  [[nodiscard]] double share_j() const { return share_; }

 private:
  Power power_;
  std::shared_ptr<const platforms::Signal> measured_;
  std::shared_ptr<const platforms::Signal> speed_;
  double measured_from_s_ = 0;
  double total_ = 0;
  double share_ = 0;
};

}  // namespace convoy::sim
