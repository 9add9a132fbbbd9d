#pragma once

// The weight of a transfer among those that use the same links, in SimGrid. Internal to sim/world.
//
// Where flows meet, SimGrid's network models give each a part in proportion to 1 / its penalty. A
// flow with a guarantee of b bytes/s (Activity::at_least) gets a penalty in proportion to 1 / b. So
// of a link that is full it has at least b, if all flows on it have guarantees and these sum to at
// most its capacity (under LV08: 0.97 of it, less what acknowledgements take), and what one leaves
// the others have. Other flows have the penalty that SimGrid gives them, which is not in these
// terms: beside them a flow may have less than its guarantee.
//
// The penalty is a member of the flow's Action, whose class is in SimGrid's public headers and
// which its network model lists. SimGrid resumes a flow with this member; it is 1 whatever the
// route, since the network model keeps the flow's penalty elsewhere: so it is set here at the
// start. Tried with SimGrid 3.32: times are exact.

#include <vector>

namespace simgrid::kernel::resource {
class Action;
}
namespace simgrid::s4u {
class Activity;
class Link;
}  // namespace simgrid::s4u

namespace convoy::sim {

// Penalties of guarantees from 10 kB/s to 1 GB/s are then from 1e4 down to 0.1: well above
// SimGrid's precision (1e-5), as are their inverses.
inline double penalty_of_guarantee(double bytes_per_s) { return 1e8 / bytes_per_s; }

// The flow of a Comm that has been started and has not ended; valid until it ends. Takes a moment
// for the one that was started last, else a time in proportion to the flows under way.
simgrid::kernel::resource::Action& flow_of(const simgrid::s4u::Activity& comm);

// As SimGrid's CM02 gives it, and LV08 (`lv08`). `latency_s`: of the route, without LV08's
// factor.
double usual_penalty(const std::vector<simgrid::s4u::Link*>& route, double latency_s, bool lv08);

// At the start: the penalty with which it is resumed.
void note_penalty(simgrid::kernel::resource::Action& flow, double penalty);
// When its data moves, or may stand still.
void set_penalty(simgrid::kernel::resource::Action& flow, double penalty);
// Call after a Comm was resumed, and when its data begins to move behind a latency. At both SimGrid
// looks at the flow's other links only if its first one is not already to be looked at, as after a
// change of its rate, or since another flow begins there at the same time: then rates would sum to
// more than a link has.
void look_at_all_links(simgrid::kernel::resource::Action& flow);

}  // namespace convoy::sim
