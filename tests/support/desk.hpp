#pragma once

// Drives a schedule by hand: events in, orders out, no world.

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "sim/schedule/schedule.hpp"
#include "tests/support/hand_machine.hpp"

namespace convoy::sim {

// Equal nodes and a small model.
inline std::shared_ptr<Setting> setting_of(int workers, int memory_gb = 64) {
  auto machine = std::make_shared<platforms::Machine>(convoy::test::hand_machine(1e12, 1e11));
  machine->memory = memory_gb * 1e9;
  machine->memory_class_gb = memory_gb;
  auto setting = std::make_shared<Setting>();
  setting->seed = 3;
  engine::ModelOptions model;
  model.architecture = "mlp";
  setting->architecture =
      std::make_shared<const engine::Architecture>(engine::make_architecture(model));
  for (int i = 0; i <= workers; ++i) setting->nodes.push_back({"n", machine, 10, 5});
  return setting;
}

// Feeds a schedule with events and keeps track of its orders.
class Desk {
 public:
  explicit Desk(std::unique_ptr<Schedule> schedule) : schedule_(std::move(schedule)) {
    give({{.kind = EventKind::run_started}});
  }

  void give(std::vector<Event> events) {
    events.back().last = true;
    for (const Event& event : events) {
      for (const Order& order : schedule_->on(event)) {
        const auto* assign = std::get_if<Assign>(&order);
        if (assign != nullptr && assign->kind == TaskKind::aggregation) {
          EXPECT_EQ(assign->worker_node(), server_node);
          EXPECT_EQ(assign->publishes, assign->graph->result());
          aggregating = assign->consumes;
          under_way.push_back({assign->task, assign->consumes});
          aggregations.push_back(*assign);
        } else if (assign != nullptr) {
          open[assign->task] = assign->worker_node();
          base[assign->task] = version;
          assigned.push_back(*assign);
          labels[assign->task] = assign->label;
        } else if (const auto* cancel = std::get_if<Cancel>(&order)) {
          open.erase(cancel->task);
          cancelled.push_back(cancel->task);
        } else if (const auto* timer = std::get_if<SetTimer>(&order)) {
          timers.push_back(*timer);
        } else if (std::holds_alternative<CancelTimer>(order)) {
          ++timers_cancelled;
        } else if (const auto* plan = std::get_if<Planned>(&order)) {
          planned.push_back(*plan);
        } else {
          finish = std::get<Finish>(order).cause;
        }
      }
    }
  }

  Event done(TaskId task) {
    const Event event{.kind = EventKind::task_done, .node = open.at(task), .task = task};
    open.erase(task);
    return event;
  }
  Event failed(TaskId task, Cause cause) {
    const Event event{
        .kind = EventKind::task_failed, .node = open.at(task), .task = task, .cause = cause};
    open.erase(task);
    return event;
  }
  // The aggregation under way that was ordered first.
  Event aggregated() {
    aggregating.clear();
    last_staleness.clear();
    for (const TaskId task : under_way.front().consumes)
      last_staleness.push_back(version - base.at(task));
    const TaskId task = under_way.front().task;
    under_way.pop_front();
    return {.kind = EventKind::published, .task = task, .version = ++version};
  }

  std::map<TaskId, NodeId> open;
  std::map<TaskId, std::int64_t> base;
  std::map<TaskId, std::string> labels;
  std::vector<TaskId> cancelled;
  std::vector<TaskId> aggregating;
  struct Aggregation {
    TaskId task = no_task;
    std::vector<TaskId> consumes;
  };
  std::deque<Aggregation> under_way;
  std::vector<std::int64_t> last_staleness;  // of the updates in the last version
  std::vector<Assign> assigned;              // updates, in order
  std::vector<Assign> aggregations;          // in order
  std::vector<SetTimer> timers;
  std::vector<Planned> planned;
  int timers_cancelled = 0;
  std::string finish;
  std::int64_t version = 0;

 private:
  std::unique_ptr<Schedule> schedule_;
};

}  // namespace convoy::sim
