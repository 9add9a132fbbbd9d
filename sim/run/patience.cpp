#include "sim/run/patience.hpp"

#include <fmt/format.h>

#include "base/text.hpp"

namespace convoy::sim {

void Patience::succeeded() {
  failures_in_a_row_ = 0;
  diverged_in_a_row_ = 0;
}

std::string Patience::failed(Cause cause, TaskId task, NodeId node, const std::string& figures) {
  const std::string name = scenario_.world.nodes[node].name.of(node);
  const std::int64_t workers = scenario_.setting->workers();
  // Other failures in between do not show that training works.
  if (cause == Cause::diverged) ++diverged_in_a_row_;
  if (diverged_in_a_row_ > 2 * workers) {
    return fmt::format(
        "training diverges: {} updates held NaN or infinity, without a good one between them, the "
        "last of {}; lower training.optimizer.learning_rate or set training.clip",
        diverged_in_a_row_, name);
  }
  const bool given_up = cause == Cause::cancelled || cause == Cause::stale;
  const std::string_view what = given_up ? "given up by the schedule" : name_of(cause);
  last_failure_ = fmt::format("task {} on {}: {}{}", task, name, what, figures);
  if (++failures_in_a_row_ < 1000 + 10 * workers) return "";
  return fmt::format("{} tasks in a row brought no update; the last was {}", failures_in_a_row_,
                     last_failure_);
}

bool Patience::has_hope(bool at_work) {
  if (at_work || scenario_.stop.virtual_time_s) {
    seen_at_rest_.clear();
    return true;
  }
  seen_at_rest_.resize(scenario_.world.nodes.size(), false);
  bool hope = false;
  for (NodeId node = 1; node <= scenario_.setting->workers(); ++node) {
    if (world_.present(node)) seen_at_rest_[node] = true;
    hope = hope || (!seen_at_rest_[node] && world_.expected(node));
  }
  return hope;
}

std::string Patience::at_rest(std::int64_t versions) const {
  const int workers = scenario_.setting->workers();
  int away = 0;
  for (NodeId node = 1; node <= workers; ++node) away += world_.present(node) ? 0 : 1;
  std::string text = fmt::format(
      "the run came to rest at {} before its end, after {} aggregations: {} of {} nodes are away",
      base::human_seconds(world_.now()), versions, away, workers);
  if (away == workers) text += " and none of them returns";
  const std::vector<UnderWay> under_way = world_.under_way();
  if (!under_way.empty()) {
    const UnderWay& work = under_way.front();
    text += fmt::format(
        "; {} of task {} stands still on {}: its speed, or a rate on its way, is 0 and stays so",
        work.label, work.task, scenario_.world.nodes[work.node].name.of(work.node));
  }
  if (!last_failure_.empty()) text += fmt::format("; the last failure was {}", last_failure_);
  return text;
}

}  // namespace convoy::sim
