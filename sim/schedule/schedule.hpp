#pragma once

// Decides who trains what and when to aggregate. A schedule depends only on the events so far: no
// clock, no sockets, no tensors, random numbers only from the run's seed. So the same schedule
// drives simulated and real nodes, and tests feed it lists of events.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/table_reader.hpp"
#include "engine/api/options.hpp"
#include "engine/model/submodel.hpp"
#include "sim/schedule/explanation.hpp"
#include "sim/schedule/orders.hpp"
#include "sim/schedule/setting.hpp"

namespace convoy::sim {

// A task that a schedule would give to a node; for the pre-flight check.
struct PlannedTask {
  NodeId node = no_node;
  std::string label;
  std::shared_ptr<const TaskGraph> graph;
  std::vector<NodeId> members;
  double rate = 1;
  double memory = 0;  // peak bytes on the node; see peak_memory (sim/task) if artifacts hold memory
  int depth = 0;      // blocks trained
  WhenFull when_full = WhenFull::wait;
};

class Schedule {
 public:
  virtual ~Schedule() = default;

  // Events come in order of time, within an instant in the order of event.hpp; the last event of an
  // instant is marked. Orders are carried out at once.
  virtual Orders on(const Event& event) = 0;

  // What there is to say of its options beforehand, a sentence each: said with a run's remarks.
  [[nodiscard]] virtual std::vector<std::string> remarks() const { return {}; }

  // How it splits the model between nodes, or nodes and server; nothing: it does not. `compare`:
  // with other ways to do it, which may take some time.
  [[nodiscard]] virtual std::optional<Explanation> explain(bool /*compare*/) const {
    return std::nullopt;
  }

  // The update of a task in a version starts from at most this many versions before the version
  // that precedes it; nothing: no limit. The run checks it.
  [[nodiscard]] virtual std::optional<std::int64_t> max_staleness() const { return std::nullopt; }

  // How many updates a version usually has, as far as that is known beforehand; nothing: one of
  // each node. For estimates.
  [[nodiscard]] virtual std::optional<double> usual_updates() const { return std::nullopt; }

  // All kinds of tasks that each node would get, in that order.
  [[nodiscard]] virtual std::vector<PlannedTask> plan() const = 0;

  // The cost of a sized_late activity on the submodel that its worker actually keeps.
  [[nodiscard]] virtual Activity sized(TaskId /*task*/, const Activity& expected,
                                       const engine::Submodel& /*submodel*/) const {
    return expected;
  }
};

// A schedule's options, ready to make a schedule for a run.
struct ScheduleSpec {
  std::string kind;
  // Throws base::UserError if the options do not fit the setting (no exit at a depth, no node with
  // enough memory for its task).
  std::function<std::unique_ptr<Schedule>(std::shared_ptr<const Setting>)> make;
  engine::LearningRules learning;  // what the engine must do
  std::string why_no_learning;     // why it can only be timed; empty: it can learn
};

// A kind of schedule (kinds.hpp lists them).
struct ScheduleKind {
  std::string name;     // "fedavg", as schedule.kind gives it
  std::string meaning;  // one line
  // Reads the options: common keys from [schedule] (read_client_pool), its own keys from
  // [schedule.NAME].
  std::function<ScheduleSpec(base::TableReader& common, base::TableReader& own)> read;
  bool explains = false;  // its schedules have a plan to show: Schedule::explain()
  // The nodes train one model together: no node has a task, or an update, of its own.
  bool together = false;
};
const std::vector<ScheduleKind>& schedule_kinds();

// Reads [schedule]. Keys of other kinds are checked and then ignored, so that a sweep over kinds
// can hold options of all. Warns about keys that no kind in `used` reads; the file's own kind is
// always included.
ScheduleSpec read_schedule(base::TableReader reader, std::vector<std::string> used = {},
                           const std::vector<ScheduleKind>& kinds = schedule_kinds());

}  // namespace convoy::sim
