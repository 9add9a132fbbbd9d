#pragma once

// The base of all kinds of pipelines: a round of the present plan after another, each a task of all
// devices of the plan, which makes a version; new plans when devices come and go, or when speeds
// have changed; and the move of the weights to them.
//
// The fleet's nodes compute; the server has the initial weights and each version (to bring them
// there takes no virtual time, as an evaluation takes none), and coordinates. At first every device
// has the weights of its stage.
//
// With heartbeats (PipelineKeys::heartbeat) nothing is done about a loss before it is noticed, or,
// where others have been lost since, before all of them are: a round without the first would fail
// on them. Heartbeats are charged to rounds; during moves and waits they cost nothing.
//
// A loss ends the task under way, and all that it has computed is done anew: versions hold whole
// tasks only, so that no micro-batch is left out or counted twice.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sim/plan/replanner.hpp"
#include "sim/schedule/pipeline_planner.hpp"
#include "sim/schedule/pipeline_task.hpp"
#include "sim/schedule/schedule.hpp"

namespace convoy::sim {

struct PipelineScheduleOptions {
  // Exits teach one another only within one stage.
  engine::LearningRules learning = {.transfer = {.weight = 0}};
  PipelineKeys keys;
  PipelineManner manner;
};

class PipelineSchedule : public Schedule {
 public:
  // Throws base::UserError as PipelinePlanner, and where no plan for all nodes fits.
  PipelineSchedule(const std::shared_ptr<const Setting>& setting,
                   const PipelineScheduleOptions& options);

  Orders on(const Event& event) override;
  [[nodiscard]] std::vector<PlannedTask> plan() const override;
  // Why the nodes that are there have no plan, where they have none.
  [[nodiscard]] std::vector<std::string> remarks() const override;
  [[nodiscard]] std::optional<std::int64_t> max_staleness() const override { return 0; }
  [[nodiscard]] std::optional<double> usual_updates() const override { return 1; }

  [[nodiscard]] std::optional<Explanation> explain(bool compare) const override;

  // The plan that rounds have now. Nothing: none of the present nodes' fits.
  [[nodiscard]] const std::optional<PlannedPipeline>& present_plan() const { return current_; }

 private:
  enum class Doing { nothing, move, round };

  void note(const Event& event);
  // A device of the plan, or of the move to it.
  [[nodiscard]] bool is_needed(NodeId node) const;
  // Whether a device of the plan is lost of which the server does not know yet. Sets a timer.
  [[nodiscard]] bool is_unaware(double now, Orders& orders);
  // Plans, if it is time for that, and begins the next task.
  void go_on(double now, Orders& orders);
  void replan(Replanner::Cause cause, Orders& orders);
  // Whether a new plan gains enough over the present one.
  [[nodiscard]] bool is_worth(const PlannedPipeline& kept, const PlannedPipeline& fresh,
                              const std::vector<NodeMove>& moves) const;
  // A plan for these nodes, or none that fits (and why).
  [[nodiscard]] std::optional<PlannedPipeline> fresh_plan(const std::vector<NodeId>& nodes);
  // Goes on with a plan, after its weights have moved.
  void move_to(PlannedPipeline to, std::vector<NodeMove> moves, const std::string& cause,
               Orders& orders);
  void tell(const std::string& cause, const std::string& what, Orders& orders) const;
  [[nodiscard]] std::vector<NodeMove> moves_to(const PlannedPipeline& to) const;
  [[nodiscard]] Assign assign(TaskKind kind, const PipelineTask& task, std::string label);
  [[nodiscard]] std::vector<NodeId> present() const;

  PipelinePlanner planner_;
  Replanner replanner_;
  ByNode<bool> present_;
  ByNode<double> speeds_;
  // A loss of which the server is to take notice, by node.
  struct Loss {
    double lost_s = 0;
    double noticed_s = 0;
  };
  ByNode<std::optional<Loss>> losses_;
  std::int64_t next_timer_ = 0;
  double timer_s_ = 0;  // of the last that was set
  std::optional<PlannedPipeline> current_;
  std::optional<PlannedPipeline> weights_at_;  // the plan whose devices have the weights
  std::optional<PipelineTask> round_;          // of current_
  std::string why_none_;
  Doing doing_ = Doing::nothing;
  bool moves_ = false;  // weights must move before current_ has them
  // The keepers of weights_at_ have got their copies: a round of that plan has ended.
  bool has_copies_ = false;
  TaskId at_work_ = no_task;
  TaskId moved_ = no_task;      // the move whose result the next round takes
  double samples_ = 0;          // of the tasks that were published
  double at_work_samples_ = 0;  // of the one under way
  TaskId next_ = 0;
  static constexpr TaskId first_move = 1'000'000'000'000;
  TaskId next_move_ = first_move;
};

}  // namespace convoy::sim
