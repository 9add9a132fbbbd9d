#pragma once

// A node's part in a task: executes the Work of its computes (engine/api/work.hpp).

#include <optional>

#include "engine/learning/local_training.hpp"
#include "engine/learning/pipeline_session.hpp"
#include "engine/learning/stage_session.hpp"

namespace convoy::engine {

class TaskSession : public Session {
 public:
  TaskSession(const EngineContext& context, TaskInput input, std::stop_token stop);

  std::shared_ptr<const Artifact> run(const Work& work, const std::vector<Input>& inputs) override;
  [[nodiscard]] Outcome outcome() override;
  [[nodiscard]] const Submodel& submodel() const override;

 private:
  std::shared_ptr<const Artifact> run(const LearnMasks& work, const std::vector<Input>& inputs);
  std::shared_ptr<const Artifact> run(const ScoreMembers& work, const std::vector<Input>& inputs);
  std::shared_ptr<const Artifact> run(const Train& work, const std::vector<Input>& inputs);
  std::shared_ptr<const Artifact> run(const Aggregate& work, const std::vector<Input>& inputs);
  std::shared_ptr<const Artifact> run(const Combine& work, const std::vector<Input>& inputs);
  std::shared_ptr<const Artifact> run(const Encode& work, const std::vector<Input>& inputs);
  std::shared_ptr<const Artifact> run(const EncodeModel& work, const std::vector<Input>& inputs);
  std::shared_ptr<const Artifact> run(const DecodeModel& work, const std::vector<Input>& inputs);
  std::shared_ptr<const Artifact> run(const Reconfigure& work, const std::vector<Input>& inputs);
  std::shared_ptr<const Artifact> run(const Statistics& work, const std::vector<Input>& inputs);
  std::shared_ptr<const Artifact> run(const Forward& work, const std::vector<Input>& inputs);
  std::shared_ptr<const Artifact> run(const Backward& work, const std::vector<Input>& inputs);
  std::shared_ptr<const Artifact> run(const Step& work, const std::vector<Input>& inputs);
  std::shared_ptr<const Artifact> run(const TrainStage& work, const std::vector<Input>& inputs);
  std::shared_ptr<const Artifact> run(const TakeStage& work, const std::vector<Input>& inputs);
  std::shared_ptr<const Artifact> run(const JoinStages& work, const std::vector<Input>& inputs);
  template <class PipelineWork>
  std::shared_ptr<const Artifact> run(const PipelineWork& work, const std::vector<Input>& inputs);

  // The node's training, created at first use: a node that only aggregates needs none. Throws
  // base::UserError where what it is to start from came compressed and was not decoded.
  LocalTraining& training(const std::vector<Input>& inputs);
  [[nodiscard]] const TensorUpdate& update_of(const Input& input) const;
  // The node's stages, created at first use.
  StageSession& stages(const std::vector<Input>& inputs);
  // Throws base::UserError where weights are learned element by element.
  void refuse_elements(const char* what) const;

  const EngineContext& context_;
  TaskInput input_;
  std::stop_token stop_;
  bool is_decoded_ = false;  // what came compressed
  std::optional<LocalTraining> training_;
  std::optional<StageSession> stages_;
  std::optional<PipelineSession> pipeline_;
  mutable std::optional<Submodel> first_;  // before training begins
  std::optional<RuleState> rule_;          // after an aggregation
  Outcome outcome_;
};

}  // namespace convoy::engine
