#pragma once

// A rate that changes over virtual time: nominal or as a trace says, less what a background load
// takes. Internal to sim/world.

#include <algorithm>
#include <limits>
#include <optional>
#include <set>
#include <vector>

#include "platforms/traces/signal.hpp"
#include "sim/world/config.hpp"
#include "sim/world/cycle.hpp"

namespace convoy::sim {

// Most nodes have none.
using SignalPointer = std::shared_ptr<const platforms::Signal>;

class Variation {
 public:
  // `trace`: what takes the place of `nominal`.
  Variation(double nominal, SignalPointer trace, const std::optional<BackgroundLoad>& load)
      : nominal_(nominal), trace_(std::move(trace)), load_(load.value_or(BackgroundLoad{})) {}

  [[nodiscard]] bool is_constant() const {
    return !trace_ && (load_.period_s <= 0 || load_.share <= 0);
  }
  // The highest rate that it ever has.
  [[nodiscard]] double peak() const {
    const double most = trace_ ? trace_->highest() : nominal_;
    return load_.period_s <= 0 ? most * (1 - load_.share) : most;
  }
  [[nodiscard]] platforms::Signal::Step at(double time) const {
    platforms::Signal::Step step{nominal_, std::numeric_limits<double>::infinity()};
    if (trace_) step = trace_->at(time);
    if (load_.share <= 0) return step;
    const CyclePhase phase = phase_at(load_, time);
    if (phase.busy) step.value *= 1 - load_.share;
    step.until = std::min(step.until, phase.until);
    return step;
  }
  // All that at() may give, rising.
  [[nodiscard]] std::vector<double> levels(const platforms::Trace* trace,
                                           platforms::Column column) const {
    std::set<double> all;
    const auto add = [&](double value) {
      if (load_.share <= 0 || load_.period_s > 0) all.insert(value);
      if (load_.share > 0) all.insert(value * (1 - load_.share));
    };
    add(nominal_);
    if (trace_ && trace != nullptr) {
      for (const double v : trace->of(column)) add(v);
    }
    return {all.begin(), all.end()};
  }

 private:
  double nominal_;
  SignalPointer trace_;
  BackgroundLoad load_;
};

// The signal of a column, where the node has a trace with it. `before`: its value until the trace
// begins.
inline SignalPointer signal_of(const Behaviour& behaviour, platforms::Column column,
                               double before) {
  if (!behaviour.trace || !behaviour.trace->has(column)) return nullptr;
  return std::make_shared<const platforms::Signal>(behaviour.trace, column, behaviour.trace_use,
                                                   before);
}

}  // namespace convoy::sim
