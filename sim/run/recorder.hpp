#pragma once

// Writes down what happens in a run: the journal of events and orders, tasks, activities, versions.
// Counts what the summary needs. Works without a store as well.

#include <unordered_map>
#include <vector>

#include "sim/run/checkpoint.hpp"
#include "sim/run/remarks.hpp"
#include "sim/run/summary.hpp"
#include "sim/scenario/scenario.hpp"
#include "sim/schedule/orders.hpp"
#include "sim/store/store.hpp"
#include "sim/world/world.hpp"

namespace convoy::sim {

class Recorder {
 public:
  // `store` may be null.
  // `real`: there are real nodes, whose times a resumed run repeats to the microsecond.
  Recorder(StoreWriter* store, RecordLevel level, bool real = false);

  // Before it acts. Throws std::runtime_error where a resumed run comes to something else than the
  // run that was interrupted.
  void event(const Event& event, bool ends_the_run = false);
  void order(const Order& order, double now);

  void assigned(const Assign& order, std::int64_t base, double now);
  // `learned`: null where the run does not learn.
  void task_done(TaskId task, double now, const TaskLearned* learned);
  void task_failed(TaskId id, Cause cause, double now);
  // A task that is done made a version. All that it took, and they took, is in that version.
  void published(TaskId task, std::int64_t version, double now, const TaskLearned* learned);
  // Its rows are written by settle_evaluations(), when the instant is over: what else ends in it
  // has been counted then.
  void evaluated(const engine::Evaluation& evaluation, std::int64_t version, double now);
  [[nodiscard]] bool has_evaluations() const { return !evaluations_.empty(); }
  // `energy_j`, `energy_server_j`: what the workers and the server have drawn so far.
  void settle_evaluations(double energy_j, double energy_server_j);
  void activity(const ActivityRecord& record);
  void presence(const ElasticClock::Presence& presence, double now);
  // What is still under way, or waits to be aggregated.
  void run_ended(double now);

  // Has the run that is resumed gone further than this one so far?
  [[nodiscard]] bool is_behind() const {
    return static_cast<std::size_t>(sequence_) < old_journal_.size();
  }
  [[nodiscard]] std::int64_t tasks_failed() const { return counts_.tasks_failed; }
  // Fills in the counts, and what there is to say.
  void count_into(Summary& summary, const ByNode<NodeConfig>& nodes) const;

 private:
  struct OpenTask {
    TaskRow row;
    bool is_done = false;
    bool publishes = false;
    std::vector<TaskId> consumes;
  };

  void journal(JournalRow row);
  void close(TaskRow&& row, std::string outcome);
  void leave_out(TaskId id);
  void note_shares(const OpenTask& task, const TaskLearned* learned);
  void take_in(const OpenTask& task, AggregationRow& sum);

  StoreWriter* store_;
  RecordLevel level_;
  bool real_;
  std::unordered_map<TaskId, OpenTask> open_;  // tasks whose fate is not known yet
  std::vector<JournalRow> old_journal_;
  std::int64_t sequence_ = 0;
  std::int64_t event_ = 0;  // the sequence of the last one

  Remarks remarks_;
  Counts counts_;
  double staleness_sum_ = 0;
  std::vector<EvaluationRow> evaluations_;  // of this instant
  std::size_t curve_settled_ = 0;
};

}  // namespace convoy::sim
