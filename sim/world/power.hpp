#pragma once

// A node's power draw and its division among activities. Internal to sim/world.
//
// A present node draws idle_w. Computing adds (busy_w - idle_w) x its speed by the trace (an
// activity's own `watts` replaces busy_w); sending or receiving adds (communicating_w - idle_w). An
// absent node draws nothing. A trace of the power replaces all of this. Each byte on a link costs
// energy at both ends. Several computes at once draw what the one that draws most draws: the node
// is busy once. If all of them have shares of the node (Activity::share), it is busy only in part:
// by the sum of the shares, so that work costs the same energy, however slowly it is done.
//
// The activities under way on a node share its power equally at every moment. So the energies of
// the activities and of the time without activities add up to the node's.

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
    int computes = 0;
    double computing_w = 0;  // draw of the computes under way
    double busy = 1;         // part of the processor that they use, (0, 1]
    int transfers = 0;
  };
  // The node was in `state` from `from` to `to` (s).
  void passed(double from, double to, const State& state);
  void add_link_energy(double joules) { total_ += joules; }

  [[nodiscard]] double total_j() const { return total_; }
  // Energy of one activity under way since time 0, in J; use differences.
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
