#pragma once

// Transfers whose rate is a guarantee, not a limit (Activity::at_least), in SimGrid. Internal to
// sim/world.
//
// Where flows meet, SimGrid's network model gives each a part in proportion to 1 / its penalty,
// which is its route's latency (CM02). A flow with a guarantee of b gets a penalty in proportion to
// 1 / b instead. So of a link that is full it has at least b, if the guarantees of those that use
// the link sum to at most its capacity, and what one leaves the others have. SimGrid keeps the
// penalty in a class that is not in its public headers, but adds to it whenever the latency of one
// of the flow's links changes: so the latency of a link that the flow alone uses is raised when its
// data begins to move (before that the flow would lose the rest of its latency), and taken back at
// its end. A change of a latency has no other effect on a flow that moves, since no TCP window
// limits flows here (Platform::create_engine). Tried with SimGrid 3.32: times are exact.

#include <cstdint>
#include <functional>
#include <unordered_map>

#include "base/non_copyable.hpp"

namespace simgrid::s4u {
class Activity;
class Link;
}  // namespace simgrid::s4u

namespace convoy::sim {

// Penalties of guarantees from 10 kB/s to 1 GB/s are then from 1e4 down to 0.1: well above
// SimGrid's precision (1e-5), as are their inverses.
constexpr double penalty_of_a_byte_per_s = 1e8;

// 1 / the penalty.
inline double weight_of_guarantee(double bytes_per_s) {
  return bytes_per_s / penalty_of_a_byte_per_s;
}

class FlowWeights : base::NonCopyable {
 public:
  // `at`: calls back at a time.
  using At = std::function<void(double time, std::function<void()>)>;
  explicit FlowWeights(At at) : at_(std::move(at)) {}

  // The flow starts now. `own`: a link that no other flow uses meanwhile; where another begins to,
  // the first one's guarantee is void from then on. `latency_s`: of its route.
  void begins(const simgrid::s4u::Activity* comm, simgrid::s4u::Link* own, double latency_s,
              double bytes_per_s);
  // A flow ends, or is given up. Ignored for others.
  void ends(const simgrid::s4u::Activity* comm);
  // A flow is about to begin on this link: it needs the link's own latency.
  void clears(simgrid::s4u::Link* own);

 private:
  struct Flow {
    std::uint64_t id = 0;
    simgrid::s4u::Link* own = nullptr;
    double latency_s = 0;  // of the link
    bool raised = false;
  };
  static void restore(Flow& flow);

  At at_;
  std::uint64_t next_ = 0;
  std::unordered_map<const simgrid::s4u::Activity*, Flow> flows_;
  std::unordered_map<simgrid::s4u::Link*, const simgrid::s4u::Activity*> on_;
};

}  // namespace convoy::sim
