#include "sim/task/event.hpp"

#include <tuple>

namespace convoy::sim {

bool comes_before(const Event& a, const Event& b) {
  return std::tuple(a.kind, a.node, a.task, a.sequence) <
         std::tuple(b.kind, b.node, b.task, b.sequence);
}

}  // namespace convoy::sim
