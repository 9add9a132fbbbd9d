#pragma once

// A schedule decides who trains what and when to aggregate. It is a pure function of the events so
// far: no clock, no socket, no tensor, no randomness but a generator seeded by the run. So it
// drives simulated and real nodes alike, and a test feeds it a list of events.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/table_reader.hpp"
#include "engine/api/options.hpp"
#include "engine/model/submodel.hpp"
#include "sim/schedule/orders.hpp"
#include "sim/schedule/setting.hpp"

namespace convoy::sim {

// One of the tasks that a schedule would give to a node, for the pre-flight.
struct PlannedTask {
  NodeId node = no_node;
  std::string label;
  std::shared_ptr<const TaskGraph> graph;
  std::vector<NodeId> members;
  double rate = 1;
  double memory = 0;  // bytes at its peak on the node
  int depth = 0;      // blocks trained
};

class Schedule {
 public:
  virtual ~Schedule() = default;

  // Events come in order of time; those of one instant in the order of event.hpp, the last one
  // marked. Orders are carried out at once.
  virtual Orders on(const Event& event) = 0;

  // Every kind of task that each node would be given, in the order in which it would get them.
  [[nodiscard]] virtual std::vector<PlannedTask> plan() const = 0;

  // What an activity of a task under way costs on the submodel that its worker turned out to keep
  // (Activity::sized_late).
  [[nodiscard]] virtual Activity sized(TaskId /*task*/, const Activity& expected,
                                       const engine::Submodel& /*submodel*/) const {
    return expected;
  }
};

// A schedule's options as read, ready to be made for a run.
struct ScheduleSpec {
  std::string kind;
  // Throws base::UserError where the options do not fit the setting (no exit at a depth, no node
  // that can hold its task).
  std::function<std::unique_ptr<Schedule>(std::shared_ptr<const Setting>)> make;
  engine::LearningRules learning;  // what it asks of the engine
};

// A kind of schedule (kinds.hpp lists them).
struct ScheduleKind {
  std::string name;     // "fedavg", as schedule.kind gives it
  std::string meaning;  // one line
  // Reads its options: from [schedule] the keys that it has in common with others
  // (read_client_pool), and its own from [schedule.NAME].
  std::function<ScheduleSpec(base::TableReader& common, base::TableReader& own)> read;
};
const std::vector<ScheduleKind>& schedule_kinds();

// Reads [schedule]. The keys of other kinds are checked as well and otherwise left alone, so that a
// sweep over kinds can carry all their options. A warning names keys that none of the kinds `used`
// reads; the kind of the file is always one of them.
ScheduleSpec read_schedule(base::TableReader reader, std::vector<std::string> used = {},
                           const std::vector<ScheduleKind>& kinds = schedule_kinds());

}  // namespace convoy::sim
