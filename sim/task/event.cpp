#include "sim/task/event.hpp"

#include <array>
#include <tuple>

namespace convoy::sim {

std::string_view name_of(EventKind kind) {
  constexpr std::array<std::string_view, 10> names = {
      "run_started", "node_joined", "node_changed", "activity_done", "task_done",
      "published",   "evaluated",   "node_lost",    "task_failed",   "timer_fired"};
  return names.at(static_cast<std::size_t>(kind));
}

std::string_view name_of(Cause cause) {
  constexpr std::array<std::string_view, 10> names = {
      "",          "node_lost", "out_of_memory", "diverged",  "left_out",
      "timed_out", "failed",    "refused",       "cancelled", "run_ended"};
  return names.at(static_cast<std::size_t>(cause));
}

bool comes_before(const Event& a, const Event& b) {
  return std::tuple(a.kind, a.node, a.task, a.sequence) <
         std::tuple(b.kind, b.node, b.task, b.sequence);
}

}  // namespace convoy::sim
