#include "sim/run/recorder.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "sim/task/pipeline_label.hpp"

namespace convoy::sim {
namespace {

// Marks journal rows that the end of a run causes: the stop in virtual time, and the evaluation of
// the last version.
constexpr std::string_view at_the_end = " at the end";

std::string shown(const JournalRow& row) {
  return fmt::format("{} {} at {} s, node {}, task {}{}{}", row.is_order ? "order" : "event",
                     row.kind, row.time_s, row.node, row.task, row.detail.empty() ? "" : ", ",
                     row.detail);
}

// SimGrid's clock takes other steps between real activities if their ends are known in advance;
// times, and values derived from them, then differ in their last bits.
bool is_same(const JournalRow& then, const JournalRow& now, bool real) {
  if (!real) return then == now;
  constexpr double hair_s = 1e-6;
  return then.is_order == now.is_order && then.kind == now.kind && then.node == now.node &&
         then.task == now.task && std::abs(then.time_s - now.time_s) <= hair_s;
}

std::string detail_of(const Event& event) {
  switch (event.kind) {
    case EventKind::task_failed:
      // Before it began.
      if (event.needed > 0 && event.activity < 0) {
        return fmt::format("{} needed={:.0f} free={:.0f} of={:.0f}", name_of(event.cause),
                           event.needed, event.free, event.capacity);
      }
      return fmt::format("{} activity={} finished={:.6g}", name_of(event.cause), event.activity,
                         event.finished);
    case EventKind::published:
      return fmt::format("version={}", event.version);
    case EventKind::evaluated:
      return fmt::format("version={} accuracy={}", event.version, event.accuracy);
    case EventKind::timer_fired:
      return fmt::format("timer={}", event.timer);
    case EventKind::node_changed:
      return fmt::format("speed={:.6g}", event.speed);
    case EventKind::activity_done:
      return fmt::format("activity={}", event.activity);
    case EventKind::run_started:
    case EventKind::node_joined:
    case EventKind::task_done:
    case EventKind::node_lost:
      break;
  }
  return "";
}

int transfers_of(const Assign& order) {
  if (!order.graph) return 0;
  const auto all =
      std::ranges::count(order.graph->activities(), ActivityKind::transfer, &Activity::kind);
  return static_cast<int>(all) * order.graph->repeat();
}

}  // namespace

Recorder::Recorder(StoreWriter* store, RecordLevel level, bool real)
    : store_(store), level_(level), real_(real) {
  if (store_ == nullptr) return;
  old_journal_ = store_->take_old_journal();
  // With a later stop the run continues from there.
  while (!old_journal_.empty() && old_journal_.back().detail.ends_with(at_the_end)) {
    old_journal_.pop_back();
  }
}

void Recorder::journal(JournalRow row) {
  row.sequence = sequence_;
  const auto at = static_cast<std::size_t>(row.sequence);
  // This run ends before the old one did: is_behind().
  if (at < old_journal_.size() && row.detail.ends_with(at_the_end)) return;
  ++sequence_;
  if (at < old_journal_.size() && !is_same(old_journal_[at], row, real_)) {
    throw std::runtime_error(fmt::format(
        "the run to be resumed went another way; entry {} of its journal was \"{}\", now it is "
        "\"{}\". Was it made by another build? Run it anew with --overwrite",
        at, shown(old_journal_[at]), shown(row)));
  }
  store_->add(std::move(row));
}

void Recorder::event(const Event& event, bool ends_the_run) {
  if (event.needed > 0) remarks_.lacked_memory(event);
  if (store_ == nullptr) return;
  std::string detail = detail_of(event);
  if (ends_the_run) detail += at_the_end;
  event_ = sequence_;
  journal({.time_s = event.time,
           .kind = std::string(name_of(event.kind)),
           .node = event.node,
           .task = event.task,
           .detail = std::move(detail)});
}

void Recorder::order(const Order& order, double now) {
  if (store_ == nullptr) return;
  JournalRow row{.time_s = now, .is_order = true, .kind = name_of(order), .because = event_};
  if (const auto* assign = std::get_if<Assign>(&order)) {
    row.node = assign->worker_node();
    row.task = assign->task;
    row.detail = assign->label;
    if (!assign->consumes.empty()) {
      row.detail += fmt::format(" consumes={}", fmt::join(assign->consumes, " "));
    }
    if (assign->publishes >= 0) row.detail += " publishes";
  } else if (const auto* cancel = std::get_if<Cancel>(&order)) {
    row.task = cancel->task;
  } else if (const auto* timer = std::get_if<SetTimer>(&order)) {
    row.detail = fmt::format("timer={} at={}", timer->timer, timer->time);
  } else if (const auto* gone = std::get_if<CancelTimer>(&order)) {
    row.detail = fmt::format("timer={}", gone->timer);
  } else if (const auto* finish = std::get_if<Finish>(&order)) {
    row.detail = finish->cause;
  } else if (const auto* planned = std::get_if<Planned>(&order)) {
    row.detail = planned->plan;
  }
  journal(std::move(row));
}

// Adds a task that is in the version to the version's sums.
void Recorder::count_in(TaskRow& row, AggregationRow& sum) {
  row.aggregated_version = sum.version;
  row.staleness = sum.version - 1 - row.base_version;
  if (!row.is_update) return;
  if (*row.staleness < 0 || (max_staleness_ && *row.staleness > *max_staleness_)) {
    broke(fmt::format(
        "version {} contains the update of task {}, which is {} versions older than the one "
        "before it",
        sum.version, row.id, *row.staleness));
  }
  ++sum.updates;
  sum.samples += row.samples;
  sum.staleness_mean += static_cast<double>(*row.staleness);
  sum.staleness_max = std::max(sum.staleness_max, *row.staleness);
}

void Recorder::broke(std::string rule) {
  if (broken_rule_.empty())
    broken_rule_ = "a mistake in Convoy or in the schedule: " + std::move(rule);
}

void Recorder::assigned(const Assign& order, std::int64_t base, double now) {
  OpenTask& task = open_[order.task];
  task.row = {.id = order.task,
              .node = order.worker_node(),
              .label = order.label,
              .is_update = order.kind == TaskKind::update,
              .rate = order.rate,
              .samples = order.samples,
              .base_version = base,
              .assigned_s = now};
  task.publishes = order.publishes >= 0;
  task.consumes = order.consumes;
  task.transfers_left = transfers_of(order);
  if (task.row.is_update) ++counts_.tasks_assigned;
}

// Stores each taken task's share of the result.
void Recorder::note_shares(const OpenTask& task, const TaskLearned* learned) {
  const bool aggregated = learned != nullptr && learned->aggregation;
  for (std::size_t i = 0; i < task.consumes.size(); ++i) {
    TaskRow& taken = open_.at(task.consumes[i]).row;
    taken.consumed_by = task.row.id;
    if (aggregated) taken.share = learned->aggregation->shares.at(i);
  }
  if (!aggregated) return;
  for (const std::size_t i : learned->aggregation->limited) {
    remarks_.limited(static_cast<NodeId>(open_.at(task.consumes.at(i)).row.node));
  }
  for (const std::size_t i : learned->aggregation->left_out) {
    drop(task.consumes.at(i), Cause::left_out);
  }
}

void Recorder::task_done(TaskId id, double now, const TaskLearned* learned) {
  OpenTask& task = open_.at(id);
  task.is_done = true;
  TaskRow& row = task.row;
  row.ended_s = now;
  if (task.transfers_left != 0) {
    broke(fmt::format("task {} is done, and {} of its transfers are not counted", id,
                      task.transfers_left));
  }
  if (!task.publishes) note_shares(task, learned);
  if (!row.is_update) return;
  if (learned != nullptr) {
    row.kept = learned->kept;
    row.loss = learned->loss;
    row.local_accuracy = learned->local_accuracy;
  }
  ++counts_.tasks;
  counts_.samples += row.samples;
  ByNode<double>& last = counts_.last_task_s;
  if (!last.has(row.node)) last.resize(static_cast<std::size_t>(row.node) + 1);
  last[row.node] = now - row.assigned_s;
}

void Recorder::close(TaskRow&& row, std::string outcome) {
  row.outcome = std::move(outcome);
  if (store_ != nullptr) store_->add(std::move(row));
}

void Recorder::task_failed(TaskId id, Cause cause, double now) {
  const auto there = open_.find(id);
  if (there == open_.end()) return;
  if (there->second.is_done) {
    drop(id, cause);
    return;
  }
  TaskRow row = std::move(open_.extract(there).mapped().row);
  row.ended_s = now;
  if (row.is_update) {
    ++counts_.tasks_failed;
    remarks_.failed(cause, static_cast<NodeId>(row.node));
  }
  close(std::move(row), std::string(name_of(cause)));
}

// A finished task will be in no version, nor what it took: its result stands for these, unless it
// was about to publish.
void Recorder::drop(TaskId id, Cause cause) {
  auto there = open_.extract(id);
  if (there.empty()) return;
  OpenTask& task = there.mapped();
  if (!task.publishes) {
    for (const TaskId taken : task.consumes) drop(taken, cause);
  }
  if (task.row.is_update) {
    ++counts_.tasks_dropped;
    remarks_.dropped(cause, static_cast<NodeId>(task.row.node));
  }
  close(std::move(task.row), std::string(name_of(cause)));
}

// Adds open tasks, and recursively the tasks that they took, to the version.
void Recorder::take_in(const OpenTask& task, AggregationRow& sum) {
  for (const TaskId id : task.consumes) {
    auto taken = open_.extract(id);
    if (taken.empty()) continue;  // updates left out
    take_in(taken.mapped(), sum);
    count_in(taken.mapped().row, sum);
    close(std::move(taken.mapped().row), "aggregated");
  }
}

void Recorder::published(TaskId id, std::int64_t version, double now, const TaskLearned* learned) {
  auto there = open_.extract(id);
  OpenTask& task = there.mapped();
  TaskRow& row = task.row;
  const bool is_aggregation = !task.consumes.empty();
  AggregationRow sum{.version = version,
                     .task = id,
                     .start_s = is_aggregation ? row.assigned_s : now,
                     .end_s = now};
  if (version <= version_) broke(fmt::format("version {} came after {}", version, version_));
  version_ = version;
  if (learned != nullptr && learned->aggregation) {
    const engine::AggregationReport& report = *learned->aggregation;
    sum.coverage_min = report.coverage_min;
    sum.untrained = report.untrained;
    counts_.coverage_min =
        std::min(counts_.coverage_min.value_or(report.coverage_min), report.coverage_min);
    counts_.untrained = report.untrained;
  }
  note_shares(task, learned);
  take_in(task, sum);
  row.published_version = version;
  if (row.is_update) count_in(row, sum);
  close(std::move(row), "published");
  counts_.tasks_aggregated += sum.updates;
  staleness_sum_ += sum.staleness_mean;
  counts_.staleness_max = std::max(counts_.staleness_max, sum.staleness_max);
  if (sum.updates > 0) sum.staleness_mean /= static_cast<double>(sum.updates);
  if (store_ != nullptr) store_->add(sum);
}

void Recorder::evaluated(const engine::Evaluation& evaluation, std::int64_t version, double now) {
  counts_.curve.push_back({now, version, evaluation.accuracy()});
  if (std::isfinite(evaluation.loss())) {
    counts_.curve.back().loss = evaluation.loss();
  } else {
    remarks_.not_finite(version);
  }
  const std::optional<engine::Objective>& objective = evaluation.objective;
  if (objective) {
    counts_.curve.back().gradient_norm = objective->gradient_norm;
    counts_.curve.back().objective = objective->value;
  }
  for (std::size_t i = 0; i < evaluation.exits.size(); ++i) {
    const engine::ExitScore& s = evaluation.exits[i];
    evaluations_.push_back({version,
                            now,
                            s.ensemble ? -1 : static_cast<std::int64_t>(i),
                            s.after,
                            static_cast<int>(i) == evaluation.headline,
                            s.loss,
                            s.top1,
                            s.top5,
                            s.f1,
                            s.untrained,
                            {},
                            {},
                            {}});
    if (!objective) continue;
    evaluations_.back().gradient_norm = objective->gradient_norm;
    evaluations_.back().objective = objective->value;
  }
}

void Recorder::settle_evaluations(double energy_j, double energy_server_j) {
  const double bytes = counts_.bytes_down + counts_.bytes_up;
  for (; curve_settled_ < counts_.curve.size(); ++curve_settled_) {
    CurvePoint& point = counts_.curve[curve_settled_];
    point.bytes = bytes;
    point.energy_j = energy_j;
    point.energy_server_j = energy_server_j;
    point.samples = counts_.samples;
    point.updates = counts_.tasks;
  }
  for (EvaluationRow& row : evaluations_) {
    row.bytes = bytes;
    row.energy_j = energy_j;
    row.energy_server_j = energy_server_j;
    if (store_ != nullptr) store_->add(row);
  }
  evaluations_.clear();
}

void Recorder::activity(const ActivityRecord& record) {
  const Activity& what = *record.what;
  const bool transfer = what.kind == ActivityKind::transfer;
  const bool whole = record.cause == Cause::none;
  const double took = record.start_s < 0 ? 0 : record.end_s - record.start_s;
  const bool down = transfer && record.node == server_node;
  const bool up = transfer && record.peer == server_node;
  if (whole) {
    counts_.bytes_down += down ? what.bytes : 0;
    counts_.bytes_up += up ? what.bytes : 0;
    if (what.whole_bytes > 0 && (down || up)) {
      Compressed& sent = down ? counts_.compressed_down : counts_.compressed_up;
      sent.bytes += what.bytes;
      sent.whole_bytes += what.whole_bytes;
    }
  }
  if (transfer && record.start_s >= 0) {
    traffic_.ended(without_microbatch(what.label), record.artifact, record.node, record.peer,
                   what.bytes, whole);
  }
  if (record.cause == Cause::out_of_memory) {
    remarks_.needed_memory(std::max(what.memory, record.memory_needed));
  }
  if (const auto task = open_.find(record.task); task != open_.end()) {
    TaskRow& row = task->second.row;
    (transfer ? row.communicating_s : row.busy_s) += took;
    row.energy_j += record.energy_j;
    if (whole) {
      task->second.transfers_left -= transfer ? 1 : 0;
      row.bytes_down += down ? what.bytes : 0;
      row.bytes_up += up ? what.bytes : 0;
      row.flops += what.flops;
    }
  }
  if (store_ == nullptr || level_ != RecordLevel::activity) return;
  ActivityRow row{.task = record.task,
                  .activity = record.activity,
                  .iteration = record.iteration,
                  .is_transfer = transfer,
                  .label = what.label,
                  .node = record.node,
                  .ready_s = record.ready_s,
                  .end_s = record.end_s,
                  .bytes = what.bytes,
                  .flops = what.flops,
                  .energy_j = record.energy_j,
                  .cause = std::string(name_of(record.cause))};
  if (transfer) row.peer = record.peer;
  if (record.start_s >= 0) row.start_s = record.start_s;
  if (record.memory_asked_s >= 0) row.memory_asked_s = record.memory_asked_s;
  row.real = record.real;
  if (record.predicted_s >= 0) row.predicted_s = record.predicted_s;
  store_->add(std::move(row));
}

void Recorder::memory(NodeId node, double bytes, double now) {
  if (store_ == nullptr || level_ != RecordLevel::activity) return;
  memory_.changed(node, bytes, now, *store_);
}

void Recorder::memory_wait(TaskId task, double seconds) {
  if (const auto there = open_.find(task); there != open_.end()) {
    there->second.row.memory_wait_s += seconds;
  }
}

void Recorder::presence(const ElasticClock::Presence& presence, double now) {
  if (store_ == nullptr) return;
  store_->add(PresenceRow{now, presence.node, presence.present, presence.for_good});
}

void Recorder::run_ended(double now) {
  if (store_ != nullptr) memory_.settle(*store_);
  std::vector<OpenTask> tasks;
  tasks.reserve(open_.size());
  for (const auto& [id, task] : open_) tasks.push_back(task);
  std::ranges::sort(tasks, {}, [](const OpenTask& task) { return task.row.id; });
  for (OpenTask& task : tasks) {
    if (!task.is_done) task.row.ended_s = now;
    if (task.row.is_update) ++(task.is_done ? counts_.tasks_buffered : counts_.tasks_run_ended);
    close(std::move(task.row), task.is_done ? "buffered" : std::string(name_of(Cause::run_ended)));
  }
  open_.clear();
}

std::string Recorder::miscounted() const {
  if (!broken_rule_.empty()) return broken_rule_;
  const Counts& c = counts_;
  const std::int64_t ended = c.tasks + c.tasks_failed + c.tasks_run_ended;
  if (ended != c.tasks_assigned) {
    return fmt::format(
        "a mistake in Convoy: nodes were given {} updates to make, and {} have a fate: {} came to "
        "their end, {} failed, {} were under way when the run ended",
        c.tasks_assigned, ended, c.tasks, c.tasks_failed, c.tasks_run_ended);
  }
  const std::int64_t came = c.tasks_aggregated + c.tasks_dropped + c.tasks_buffered;
  if (came == c.tasks) return "";
  return fmt::format(
      "a mistake in Convoy: {} updates came to their end, and of {} it is known what became of "
      "them: {} are in a version, {} were dropped, {} waited when the run ended",
      c.tasks, came, c.tasks_aggregated, c.tasks_dropped, c.tasks_buffered);
}

void Recorder::count_into(Summary& summary, const ByGroup<NodeConfig>& nodes) const {
  static_cast<Counts&>(summary) = counts_;
  summary.failures = remarks_.failures();
  summary.dropped = remarks_.dropped();
  summary.remarks = remarks_.told(nodes, counts_.tasks);
  const auto aggregated = static_cast<double>(counts_.tasks_aggregated);
  if (aggregated > 0) summary.staleness_mean = staleness_sum_ / aggregated;
  summary.traffic = traffic_.rows();
}

}  // namespace convoy::sim
