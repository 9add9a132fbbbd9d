#pragma once

// Converts a scenario's seconds to Asio durations. Internal to hil/bridge.

#include <chrono>
#include <cmath>

namespace convoy::hil {

inline std::chrono::milliseconds in_ms(double seconds) {
  using std::chrono::milliseconds;
  return milliseconds(static_cast<milliseconds::rep>(std::ceil(1e3 * seconds)));
}

}  // namespace convoy::hil
