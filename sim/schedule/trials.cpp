#include "sim/schedule/trials.hpp"

#include <utility>

namespace convoy::sim {
namespace {

class Trials : public Schedule {
 public:
  Trials(std::vector<PipelineTask> tasks, std::shared_ptr<std::vector<Trial>> trials)
      : tasks_(std::move(tasks)), trials_(std::move(trials)) {}

  Orders on(const Event& event) override {
    const bool is_ours = at_work_ && event.task == std::ssize(*trials_) - 1;
    if (is_ours && (event.kind == EventKind::published || event.kind == EventKind::task_failed)) {
      at_work_ = false;
      trials_->back().seconds = event.time - began_;
      if (event.kind == EventKind::task_failed) trials_->back().failure = name_of(event.cause);
    }
    Orders orders;
    if (!event.last || at_work_) return orders;
    if (trials_->size() == tasks_.size()) {
      orders.emplace_back(Finish{});
      return orders;
    }
    const PipelineTask& task = tasks_[trials_->size()];
    Assign assign;
    assign.task = std::ssize(*trials_);
    assign.graph = task.graph;
    assign.members = task.members;
    assign.publishes = task.result;
    assign.label = "round";
    began_ = event.time;
    at_work_ = true;
    trials_->emplace_back();
    orders.emplace_back(std::move(assign));
    return orders;
  }

  [[nodiscard]] std::vector<PlannedTask> plan() const override { return {}; }

 private:
  std::vector<PipelineTask> tasks_;
  std::shared_ptr<std::vector<Trial>> trials_;
  double began_ = 0;
  bool at_work_ = false;
};

}  // namespace

ScheduleSpec trials_of(std::vector<PipelineTask> tasks,
                       std::shared_ptr<std::vector<Trial>> trials) {
  ScheduleSpec spec{.kind = "trials"};
  spec.make = [tasks = std::move(tasks),
               trials = std::move(trials)](const std::shared_ptr<const Setting>& /*setting*/) {
    return std::make_unique<Trials>(tasks, trials);
  };
  return spec;
}

}  // namespace convoy::sim
