#pragma once

// A rate that varies over virtual time: nominal or from a trace, reduced by a background load.
// Internal to sim/world.

#include <algorithm>
#include <limits>
#include <optional>
#include <set>
#include <vector>

#include "platforms/traces/signal.hpp"
#include "sim/world/config.hpp"
#include "sim/world/cycle.hpp"

namespace convoy::sim {

// Null for most nodes.
using SignalPointer = std::shared_ptr<const platforms::Signal>;

class Variation {
 public:
  // `trace` replaces `nominal`; may be null.
  Variation(double nominal, SignalPointer trace, const std::optional<BackgroundLoad>& load)
      : nominal_(nominal), trace_(std::move(trace)), load_(load.value_or(BackgroundLoad{})) {}

  [[nodiscard]] bool is_constant() const {
    return !trace_ && (load_.period_s <= 0 || load_.share <= 0);
  }
  // The maximum of the rate.
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
  // All values of at(), rising.
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

// The signal of a column if the node's trace has it. `before`: value before the trace begins.
inline SignalPointer signal_of(const Behaviour& behaviour, platforms::Column column,
                               double before) {
  if (!behaviour.trace || !behaviour.trace->has(column)) return nullptr;
  return std::make_shared<const platforms::Signal>(behaviour.trace, column, behaviour.trace_use,
                                                   before);
}

// A varying rate from a trace in bit/s, or a constant one.
inline Variation rate_of(double bps, const Behaviour& behaviour, platforms::Column column,
                         const std::optional<BackgroundLoad>& traffic) {
  return {bps, signal_of(behaviour, column, bps), traffic};
}

}  // namespace convoy::sim
