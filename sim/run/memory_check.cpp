#include "sim/run/memory_check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>

#include "base/text.hpp"
#include "sim/world/footprint.hpp"

namespace convoy::sim {
namespace {

using Need = MemoryRequest::Need;

// What tasks need on a node that holds each of them alone, and what the others would need.
struct AtNode {
  std::vector<Need> fitting;
  std::vector<NodeId> too_large;  // workers of these tasks
  double largest = 0;             // bytes, of the too large ones
  WhenFull when_full = WhenFull::wait;
};

// The number of tasks that fit at once, the largest first.
std::size_t held_at_once(const std::vector<Need>& sorted, double memory) {
  double reserved = 0;
  double most = 0;
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    reserved += sorted[i].reserved;
    most = std::max(most, sorted[i].most);
    if (reserved + most > memory) return i;
  }
  return sorted.size();
}

std::string at_once_text(const AtNode& at, std::size_t at_once, const NodeConfig& node,
                         const std::string& name) {
  if (at.fitting.empty()) return "";
  std::vector<Need> sorted = at.fitting;
  std::ranges::sort(sorted, std::greater(), &Need::reserved);
  sorted.resize(std::min(sorted.size(), at_once));
  const std::size_t held = held_at_once(sorted, node.memory);
  if (held == sorted.size()) return "";
  const double each = sorted.front().reserved + sorted.front().most;
  return fmt::format(
      "{} has {} of memory, where {} of the {} tasks that are at work at once have room (up to {} "
      "each): the others {}",
      name, base::human_bytes(node.memory), held, sorted.size(), base::human_bytes(each),
      at.when_full == WhenFull::wait ? "wait until those before them have ended"
                                     : "are refused, by the schedule's key memory");
}

}  // namespace

std::vector<std::string> check_memory(const Scenario& scenario,
                                      const std::vector<PlannedTask>& plan, std::size_t at_once) {
  Footprints footprints(scenario.world);
  std::map<NodeId, AtNode> nodes;
  for (const PlannedTask& task : plan) {
    for (const Need& need : footprints.needs(task.graph, task.members)) {
      const double memory = scenario.world.nodes[need.node].memory;
      if (memory <= 0) continue;
      AtNode& at = nodes[need.node];
      at.when_full = task.when_full;
      const double bytes = need.reserved + need.most;
      if (bytes <= memory) {
        at.fitting.push_back(need);
      } else {
        at.too_large.push_back(task.node);
        at.largest = std::max(at.largest, bytes);
      }
    }
  }
  std::vector<std::string> texts;
  for (const auto& [id, at] : nodes) {
    const NodeConfig& node = scenario.world.nodes[id];
    const std::string name = node.name.of(id);
    // What a node's own memory does not hold alone is said of the node itself.
    const auto others = std::ranges::count_if(at.too_large, [id](NodeId n) { return n != id; });
    if (others > 0) {
      texts.push_back(
          fmt::format("{} has {} of memory, and its part of {} of the {} tasks needs up to {}: "
                      "they fail before "
                      "they start; give it more memory, or cut the model elsewhere",
                      name, base::human_bytes(node.memory), others, others + std::ssize(at.fitting),
                      base::human_bytes(at.largest)));
    }
    std::string text = at_once_text(at, at_once, node, name);
    if (!text.empty()) texts.push_back(std::move(text));
  }
  return texts;
}

}  // namespace convoy::sim
