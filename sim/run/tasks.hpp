#pragma once

// Manages the tasks of a run from order to outcome: the world simulates them, the learner computes
// them, the recorder writes them down.

#include <map>
#include <string>
#include <vector>

#include "sim/run/goals.hpp"
#include "sim/run/learner.hpp"
#include "sim/run/open_tasks.hpp"
#include "sim/run/patience.hpp"
#include "sim/run/recorder.hpp"
#include "sim/world/world.hpp"

namespace convoy::sim {

class Tasks {
 public:
  Tasks(const Scenario& scenario, World& world, Recorder& recorder, Patience& patience,
        Goals& goals)
      : scenario_(scenario),
        world_(world),
        recorder_(recorder),
        patience_(patience),
        goals_(goals) {}
  void use(Learner* learner) { learner_ = learner; }

  [[nodiscard]] const OpenTask& at(TaskId task) const { return open_.at(task); }

  // Begins an instant: removes events of tasks cancelled earlier, turns tasks whose results hold
  // NaN or infinity into failures, adds an event for each version.
  void begin_instant(std::vector<Event>& events);
  // True for events of a task that has been cancelled since the instant began.
  [[nodiscard]] bool is_void(const Event& event) const;

  void assign(const Assign& order);
  void activity_ended(const ActivityRecord& record);

  // These give the reason if the run fails with the event; empty: the run goes on.
  std::string cancel(const Cancel& order);
  std::string failed(const Event& event);
  std::string published(const Event& event);
  void done(const Event& event);

  // By node, the number of tasks that ended in the world but whose updates held NaN or infinity.
  [[nodiscard]] const std::map<NodeId, int>& diverged() const { return diverged_; }

 private:
  void learn_of(Event& event);
  std::string came_to_nothing(TaskId id, Cause cause, NodeId node, const std::string& figures = "");

  const Scenario& scenario_;
  World& world_;
  Recorder& recorder_;
  Patience& patience_;
  Goals& goals_;
  Learner* learner_ = nullptr;  // null: timing only
  OpenTasks open_;
  std::map<NodeId, int> diverged_;
  bool cancelled_ = false;  // a task was cancelled since this instant began
};

}  // namespace convoy::sim
