#pragma once

// What a pipeline's planners need to know of a scenario (sim/plan/pipeline.hpp): the costs of the
// model's layers on each kind of machine, from engine/model and the device profiles' rooflines; and
// the fleet's memories and links.
//
//   const auto model = std::make_shared<const PipelineModel>(setting, PipelineModelOptions{});
//   const PipelineCase whole(setting, model, {.nodes = {1, 2, 3}, .microbatch = 8,
//                                             .microbatches = 16});
//   const PipelinePlan plan = plan_asteroid(whole.problem(), {});
//
// The layers of the plan are pieces of the trace between positions at which one tensor crosses
// (engine/model/stage.hpp). Each has parameters: of the positions between two layers with
// parameters the one with the fewest bytes counts, the last of several.

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "engine/model/stage_costs.hpp"
#include "engine/model/trace.hpp"
#include "sim/plan/pipeline.hpp"
#include "sim/schedule/setting.hpp"

namespace convoy::sim {

// Where a model may be cut.
enum class PipelinePlaces {
  blocks,  // between blocks
  layers,  // also inside of blocks
};

struct PipelineModelOptions {
  static constexpr base::Words<PipelinePlaces> place_words = {{PipelinePlaces::blocks, "blocks"},
                                                              {PipelinePlaces::layers, "layers"}};
  PipelinePlaces places = PipelinePlaces::blocks;
  bool recompute = false;  // a stash is what the stage received; forward runs again in the backward
};

// A compute of a stage.
struct StagePass {
  double seconds = 0;
  double watts = 0;  // mean draw
  double flops = 0;
};

// The pieces of the setting's model and what passes through them cost, kept as they are asked for:
// one for all plans of a run. Not for several threads.
class PipelineModel {
 public:
  // Throws base::UserError for training.fixed_cost.
  PipelineModel(std::shared_ptr<const Setting> setting, const PipelineModelOptions& options);

  [[nodiscard]] const PipelineModelOptions& options() const { return options_; }
  [[nodiscard]] const engine::Trace& trace() const { return trace_; }
  [[nodiscard]] int layers() const { return static_cast<int>(ends_.size()); }
  // "block3": the name of the cut behind the piece; the last one: of the model's last layer.
  [[nodiscard]] const std::string& name(int layer) const;
  // The layers of the trace.
  [[nodiscard]] engine::Stage stage(LayerRange range) const;
  // The number of pieces before a cut that a user names (engine::read_cut), 1 to layers() - 1;
  // layers() for "end". `key` is what an error begins with.
  [[nodiscard]] int read(const std::string& text, const std::string& key) const;

  // The kind of a node's machine: nodes with the same machine have the same.
  [[nodiscard]] int kind(NodeId node) const { return kinds_.at(static_cast<std::size_t>(node)); }
  [[nodiscard]] const platforms::Machine& machine(int kind) const;

  // Backward: `accumulates` adds to gradients that are there already; with the forward before it,
  // if it is computed again. Update: samples do not matter.
  [[nodiscard]] const StagePass& forward(int kind, LayerRange range, int samples) const;
  [[nodiscard]] const StagePass& backward(int kind, LayerRange range, int samples,
                                          bool accumulates) const;
  [[nodiscard]] const StagePass& update(int kind, LayerRange range) const;

  // Bytes that cross the cut behind a layer; behind the last one 0. Without labels: every device
  // has all samples.
  [[nodiscard]] double forward_bytes(int layer, int samples) const;
  [[nodiscard]] double backward_bytes(int layer, int samples) const;
  // Of the parameters' gradients. What a stage is copied with has batch norms' statistics, too.
  [[nodiscard]] double gradient_bytes(LayerRange range) const;
  [[nodiscard]] double copy_bytes(LayerRange range) const;

  // What a device keeps all the time (weights, optimizer's state), and of one micro-batch until its
  // backward. Without the runtime (Machine::context).
  [[nodiscard]] double kept_bytes(LayerRange range) const;
  [[nodiscard]] double stash_bytes(LayerRange range, int samples) const;
  // engine::stage_memory().total().
  [[nodiscard]] double peak_bytes(LayerRange range, int samples, int stashes,
                                  bool accumulates) const;

 private:
  enum class Work { forward, backward, backward_again, update };
  struct Key {
    Work work;
    LayerRange range;
    int samples;
    [[nodiscard]] auto order() const { return std::tuple(work, range.first, range.last, samples); }
    bool operator<(const Key& other) const { return order() < other.order(); }
  };
  // Of stage_memory() with K stashes: max(first + (K - 1) stash, update).
  struct Memory {
    double kept = 0;
    double stash = 0;
    double first = 0;
    double update = 0;
    double first_again = 0;  // accumulating
    double update_again = 0;
  };

  void find_pieces();
  void find_kinds();
  [[nodiscard]] const StagePass& pass(int kind, const Key& key) const;
  [[nodiscard]] engine::StepCost kernels(const Key& key) const;
  [[nodiscard]] const Memory& memory(LayerRange range, int samples) const;

  std::shared_ptr<const Setting> setting_;
  PipelineModelOptions options_;
  engine::Trace trace_;
  std::vector<int> ends_;  // of the pieces: positions in the trace
  std::vector<std::string> names_;
  std::vector<int> kinds_;                                           // by node
  std::vector<std::shared_ptr<const platforms::Machine>> machines_;  // by kind
  std::vector<double> forward_bytes_;                                // by layer, a sample
  std::vector<double> backward_bytes_;
  std::vector<double> parameters_;  // before a piece; one more than pieces
  std::vector<double> buffers_;
  // Filled as they are asked for; passes of all kinds of machines at once.
  mutable std::map<Key, std::vector<StagePass>> passes_;
  mutable std::map<Key, Memory> memory_;
};

// What a pipeline is planned for.
struct PipelineAsked {
  std::vector<NodeId> nodes;   // its devices, at least one; the planner's device i is nodes[i]
  std::vector<double> speeds;  // of each, relative to nominal, above 0; empty: all have 1
  int microbatch = 1;
  int microbatches = 1;
  bool steps_each = false;  // the optimizer steps after each backward: no gradients are kept
};

// The model as planners see it. A backward adds to the gradients of before in all rounds of more
// than one micro-batch (in the first of a round, too, which it does not really: a launch for each
// tensor of parameters); with `steps_each` it does not. A kind is a machine at a speed.
class ModelCosts : public PipelineCosts {
 public:
  struct Kind {
    int machine = 0;  // PipelineModel::kind()
    double speed = 1;

    friend bool operator==(const Kind&, const Kind&) = default;
  };

  ModelCosts(std::shared_ptr<const PipelineModel> model, int microbatches, bool steps_each)
      : model_(std::move(model)), microbatches_(microbatches), steps_each_(steps_each) {}

  // The number of this kind; a new one, if there is none yet.
  int kind(const Kind& kind);
  [[nodiscard]] const Kind& kind(int number) const {
    return kinds_.at(static_cast<std::size_t>(number));
  }
  [[nodiscard]] bool accumulates() const { return microbatches_ > 1 && !steps_each_; }

  [[nodiscard]] int layers() const override { return model_->layers(); }
  [[nodiscard]] std::string name(int layer) const override { return model_->name(layer); }
  [[nodiscard]] double forward_s(int kind, LayerRange range, int samples) const override;
  [[nodiscard]] double backward_s(int kind, LayerRange range, int samples) const override;
  [[nodiscard]] double step_s(int kind, LayerRange range) const override;
  [[nodiscard]] double forward_bytes(int layer, int samples) const override;
  [[nodiscard]] double backward_bytes(int layer, int samples) const override;
  [[nodiscard]] double weight_bytes(LayerRange range) const override;
  // Without the runtime. With as many stashes as micro-batches: as GPipe has them, of which nothing
  // is added to the gradients before the second backward.
  [[nodiscard]] double memory_bytes(LayerRange range, int samples, int stashes,
                                    int versions) const override;
  [[nodiscard]] double stash_bytes(LayerRange range, int samples) const override {
    return model_->stash_bytes(range, samples);
  }

 private:
  std::shared_ptr<const PipelineModel> model_;
  int microbatches_;
  bool steps_each_;
  std::vector<Kind> kinds_;
};

// Costs and problem of some nodes of a setting. A device's memory is without the runtime. From node
// to node the slower of one's way up and the other's way down counts; the latency is the largest
// sum of two nodes' links. (Links that several nodes share are no part of the setting; a medium for
// both directions counts as if one was used at a time.)
class PipelineCase {
 public:
  PipelineCase(const Setting& setting, const std::shared_ptr<const PipelineModel>& model,
               PipelineAsked asked);

  [[nodiscard]] const PipelineProblem& problem() const { return problem_; }
  [[nodiscard]] const ModelCosts& costs() const { return *costs_; }
  [[nodiscard]] const PipelineAsked& asked() const { return asked_; }
  [[nodiscard]] NodeId node(int device) const {
    return asked_.nodes.at(static_cast<std::size_t>(device));
  }

 private:
  PipelineAsked asked_;
  std::shared_ptr<ModelCosts> costs_;
  PipelineProblem problem_;
};

}  // namespace convoy::sim
