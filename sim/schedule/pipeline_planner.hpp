#pragma once

// Plans the pipelines of a schedule: for the nodes that are present, at the speeds that they have,
// by the kind's planner or as given by hand. Pure: no events, no time.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sim/plan/pipeline.hpp"
#include "sim/schedule/pipeline_keys.hpp"

namespace convoy::sim {

// Who sums the gradients of a stage's group.
enum class ReduceBy : std::uint8_t {
  ring,    // an all-reduce among its devices
  server,  // a parameter server: the fleet's server gets all gradients, steps, and sends weights
};

// What happens after the loss of a device.
enum class Recovery : std::uint8_t {
  light,  // Asteroid: the stages keep their order, boundaries are shifted, layers move directly
  full,   // the server gathers all weights, plans anew, and sends each device what it needs
  fresh,  // a new plan, and layers move directly (none where all devices have all layers)
};

inline constexpr base::Words<Recovery> recovery_words = {{Recovery::light, "light"},
                                                         {Recovery::full, "full"}};
inline constexpr base::Words<WindowPolicy> window_words = {{WindowPolicy::remaining, "remaining"},
                                                           {WindowPolicy::doubled, "doubled"}};

// How a kind plans, and how it runs what was planned.
struct PipelineManner {
  std::string kind;  // "asteroid"
  PipelineOrder order = PipelineOrder::one_f_one_b;
  WindowPolicy window = WindowPolicy::remaining;
  bool stashes_weights = false;
  bool vertical_sync = false;  // PipelinePlan::vertical_sync
  ReduceBy reduce = ReduceBy::ring;
  Recovery recovery = Recovery::full;
  // Throws base::UserError where nothing fits. Order, windows and the rest may be any: they are
  // then set as above.
  std::function<PipelinePlan(const PipelineProblem&)> plan;
};

// A plan for some nodes at some speeds. Devices of the plan are by their place in asked->nodes.
struct PlannedPipeline {
  std::shared_ptr<const PipelineCase> asked;
  PipelinePlan plan;
  PipelineForecast forecast;
  bool by_hand = false;

  [[nodiscard]] NodeId node(const StageMember& member) const { return asked->node(member.device); }
  [[nodiscard]] int stages() const { return static_cast<int>(plan.stages.size()); }
  // Has a stage.
  [[nodiscard]] bool uses(NodeId node) const;
};

// "stage 2 of 3 (block3 to block7)": for errors.
std::string stage_text(const PipelineModel& model, const PipelinePlan& plan, std::size_t stage);

class PipelinePlanner {
 public:
  // Throws base::UserError for a fleet of fewer than two nodes, for what stages_by_hand() refuses,
  // and for a plan by hand that does not fit a memory.
  PipelinePlanner(std::shared_ptr<const Setting> setting, PipelineKeys keys, PipelineManner manner);

  // Another kind's planner, of the same micro-batches and cuts, for tasks of one round, without a
  // plan by hand.
  [[nodiscard]] PipelinePlanner with(PipelineManner manner) const;

  [[nodiscard]] const Setting& setting() const { return *setting_; }
  [[nodiscard]] const std::shared_ptr<const PipelineModel>& model() const { return model_; }
  [[nodiscard]] const PipelineKeys& keys() const { return keys_; }
  [[nodiscard]] const PipelineManner& manner() const { return manner_; }
  [[nodiscard]] std::vector<NodeId> workers() const;

  // The plan given by hand, where there is one and its nodes are among these; else the kind's own.
  // `speeds`: by node, above 0. Throws base::UserError where no plan fits.
  [[nodiscard]] PlannedPipeline plan(const std::vector<NodeId>& nodes,
                                     const ByNode<double>& speeds) const;
  // The kind's own plan. With PipelineKeys::searches the best of all sizes of micro-batches.
  [[nodiscard]] PlannedPipeline own_plan(const std::vector<NodeId>& nodes,
                                         const ByNode<double>& speeds) const;
  // Another planner's, for the same devices, micro-batches and costs; run as it says itself.
  [[nodiscard]] PlannedPipeline judged(const std::shared_ptr<const PipelineCase>& asked,
                                       PipelinePlan plan) const;
  // The same stages under other speeds, or among other nodes, all of its own included. Nothing: a
  // node of it is not among them.
  [[nodiscard]] std::optional<PlannedPipeline> moved(const PlannedPipeline& planned,
                                                     const std::vector<NodeId>& nodes,
                                                     const ByNode<double>& speeds) const;
  // Asteroid's light replay of a plan of which some nodes are not among these: the stages keep
  // their order and what is left of their groups, and boundaries shift. Nothing: the memories do
  // not hold that, or nobody of the plan is left.
  [[nodiscard]] std::optional<PlannedPipeline> light_replay_of(const PlannedPipeline& planned,
                                                               const std::vector<NodeId>& nodes,
                                                               const ByNode<double>& speeds) const;
  // With the keys' micro-batches; and with others.
  [[nodiscard]] std::shared_ptr<const PipelineCase> asked(const std::vector<NodeId>& nodes,
                                                          const ByNode<double>& speeds) const;
  [[nodiscard]] std::shared_ptr<const PipelineCase> asked(const std::vector<NodeId>& nodes,
                                                          const ByNode<double>& speeds,
                                                          int microbatch, int microbatches) const;

 private:
  [[nodiscard]] std::optional<PlannedPipeline> by_hand(
      const std::shared_ptr<const PipelineCase>& asked) const;
  [[nodiscard]] PlannedPipeline own_plan(const std::shared_ptr<const PipelineCase>& asked) const;
  // Its members by their places among these nodes. Nothing: one is not among them.
  [[nodiscard]] static std::optional<PipelinePlan> placed(const PipelinePlan& plan,
                                                          const PipelineCase& of,
                                                          const std::vector<NodeId>& nodes);
  void sum_at_server(PlannedPipeline& planned) const;
  void require_fits(const PlannedPipeline& planned) const;
  // Can the model that is learned in its place be cut so often?
  void require_learnable(const PipelinePlan& plan) const;

  std::shared_ptr<const Setting> setting_;
  PipelineKeys keys_;
  PipelineManner manner_;
  std::shared_ptr<const PipelineModel> model_;
  std::vector<HandMadeStage> stages_;  // devices: by place among workers()
};

// s that the server's link takes to get the gradients of so many devices and to send them weights,
// and its own step; the kernels of that step.
double parameter_server_s(const Setting& setting, const PipelineModel& model,
                          const std::vector<NodeId>& nodes);
StagePass parameter_server_step(const Setting& setting, const PipelineModel& model, int devices);

}  // namespace convoy::sim
