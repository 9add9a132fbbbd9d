#pragma once

// A member of a pipeline's groups in a task: executes the works of engine/api/pipeline_work.hpp,
// which says what they do. A node may have several stages.
//
// Refused where a member alone cannot do it: clipping by norm (but for one stage that is the whole
// model), the proximal term, masked labels, submodels, layers of its own, models sent compressed, a
// test of the received model, learning element by element.

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/learning/engine_context.hpp"
#include "engine/learning/group_parts.hpp"
#include "engine/learning/sample_order.hpp"

namespace convoy::engine {

class PipelineSession {
 public:
  // Throws base::UserError where the node has no weights, or the training is refused (above).
  PipelineSession(const EngineContext& context, const TaskInput& input);

  std::shared_ptr<const Artifact> run(const ForwardPart& work, const std::vector<Input>& inputs);
  std::shared_ptr<const Artifact> run(const BackwardPart& work, const std::vector<Input>& inputs);
  std::shared_ptr<const Artifact> run(const AddGradients& work, const std::vector<Input>& inputs);
  std::shared_ptr<const Artifact> run(const StepPart& work, const std::vector<Input>& inputs);
  std::shared_ptr<const Artifact> run(const GiveWeights& work, const std::vector<Input>& inputs);
  std::shared_ptr<const Artifact> run(const JoinWeights& work, const std::vector<Input>& inputs);

  // The loss: of the version that it has joined; else at the exits at and behind the first of its
  // stages. No state: what goes on is in the version.
  void add_to(Outcome& outcome) const;

 private:
  // The gradients of a round, or of a micro-batch.
  struct Gradients {
    Tensors own;         // by the layout's numbers
    Tensor row;          // see in_a_row(); undefined: nobody has asked for it
    Tensors statistics;  // of its batch norms when the row was made
    double losses = 0;   // of its own samples
  };
  struct Member {
    StageTraining training;
    ForwardPart as;                      // its first; others have the same stage, range, B and M
    std::map<int, std::int64_t> rounds;  // by micro-batch: how often it went forward
    std::map<int, std::int64_t> open;    // under way, by micro-batch: its count over the task
    std::set<int> back;                  // of this round
    std::map<int, Gradients> waiting;    // for their step, by key
    double round_losses = 0;             // of its own samples that are back
    double losses = 0;                   // of all members' samples that were stepped by
    std::int64_t samples = 0;            // these
    bool is_finite = true;

    [[nodiscard]] SampleRange range() const { return {as.from, as.to}; }
  };

  [[noreturn]] void fail(const std::string& what) const;
  void refuse_options() const;
  [[nodiscard]] std::string name_of(const Stage& stage, int microbatch) const;
  [[nodiscard]] Stage stage_of(int first, int last) const;
  Member& begun(int first, int last);
  Member& member(const ForwardPart& work);
  [[nodiscard]] StageOptions options_for(const ForwardPart& work) const;
  // Its indices in the training set.
  std::vector<std::int64_t> samples_of(const ForwardPart& work, std::int64_t counted);
  // Of a micro-batch with weight stashing, else of the round. Throws where they are not there yet.
  Gradients& gradients(Member& member, const std::optional<int>& microbatch, const char* what);
  // The sums among the inputs. Throws for those of another stage or micro-batch.
  [[nodiscard]] std::vector<const GradientSum*> sums(const std::vector<Input>& inputs,
                                                     const Stage& stage, int key) const;

  const EngineContext& context_;
  TaskInput input_;
  Trace trace_;
  std::int64_t samples_before_ = 0;
  SampleStream stream_;
  std::map<int, Member> members_;  // by the first layer
  double losses_ = 0;              // of the version that it has joined
  std::int64_t samples_ = 0;
  bool is_finite_ = true;
};

}  // namespace convoy::engine
