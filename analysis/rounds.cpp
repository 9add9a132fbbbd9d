#include "analysis/rounds.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <unordered_map>
#include <unordered_set>

#include "analysis/pipeline.hpp"
#include "sim/task/pipeline_label.hpp"

namespace convoy::analysis {
namespace {

// Timers fire slightly after the instant that they were set for.
constexpr double hair_s = 1e-9;

bool same_time(double a, double b) {
  return std::abs(a - b) <= hair_s * std::max(1.0, std::max(std::abs(a), std::abs(b)));
}

double overlap(double a_begin, double a_end, double b_begin, double b_end) {
  return std::max(0.0, std::min(a_end, b_end) - std::max(a_begin, b_begin));
}

// The event at which an aggregation was ordered.
struct Trigger {
  bool timer = false;
  std::int64_t node = -1;
  std::int64_t task = -1;
  bool others = false;  // it left out tasks under way
};

// By the aggregation's task.
std::unordered_map<std::int64_t, Trigger> read_triggers(const std::vector<Entry>& journal) {
  using Kind = Entry::Kind;
  std::unordered_map<std::int64_t, Trigger> triggers;
  std::unordered_set<std::int64_t> under_way;  // tasks of nodes
  const Entry* last = nullptr;                 // timer, or end of a node's task
  // The decisive event may come earlier in the same instant than the one that carries the order.
  for (const Entry& entry : journal) {
    if (entry.kind == Kind::assign) under_way.insert(entry.task);
    const bool over = entry.kind == Kind::task_done || entry.kind == Kind::task_failed ||
                      entry.kind == Kind::cancel;
    if (over) under_way.erase(entry.task);
    const bool ended = entry.kind == Kind::task_done || entry.kind == Kind::task_failed;
    if ((ended && !triggers.contains(entry.task)) || entry.kind == Kind::timer_fired) last = &entry;
    if (entry.kind != Kind::aggregate) continue;
    Trigger trigger;
    trigger.others = !under_way.empty();
    const bool is_of_instant = last != nullptr && last->time_s == entry.time_s;
    if (is_of_instant && last->sequence <= entry.because) {
      trigger.timer = last->kind == Kind::timer_fired;
      if (!trigger.timer) trigger.node = last->node, trigger.task = last->task;
    }
    triggers[entry.task] = trigger;
  }
  return triggers;
}

class Paths {
 public:
  explicit Paths(const RunTables& run) : run_(run), absences_(absences(run)) {
    for (std::size_t i = 0; i < run.activities.size(); ++i) {
      by_task_[run.activities[i].task].push_back(i);
    }
    std::map<std::string, std::int32_t> first;  // label with that name
    for (const std::string& label : run.labels.all()) {
      names_.push_back(sim::without_microbatch(label));
      const auto number = static_cast<std::int32_t>(same_.size());
      same_.push_back(first.try_emplace(names_.back(), number).first->second);
    }
    if (!has_pipeline(run)) return;
    const PipelineTables pipeline = read_pipeline(run);
    for (const PathPiece& piece : pipeline.path) {
      pieces_[pipeline.rounds[static_cast<std::size_t>(piece.round)].task].push_back(piece);
    }
  }

  // Goes back from the aggregation's start, activity by activity, to the start of the round.
  void trace(const sim::TaskRow& task, Round& round) const {
    std::map<std::int32_t, double> labels;
    double until = round.aggregation_s;
    const auto found = by_task_.find(task.id);
    const auto pieces = pieces_.find(task.id);
    if (pieces != pieces_.end()) {
      until = along(pieces->second, round, labels);
    } else if (found == by_task_.end()) {
      until = share_out(task, round);
    } else {
      const std::vector<std::size_t>& activities = found->second;
      for (std::size_t k = activities.size(); k-- > 0 && until > round.begin_s;) {
        const Activity& a = run_.activities[activities[k]];
        // Activities are recorded by end: this one allowed the later one to start.
        if (!a.started() || !same_time(a.end_s, until)) continue;
        const double took = until - std::max(a.start_s, round.begin_s);
        const double lasted = std::max(0.0, took);
        part(round, a.is_transfer() ? PathPart::link : PathPart::compute) += lasted;
        labels[same(a.label)] += lasted;
        part(round, PathPart::queue) +=
            std::max(0.0, a.start_s - std::max(a.ready_s, round.begin_s));
        until = a.ready_s;
      }
    }
    for (const auto& [label, lasted] : labels) {
      if (lasted <= round.label_s) continue;
      round.label = names_[static_cast<std::size_t>(label)];
      round.label_s = lasted;
    }
    if (until > round.begin_s) idle_until(task.node, until, round);
  }

  // The time before the node's task began.
  void idle_until(std::int64_t node, double until, Round& round) const {
    double away = 0;
    const auto of_node =
        std::equal_range(absences_.begin(), absences_.end(), Absence{node},
                         [](const Absence& a, const Absence& b) { return a.node < b.node; });
    for (auto a = of_node.first; a != of_node.second; ++a) {
      away += overlap(a->begin_s, a->end_s, round.begin_s, until);
    }
    part(round, PathPart::outage) += away;
    part(round, PathPart::other) += std::max(0.0, until - round.begin_s - away);
  }

  static double& part(Round& round, PathPart part) {
    return round.path_s[static_cast<std::size_t>(part)];
  }

 private:
  // The path through a pipeline's stages is known. Gives when it begins in the round.
  double along(const std::vector<PathPiece>& pieces, Round& round,
               std::map<std::int32_t, double>& labels) const {
    const double first = std::max(round.begin_s, pieces.front().begin_s);
    double unknown = round.aggregation_s - first;
    for (const PathPiece& piece : pieces) {
      const double lasted = overlap(piece.begin_s, piece.end_s, first, round.aggregation_s);
      if (lasted <= 0 || piece.activity < 0 || piece.waits) continue;
      const Activity& a = run_.activities[static_cast<std::size_t>(piece.activity)];
      part(round, a.is_transfer() ? PathPart::link : PathPart::compute) += lasted;
      labels[same(a.label)] += lasted;
      unknown -= lasted;
    }
    part(round, PathPart::queue) += std::max(0.0, unknown);
    return first;
  }

  // All micro-batches of a pipeline count as one.
  [[nodiscard]] std::int32_t same(std::int32_t label) const {
    return same_[static_cast<std::size_t>(label)];
  }

  static double share_out(const sim::TaskRow& task, Round& round) {
    const double all = task.ended_s - task.assigned_s;
    const double within = round.aggregation_s - std::max(task.assigned_s, round.begin_s);
    if (all <= 0 || within <= 0) return round.aggregation_s;
    const double share = within / all;
    const double busy = std::min(task.busy_s, all) * share;
    const double moving = std::min(task.communicating_s, all - std::min(task.busy_s, all)) * share;
    part(round, PathPart::compute) += busy;
    part(round, PathPart::link) += moving;
    part(round, PathPart::queue) += std::max(0.0, within - busy - moving);
    round.label = busy >= moving ? task.label : "transfers";
    round.label_s = std::max(busy, moving);
    return std::max(task.assigned_s, round.begin_s);
  }

  const RunTables& run_;
  std::vector<Absence> absences_;
  std::vector<std::string> names_;  // of labels, without numbers of micro-batches
  std::vector<std::int32_t> same_;  // the first label with the name
  std::unordered_map<std::int64_t, std::vector<PathPiece>> pieces_;  // by task of a pipeline
  std::unordered_map<std::int64_t, std::vector<std::size_t>> by_task_;
};

}  // namespace

std::vector<Round> read_rounds(const RunTables& run) {
  const std::unordered_map<std::int64_t, Trigger> triggers = read_triggers(run.journal);
  const Paths paths(run);
  std::unordered_map<std::int64_t, const sim::TaskRow*> tasks;
  for (const sim::TaskRow& task : run.tasks) tasks[task.id] = &task;
  std::vector<Round> rounds;
  double begin = 0;
  for (const sim::AggregationRow& a : run.aggregations) {
    Round round;
    round.version = a.version;
    round.begin_s = begin;
    round.aggregation_s = a.start_s;
    round.end_s = a.end_s;
    begin = a.end_s;
    Paths::part(round, PathPart::aggregation) = a.end_s - a.start_s;
    // A node's task that publishes ends the round itself.
    const auto ordered = triggers.find(a.task);
    const Trigger trigger = ordered != triggers.end() ? ordered->second : Trigger{.task = a.task};
    const auto task = tasks.find(trigger.task);
    if (trigger.timer) {
      round.closed_by = ClosedBy::deadline;
    } else if (trigger.others) {
      round.closed_by = ClosedBy::quorum;
    }
    if (trigger.timer || task == tasks.end()) {
      Paths::part(round, PathPart::other) = a.start_s - round.begin_s;
    } else {
      round.node = trigger.node >= 0 ? trigger.node : task->second->node;
      round.task = trigger.task;
      paths.trace(*task->second, round);
    }
    rounds.push_back(std::move(round));
  }
  return rounds;
}

std::vector<Absence> absences(const RunTables& run) {
  const double until = run.until_s();
  std::map<std::int64_t, double> gone;  // start of the absence
  std::vector<Absence> all;
  for (const Entry& entry : run.journal) {
    if (entry.kind == Entry::Kind::node_lost) gone.try_emplace(entry.node, entry.time_s);
    if (entry.kind != Entry::Kind::node_joined) continue;
    const auto since = gone.find(entry.node);
    if (since == gone.end()) continue;
    if (entry.time_s > since->second) all.push_back({entry.node, since->second, entry.time_s});
    gone.erase(since);
  }
  for (const auto& [node, since] : gone) {
    if (until > since) all.push_back({node, since, until});
  }
  std::sort(all.begin(), all.end(), [](const Absence& a, const Absence& b) {
    return a.node != b.node ? a.node < b.node : a.begin_s < b.begin_s;
  });
  return all;
}

}  // namespace convoy::analysis
