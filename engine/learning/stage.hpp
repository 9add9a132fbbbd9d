#pragma once

// A node's stage of a model in training (pipelines and split learning; engine/model/stage.hpp):
//
//   StageTraining stage(layout, submodel, {0, 12}, weights, at::kCPU, options);
//   const Boundary sent = stage.forward(0, {{0, images}});   // micro-batch 0
//   // the stage behind it: forward(0, sent, Targets{labels}), then came = backward(0, {})
//   stage.backward(0, came);
//   stage.step();
//
// Stages that follow one another compute what the whole model does, with the same operations in the
// same order; so outputs, gradients and stepped weights have the same bits wherever it is cut.
//
// Micro-batches have numbers, which count over the whole task and not only within a step. All
// micro-batches that go forward between two steps belong to one batch. Its gradient is that of the
// mean over its samples: each loss counts by its share of the samples (Targets::share), and the
// stages only add up. (With shares of 1/2^n in M equal micro-batches this is the sum of their own
// gradients divided by M to the bit.)
//
// Dropout: what a layer draws depends on (StageOptions::draws, the micro-batch, the layer): neither
// on the order of the micro-batches nor on the cuts, and a recomputed forward draws the same again.
// (So the masks are others than those of LocalTraining, which has one generator for all steps.)
//
// Batch norms use the statistics of the micro-batch. Running statistics are updated once by each
// micro-batch, when it first goes forward; so a stage that has some takes new micro-batches in
// rising order only.
//
// Not for masks of single weights and frozen networks (ElementKind).

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/api/options.hpp"
#include "engine/learning/network.hpp"
#include "engine/learning/optimizer.hpp"

namespace convoy::engine {

// What crosses a cut, or its gradients: by tensor number of the trace. Detached from whatever made
// it; nobody changes the values, so the memory is shared and not copied.
// A gradient keeps the memory layout in which it was computed: sums over another layout (a bias'
// gradient behind a transposed view) have other last bits.
using Boundary = std::map<int, Tensor>;

// What a stage with an exit is to learn of a micro-batch.
struct Targets {
  Tensor labels;     // long [samples]
  double share = 1;  // of the micro-batch in the samples of its batch, (0, 1]
};

struct StageOptions {
  std::string name;  // of the node and its task, for errors
  OptimizerOptions optimizer;
  double learning_rate = 0.05;
  // Upper limit of the gradient's norm, 0: none. Only of the whole model as one stage: a stage
  // does not know the norm of the whole gradient, and a limit for its own part would make the
  // result depend on the cuts.
  double clip = 0;
  // Between exits; needs all of them in one stage. Elsewhere the weight must be 0.
  TransferOptions transfer;
  Tensor absent;              // bool [classes]: see training_loss()
  double rate = 1;            // HeteroFL's scaler: Mode::rate
  bool static_norms = false;  // running statistics stay as they are
  std::uint64_t draws = 1;    // seed of dropout: of (seed, node, task), for the node of the samples
  // Weight stashing (PipeDream): a step does not wait for the micro-batches that are under way.
  // They come back through the weights that they went forward with, and these are kept until then.
  bool stashes_weights = false;
  // With it: the weights after each step are kept, too, until a micro-batch goes forward with later
  // ones (forward's `version`).
  bool keeps_versions = false;
};

// The tensors of a layout that belong to the layers of a stage.
std::vector<std::size_t> tensors_of(const Layout& layout, const Trace& trace, const Stage& stage);

// All functions throw base::UserError for a call that a stage cannot execute; see fail().
class StageTraining {
 public:
  // `weights`: a model, or a part of one that contains the stage's slices. The layout must outlive
  // the stage.
  StageTraining(const Layout& layout, const Submodel& submodel, const Stage& stage,
                const TensorWeights& weights, const at::Device& device, StageOptions options);

  // What crosses the last cut, from what crosses the first one (before the first layer: the
  // network's input, number 0). Keeps what backward() needs; with `recompute` only the inputs.
  // `targets`: at a stage with an exit; others ignore them.
  // `version`: with the weights after so many steps (StageOptions::keeps_versions); nothing: with
  // the present ones.
  Boundary forward(int microbatch, const Boundary& inputs,
                   const std::optional<Targets>& targets = {}, bool recompute = false,
                   std::optional<std::int64_t> version = {});
  // The gradients of its inputs, from those of its outputs: of all tensors with a gradient
  // (has_gradient() in engine/model/stage.hpp). Adds up the gradients of the weights.
  Boundary backward(int microbatch, const Boundary& gradients);
  // Forgets a micro-batch that went forward. It may go forward again.
  void discard(int microbatch);
  // Steps by the gradients added up since the last step. All micro-batches must be back: they went
  // forward with the weights of before. At a stage with an exit they must be a whole batch: their
  // shares add up to 1.
  void step();

  // Step in two parts, for stages that several nodes share: the gradients added up since these were
  // last taken, by the layout's numbers (undefined: none; running statistics have none); and a step
  // by gradients, which are used up. What they are gradients of is the caller's to know.
  Tensors take_gradients();
  void step_by(const Tensors& gradients);
  // A running statistic that was `then` becomes `joined`; what changed it meanwhile stays in it.
  void join_statistics(std::size_t tensor, const Tensor& then, const Tensor& joined);

  // A whole batch at once, at the stage with the last layer: forward, backward and step, as
  // micro-batch number steps(); gives what backward() does. Nothing, and the stage is as it was
  // before, where inputs, loss or gradients are NaN or infinite.
  std::optional<Boundary> train(const Boundary& inputs, const Targets& targets);
  // What backward() would give for these inputs, all 0.
  [[nodiscard]] Boundary no_gradients(const Boundary& inputs) const;

  // Continues with a state of the optimizer; the stage's own slices are used.
  void resume(OptimizerState state);
  [[nodiscard]] const OptimizerState& optimizer() const { return optimizer_.state(); }

  [[nodiscard]] const Stage& stage() const { return stage_; }
  [[nodiscard]] const Trace& trace() const { return network_.trace(); }
  // By the layout's numbers; undefined outside the stage. On the device.
  [[nodiscard]] const Tensors& weights() const { return weights_; }
  // The change since `received`, and values of running statistics; see TensorUpdate::brings.
  [[nodiscard]] Tensors changes(const TensorWeights& received) const;
  // Micro-batches that went forward and did not come back.
  [[nodiscard]] std::size_t stashed() const { return stashes_.size(); }
  [[nodiscard]] bool has_exit() const { return exits_ > 0; }
  // Mean over all samples that came back, of the losses of the stage's own exits; 0 without exits.
  [[nodiscard]] double loss() const {
    return samples_ > 0 ? losses_ / static_cast<double>(samples_) : 0;
  }
  [[nodiscard]] double losses() const { return losses_; }  // their sum over these samples
  [[nodiscard]] std::int64_t samples() const { return samples_; }
  [[nodiscard]] std::int64_t steps() const { return steps_; }
  // False once an output, a loss or a gradient that the stage made was NaN or infinite. The first
  // such stage on a micro-batch's way is where it arose.
  [[nodiscard]] bool is_finite() const { return is_finite_; }

 private:
  struct Made {
    Boundary outputs;  // with their graph
    Tensor loss;       // undefined without exits
  };
  struct Stash {
    Boundary inputs;  // leaves
    Tensors weights;  // that it went forward with
    std::optional<Targets> targets;
    std::optional<Made> made;  // nothing: to be recomputed
    double loss = 0;
    std::int64_t samples = 0;
  };

  [[noreturn]] void fail(const std::string& what) const;
  void check_options() const;
  void check_new(int microbatch, const Boundary& inputs,
                 const std::optional<Targets>& targets) const;
  void check_gradients(int microbatch, const Stash& stash, const Boundary& gradients) const;
  void check_all_back() const;
  [[nodiscard]] bool updates_statistics(int microbatch) const;
  [[nodiscard]] Made compute(int microbatch, const Stash& stash, bool update_statistics) const;
  [[nodiscard]] bool has_gradient(int tensor) const {
    return has_gradient_[static_cast<std::size_t>(tensor)];
  }
  void note(const Boundary& made);
  // Adds the gradients that arrived at these weights to gradients_.
  void collect(const Tensors& weights);
  [[nodiscard]] const Tensors& weights_after(std::optional<std::int64_t> version);

  const Layout& layout_;
  Submodel submodel_;
  Stage stage_;
  Network network_;
  StageOptions options_;
  std::vector<int> inputs_;         // numbers of the tensors that cross the first cut
  std::vector<int> outputs_;        // the last cut
  std::vector<bool> has_gradient_;  // by tensor of the trace
  int exits_ = 0;
  bool has_norms_ = false;          // with running statistics
  bool needs_two_samples_ = false;  // normalizes over single positions
  Tensors weights_;
  OptimizerSteps optimizer_;
  std::map<int, Stash> stashes_;
  Tensors gradients_;                         // taken from the weights; see take_gradients()
  std::map<std::int64_t, Tensors> versions_;  // by steps; StageOptions::keeps_versions
  std::set<int> counted_;  // micro-batches whose statistics the running ones contain
  std::set<int> back_;     // micro-batches that came back since the last step
  double shares_ = 0;      // theirs, where there is an exit
  double losses_ = 0;
  std::int64_t samples_ = 0;
  std::int64_t steps_ = 0;
  bool is_finite_ = true;
};

}  // namespace convoy::engine
