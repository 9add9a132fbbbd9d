#pragma once

// Records a run: journal of events and orders, tasks, activities, versions. Counts the summary's
// figures. Works without a store, too.

#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "sim/run/checkpoint.hpp"
#include "sim/run/memory_rows.hpp"
#include "sim/run/remarks.hpp"
#include "sim/run/summary.hpp"
#include "sim/run/traffic.hpp"
#include "sim/scenario/scenario.hpp"
#include "sim/schedule/orders.hpp"
#include "sim/store/store.hpp"
#include "sim/world/world.hpp"

namespace convoy::sim {

class Recorder {
 public:
  // `store` may be null.
  // `real`: the run has real nodes; a resumed run then repeats times to the microsecond.
  Recorder(StoreWriter* store, RecordLevel level, bool real = false);
  // See Schedule::max_staleness.
  void expect_staleness(std::optional<std::int64_t> at_most) { max_staleness_ = at_most; }

  // Call before acting on the event. Throws std::runtime_error if a resumed run differs from the
  // interrupted one.
  void event(const Event& event, bool ends_the_run = false);
  void order(const Order& order, double now);

  void assigned(const Assign& order, std::int64_t base, double now);
  // `learned`: null where the run does not learn.
  void task_done(TaskId task, double now, const TaskLearned* learned);
  // A task that is done already is dropped: its result will be in no version.
  void task_failed(TaskId id, Cause cause, double now);
  // A finished task published a version; all that it took, directly or not, is in the version.
  void published(TaskId task, std::int64_t version, double now, const TaskLearned* learned);
  // An evaluation; settle_evaluations() writes its rows at the end of the instant, when everything
  // else that ends in it has been counted.
  void evaluated(const engine::Evaluation& evaluation, std::int64_t version, double now);
  [[nodiscard]] bool has_evaluations() const { return !evaluations_.empty(); }
  // `energy_j`, `energy_server_j`: drawn so far by the workers and by the server.
  void settle_evaluations(double energy_j, double energy_server_j);
  void activity(const ActivityRecord& record);
  // Several of one instant: the last counts.
  void memory(NodeId node, double bytes, double now);
  void memory_wait(TaskId task, double seconds);
  void presence(const ElasticClock::Presence& presence, double now);
  // Records the tasks still under way or waiting to be aggregated.
  void run_ended(double now);

  // True if the interrupted run had come further than this one so far.
  [[nodiscard]] bool is_behind() const {
    return static_cast<std::size_t>(sequence_) < old_journal_.size();
  }
  [[nodiscard]] std::int64_t tasks_failed() const { return counts_.tasks_failed; }
  // After run_ended(): the first rule that the run broke, or what does not add up in its counts
  // (see Counts); "" if nothing is wrong. The rules: versions only grow; no update in a version is
  // newer than the version before, or older than the schedule's max_staleness(); when a task is
  // done, each of its transfers is counted.
  [[nodiscard]] std::string miscounted() const;
  // Fills in the counts, and what there is to say.
  void count_into(Summary& summary, const ByGroup<NodeConfig>& nodes) const;

 private:
  struct OpenTask {
    TaskRow row;
    bool is_done = false;
    bool publishes = false;
    int transfers_left = 0;  // of its graph, that have not been counted
    std::vector<TaskId> consumes;
  };

  void journal(JournalRow row);
  void close(TaskRow&& row, std::string outcome);
  void drop(TaskId id, Cause cause);
  void note_shares(const OpenTask& task, const TaskLearned* learned);
  void take_in(const OpenTask& task, AggregationRow& sum);
  void count_in(TaskRow& row, AggregationRow& sum);
  void broke(std::string rule);

  StoreWriter* store_;
  RecordLevel level_;
  bool real_;
  std::unordered_map<TaskId, OpenTask> open_;  // tasks without a final outcome
  std::vector<JournalRow> old_journal_;
  std::int64_t sequence_ = 0;
  std::int64_t event_ = 0;  // sequence of the last event

  std::int64_t version_ = 0;
  std::optional<std::int64_t> max_staleness_;
  std::string broken_rule_;  // the first

  Remarks remarks_;
  Counts counts_;
  Traffic traffic_;
  MemoryRows memory_;
  double staleness_sum_ = 0;
  std::vector<EvaluationRow> evaluations_;  // of this instant
  std::size_t curve_settled_ = 0;
};

}  // namespace convoy::sim
