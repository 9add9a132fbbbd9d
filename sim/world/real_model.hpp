#pragma once

// Makes SimGrid wait for the elastic clock. Half of what this uses of SimGrid is internal to it
// (kernel::resource::Model): it stays in this file. Internal to sim/world.

#include <functional>

#include "sim/world/elastic_clock.hpp"

namespace convoy::sim {

// Adds the clock to SimGrid's engine, which must exist. `epoch`: SimGrid's time at virtual time 0.
// `due` is called in SimGrid's update, at the virtual time of what is due, also with nothing where
// an instant at which something was held is complete: it may set timers and nothing else.
// `look_around` likewise, now and then while virtual time waits.
void couple(ElasticClock& clock, double epoch,
            std::function<void(const std::vector<ElasticClock::Due>&)> due,
            std::function<void()> look_around);

}  // namespace convoy::sim
