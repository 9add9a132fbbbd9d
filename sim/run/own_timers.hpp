#pragma once

// Timer numbers of the run itself; schedules number theirs from 0.

#include <cstdint>
#include <limits>

namespace convoy::sim::own_timers {

constexpr std::int64_t end = std::numeric_limits<std::int64_t>::min();  // stop.virtual_time_s
constexpr std::int64_t evaluated = end + 1;      // an evaluation is to be reported at this instant
constexpr std::int64_t evaluate_next = end + 2;  // time to evaluate the model
constexpr std::int64_t replay_end = end + 3;     // the recording ends here
constexpr std::int64_t instant_over = end + 4;   // all other events of this instant are handled

}  // namespace convoy::sim::own_timers
