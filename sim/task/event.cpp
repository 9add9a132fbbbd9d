#include "sim/task/event.hpp"

namespace convoy::sim {}  // namespace convoy::sim
