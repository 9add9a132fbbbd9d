#include "analysis/idle.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>
#include <unordered_set>

namespace convoy::analysis {
namespace {

struct Span {
  double begin_s = 0;
  double end_s = 0;
};

// The union of spans: sorted, without overlaps.
std::vector<Span> united(std::vector<Span> spans) {
  std::ranges::sort(spans, {}, &Span::begin_s);
  std::vector<Span> all;
  for (const Span& span : spans) {
    if (span.end_s <= span.begin_s) continue;
    if (!all.empty() && span.begin_s <= all.back().end_s) {
      all.back().end_s = std::max(all.back().end_s, span.end_s);
    } else {
      all.push_back(span);
    }
  }
  return all;
}

// The parts of `spans` that are not in `taken`; both must be united.
std::vector<Span> without(const std::vector<Span>& spans, const std::vector<Span>& taken) {
  std::vector<Span> rest;
  std::size_t next = 0;
  for (const Span& span : spans) {
    double from = span.begin_s;
    while (next < taken.size() && taken[next].end_s <= from) ++next;
    for (std::size_t i = next; i < taken.size() && taken[i].begin_s < span.end_s; ++i) {
      if (taken[i].begin_s > from) rest.push_back({from, taken[i].begin_s});
      from = std::max(from, taken[i].end_s);
    }
    if (from < span.end_s) rest.push_back({from, span.end_s});
  }
  return rest;
}

// The times known of one node.
struct NodeTime {
  std::vector<Span> busy;
  std::vector<Span> moving;  // sends or receives
  std::vector<Span> away;
  std::vector<Span> for_memory;            // a compute of its task waits for it, at any node
  std::vector<Span> unknown;               // has a task that is not recorded yet
  std::vector<const sim::TaskRow*> tasks;  // by assignment
};

class Causes {
 public:
  Causes(const RunTables& run, const std::vector<Round>& rounds) : until_(run.until_s()) {
    for (const Round& round : rounds) rounds_[round.version] = &round;
    for (const Activity& a : run.activities) {
      double& begins = begins_.try_emplace(a.task, a.ready_s).first->second;
      begins = std::min(begins, a.ready_s);
    }
  }

  [[nodiscard]] double until() const { return until_; }

  // Splits an interval in which a present node has nothing under way.
  void explain(const std::vector<const sim::TaskRow*>& tasks, std::int64_t node, Span gap,
               std::vector<Idle>& out) const {
    double t = gap.begin_s;
    while (t < gap.end_s) {
      const auto next = std::ranges::upper_bound(tasks, t, {}, &sim::TaskRow::assigned_s);
      const double next_s = next == tasks.end() ? gap.end_s : (*next)->assigned_s;
      IdleCause cause = IdleCause::not_selected;
      double end = std::min(gap.end_s, next_s);
      if (next != tasks.begin()) cause = after(**std::prev(next), t, end);
      add(node, t, end, cause, out);
      t = end;
    }
  }

  static void add(std::int64_t node, double begin, double end, IdleCause cause,
                  std::vector<Idle>& out) {
    if (end <= begin) return;
    Idle* last = out.empty() ? nullptr : &out.back();
    if (last != nullptr && last->node == node && last->cause == cause && last->end_s == begin) {
      last->end_s = end;
    } else {
      out.push_back({node, begin, end, cause});
    }
  }

 private:
  // The cause for a node's idleness at `t` after its last task; reduces `end` to the time until
  // which the cause holds.
  IdleCause after(const sim::TaskRow& task, double t, double& end) const {
    if (t < task.ended_s) {
      end = std::min(end, task.ended_s);
      // Its first activities are ready when it begins.
      const auto begins = begins_.find(task.id);
      if (begins == begins_.end() && task.memory_wait_s > 0) return IdleCause::memory;
      if (begins != begins_.end() && t < begins->second) {
        end = std::min(end, begins->second);
        return IdleCause::memory;
      }
      return IdleCause::queue;
    }
    switch (outcome_of(task)) {
      case Outcome::buffered:
      case Outcome::run_ended:
        return IdleCause::run_end;
      case Outcome::dropped:
        return IdleCause::failed;
      case Outcome::lost:
        if (task.outcome == "out_of_memory") return IdleCause::memory;
        return task.outcome == "node_lost" ? IdleCause::outage : IdleCause::failed;
      case Outcome::aggregated:
        break;
    }
    const auto found = rounds_.find(task.aggregated_version.value_or(0));
    if (found == rounds_.end()) return IdleCause::not_selected;
    const Round& round = *found->second;
    if (t < round.aggregation_s) {
      end = std::min(end, round.aggregation_s);
      if (round.closed_by == ClosedBy::deadline) return IdleCause::deadline;
      return round.closed_by == ClosedBy::quorum ? IdleCause::quorum : IdleCause::slowest_node;
    }
    if (t < round.end_s) {
      end = std::min(end, round.end_s);
      return IdleCause::aggregation;
    }
    return IdleCause::not_selected;
  }

  double until_;
  std::unordered_map<std::int64_t, const Round*> rounds_;
  std::unordered_map<std::int64_t, double> begins_;  // by task with recorded activities
};

// For unfinished runs: since when nodes have tasks that are not recorded (tasks are recorded when
// their outcome is known).
std::map<std::int64_t, double> open_tasks(const RunTables& run) {
  std::map<std::int64_t, double> open;
  if (run.ended_s) return open;
  std::unordered_set<std::int64_t> known;
  for (const sim::TaskRow& task : run.tasks) known.insert(task.id);
  for (const Entry& entry : run.journal) {
    if (entry.kind != Entry::Kind::assign || known.contains(entry.task)) continue;
    open.try_emplace(entry.node, entry.time_s);
  }
  return open;
}

sim::ByNode<NodeTime> by_node(const RunTables& run) {
  sim::ByNode<NodeTime> nodes(run.nodes.size());
  const auto at = [&nodes](std::int64_t node) -> NodeTime* {
    return node > 0 && nodes.has(node) ? &nodes[node] : nullptr;
  };
  for (const Activity& a : run.activities) {
    if (!a.started()) continue;
    for (const std::int64_t node : {a.node, a.peer}) {
      NodeTime* n = at(node);
      if (n == nullptr) continue;
      (a.is_transfer() ? n->moving : n->busy).push_back({a.start_s, a.end_s});
    }
  }
  std::unordered_map<std::int64_t, const sim::TaskRow*> tasks;
  for (const sim::TaskRow& task : run.tasks) {
    tasks[task.id] = &task;
    if (NodeTime* n = at(task.node)) n->tasks.push_back(&task);
  }
  // Nodes that take part in another node's task.
  std::set<std::pair<std::int64_t, std::int64_t>> partners;
  for (const Activity& a : run.activities) {
    const auto task = tasks.find(a.task);
    if (task == tasks.end()) continue;
    if (a.memory_asked_s >= 0) {
      const Span wait = {a.memory_asked_s, a.started() ? a.start_s : a.end_s};
      for (const std::int64_t node : {std::int64_t{a.node}, task->second->node}) {
        if (NodeTime* n = at(node)) n->for_memory.push_back(wait);
      }
    }
    for (const std::int32_t node : {a.node, a.peer}) {
      NodeTime* n = node == task->second->node ? nullptr : at(node);
      if (n == nullptr || !partners.emplace(a.task, node).second) continue;
      n->tasks.push_back(task->second);
    }
  }
  for (const Absence& absence : absences(run)) {
    if (NodeTime* n = at(absence.node)) n->away.push_back({absence.begin_s, absence.end_s});
  }
  for (const auto& [node, since] : open_tasks(run)) {
    if (NodeTime* n = at(node)) n->unknown.push_back({since, run.until_s()});
  }
  for (NodeTime& n : nodes) {
    std::sort(n.tasks.begin(), n.tasks.end(), [](const sim::TaskRow* a, const sim::TaskRow* b) {
      return a->assigned_s != b->assigned_s ? a->assigned_s < b->assigned_s : a->id < b->id;
    });
  }
  return nodes;
}

}  // namespace

std::vector<Idle> idle_intervals(const RunTables& run, const std::vector<Round>& rounds) {
  const Causes causes(run, rounds);
  const bool has_activities = !run.activities.empty();
  sim::ByNode<NodeTime> nodes = by_node(run);
  std::vector<Idle> all;
  for (std::size_t i = 1; i < nodes.size(); ++i) {
    NodeTime& n = nodes[i];
    const auto node = static_cast<std::int64_t>(i);
    if (!has_activities) {
      for (const sim::TaskRow* task : n.tasks) n.busy.push_back({task->assigned_s, task->ended_s});
    }
    const std::vector<Span> busy = united(std::move(n.busy));
    const std::vector<Span> idle = without({{0, causes.until()}}, busy);
    const std::vector<Span> moving = united(std::move(n.moving));
    const std::vector<Span> not_moving = without(idle, moving);
    std::vector<Idle> of_node;
    for (const Span& span : without(idle, not_moving)) {
      Causes::add(node, span.begin_s, span.end_s, IdleCause::link, of_node);
    }
    const std::vector<Span> there = without(not_moving, united(std::move(n.away)));
    for (const Span& span : without(not_moving, there)) {
      Causes::add(node, span.begin_s, span.end_s, IdleCause::outage, of_node);
    }
    const std::vector<Span> has_room = without(there, united(std::move(n.for_memory)));
    for (const Span& span : without(there, has_room)) {
      Causes::add(node, span.begin_s, span.end_s, IdleCause::memory, of_node);
    }
    for (const Span& span : without(has_room, united(std::move(n.unknown))))
      causes.explain(n.tasks, node, span, of_node);
    std::ranges::sort(of_node, {}, &Idle::begin_s);
    all.insert(all.end(), of_node.begin(), of_node.end());
  }
  return all;
}

sim::ByNode<IdleSums> idle_sums(const RunTables& run, const std::vector<Idle>& intervals) {
  sim::ByNode<IdleSums> sums(run.nodes.size());
  const auto of = [&sums](std::int64_t node, IdleCause cause) -> double& {
    return sums[node][static_cast<std::size_t>(cause)];
  };
  for (const Idle& idle : intervals) of(idle.node, idle.cause) += idle.end_s - idle.begin_s;
  if (!run.activities.empty()) return sums;
  for (const sim::TaskRow& task : run.tasks) {
    if (task.node <= 0 || !sums.has(task.node)) continue;
    const double rest = task.ended_s - task.assigned_s - task.busy_s;
    const double moving = std::clamp(task.communicating_s, 0.0, std::max(0.0, rest));
    const double waited = std::clamp(task.memory_wait_s, 0.0, std::max(0.0, rest - moving));
    of(task.node, IdleCause::link) += moving;
    of(task.node, IdleCause::memory) += waited;
    of(task.node, IdleCause::queue) += std::max(0.0, rest - moving - waited);
  }
  return sums;
}

}  // namespace convoy::analysis
