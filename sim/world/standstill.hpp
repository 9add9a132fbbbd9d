#pragma once

// Stops an activity of SimGrid's, and lets it go on. Internal to sim/world.
//
// SimGrid's Activity::suspend() works once only: resume() does not take its mark back (3.32), so a
// second suspend() is ignored, and what should stand still goes on. The functions that they call
// are exported by its library, though their class is not in its public headers (tried with 3.32).

#include <simgrid/s4u/Activity.hpp>

namespace simgrid::kernel::activity {

// The part of SimGrid's class that is used here.
class ActivityImpl {
 public:
  void suspend();
  void resume();
};

}  // namespace simgrid::kernel::activity

namespace convoy::sim {

inline void stop(const simgrid::s4u::Activity& started) { started.get_impl()->suspend(); }
inline void go_on(const simgrid::s4u::Activity& started) { started.get_impl()->resume(); }

}  // namespace convoy::sim
