#pragma once

// Makes SimGrid wait for the elastic clock. This file alone uses SimGrid's internals
// (kernel::resource::Model). Internal to sim/world.

#include <functional>

#include "sim/world/elastic_clock.hpp"

namespace convoy::sim {

// Adds the clock to SimGrid's engine, which must exist. `epoch`: SimGrid's time at virtual time 0.
// `due`: called in SimGrid's update at the events' virtual time, with an empty list when an instant
// with held activities is complete; it may only set timers. `look_around`: called from time to time
// while virtual time waits, under the same rule.
void couple(ElasticClock& clock, double epoch,
            std::function<void(const std::vector<ElasticClock::Due>&)> due,
            std::function<void()> look_around);

}  // namespace convoy::sim
