#pragma once

// A node's stages in a task: executes Forward, Backward, Step, TrainStage and TakeStage
// (engine/api/work.hpp) on what the nodes of the task send one another. A task's graph may hold
// parts of several nodes; a node may have several stages (the first and the last, so that its
// labels stay with it). All samples of a task are those of one node; a server that serves many has
// a session for each, or one that is shared (TaskInput::shared), whose last stage steps with each
// batch that comes, whosever it is. Its dropout draws by the number of the batch in this order. It
// does not step by a batch whose loss or gradients are NaN or infinite: the gradient that goes back
// says so, and only the task that the batch is of has failed.
//
// Layers that are the node's own (TaskBrief::own_before) begin as its state has them, if it has
// any, and go into its next state; nobody takes their update.
//
// A step takes all of its micro-batches, each once. How many they are may change from step to step:
// a batch that is too small for as many as wanted is split by microbatches_of()
// (engine/model/batches.hpp).
//
// Refused where a stage alone cannot do it: clipping by norm, the proximal term, masked labels,
// masks learned in the task, a test of the received model, optimizers kept between tasks (only the
// worker's state would be kept), models sent compressed, learning element by element.

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "engine/learning/engine_context.hpp"
#include "engine/learning/sample_order.hpp"
#include "engine/learning/stage.hpp"

namespace convoy::engine {

// What is known of a micro-batch and travels with it.
struct MicroBatch {
  int number = 0;           // within the step, as in Forward
  int counted = 0;          // over all steps of the task
  int node = 0;             // that has the samples
  double node_samples = 0;  // all training samples of that node
  std::int64_t samples = 0;
  double share = 1;  // in the samples of its batch
};

// From a stage to the next.
class Activation : public Artifact {
 public:
  MicroBatch of;
  int cut = 0;  // before the layer of this number
  Boundary tensors;
  Tensor labels;  // undefined: they stay where they are
};

// From a stage to the one before.
class Gradient : public Artifact {
 public:
  MicroBatch of;
  int cut = 0;
  Boundary tensors;
  double loss = 0;        // of the micro-batch, at the exits behind the cut
  bool is_finite = true;  // all that was made behind it
};

// The change of a stage's weights. Not an Update: it counts only together with the others.
class StageUpdate : public Artifact, public UpdateOrigin {
 public:
  Stage stage;
  Tensors brings;  // as TensorUpdate's, of the stage alone
  bool is_finite = true;
};

class StageSession {
 public:
  // Throws base::UserError where the node has no weights, or the training is refused (above).
  StageSession(const EngineContext& context, const TaskInput& input);

  std::shared_ptr<const Artifact> forward(const Forward& work, const std::vector<Input>& inputs);
  std::shared_ptr<const Artifact> backward(const Backward& work, const std::vector<Input>& inputs);
  std::shared_ptr<const Artifact> step(const Step& work);
  std::shared_ptr<const Artifact> train(const TrainStage& work, const std::vector<Input>& inputs);
  std::shared_ptr<const Artifact> take(const TakeStage& work);

  // The loss and the samples are known at the stage with the first layer.
  void add_to(Outcome& outcome) const;

 private:
  struct Part {
    StageTraining training;
    int node = 0;                      // that has the samples
    std::map<int, MicroBatch> open;    // by number within the step
    std::map<int, double> samples_of;  // by node whose batches came: all its training samples
    bool is_finite = true;             // what came back from behind it
    int microbatches = 0;              // of the step
    std::set<int> back = {};           // of these, by number within the step
  };

  [[noreturn]] void fail(const std::string& what) const;
  void refuse_options() const;
  [[nodiscard]] Stage stage_of(int first, int last) const;
  // Throws base::UserError for a stage of which only a part is.
  [[nodiscard]] bool is_own(const Stage& stage) const;
  [[nodiscard]] Tensors own_layers() const;
  Part& begun(int first, int last);
  // `node`: that has the samples.
  Part& part(const Stage& stage, int node);
  // Begins a step with its first micro-batch. Throws base::UserError for one that is no part of the
  // step, or came already.
  void enter(Part& part, const Forward& work) const;
  void step(Part& part);
  std::shared_ptr<const Artifact> train_next(const Stage& stage, const std::vector<Input>& inputs);
  [[nodiscard]] std::shared_ptr<const StageUpdate> update_of(const Part& part) const;
  // The next micro-batch of the node's own samples.
  std::shared_ptr<const Activation> own(const Forward& work);

  const EngineContext& context_;
  TaskInput input_;
  Submodel submodel_;
  Trace trace_;
  std::vector<Stage> own_;     // the node's own layers
  std::map<int, Part> parts_;  // by the first layer
  std::optional<SampleOrder> order_;
  std::optional<EpochPlan> plan_;
  // The step whose micro-batches are taken from its own samples: its number, how many micro-batches
  // it has, and how many all steps before it had.
  std::int64_t own_step_ = -1;
  int own_microbatches_ = 0;
  int own_before_ = 0;
  std::map<int, Tensor> labels_;  // of its own micro-batches, by their count over the task
  double losses_ = 0;
  std::int64_t samples_ = 0;
};

// Updates of stages become one of the model. Throws base::UserError unless they are of all stages
// (or `partial`: TensorUpdate::stages, UpdateOrigin::rest_is_own), each tensor once, and of the
// same training.
std::shared_ptr<const TensorUpdate> join_stages(const Layout& layout,
                                                const std::vector<Input>& updates,
                                                std::int64_t task, bool partial = false,
                                                bool rest_is_own = false);

}  // namespace convoy::engine
