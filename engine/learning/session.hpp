#pragma once

// A node's part in a task: opens the works of its computes (engine/api/work.hpp) and carries them
// out.

#include <optional>

#include "engine/learning/local_task.hpp"

namespace convoy::engine {

class TaskSession : public Session {
 public:
  TaskSession(const EngineContext& context, TaskInput input, std::stop_token stop);

  std::shared_ptr<const Artifact> run(const Work& work, const std::vector<Input>& inputs) override;
  [[nodiscard]] Outcome outcome() override;
  [[nodiscard]] const Submodel& submodel() const override;

 private:
  std::shared_ptr<const Artifact> run(const LearnMasks& work, const std::vector<Input>& inputs);
  std::shared_ptr<const Artifact> run(const Train& work, const std::vector<Input>& inputs);
  std::shared_ptr<const Artifact> run(const Aggregate& work, const std::vector<Input>& inputs);
  std::shared_ptr<const Artifact> run(const Combine& work, const std::vector<Input>& inputs);

  // What trains on the node's own data, made when it is first needed: who only aggregates has none.
  LocalTraining& training(const std::vector<Input>& inputs);
  [[nodiscard]] const TensorUpdate& update_of(const Input& input) const;

  const EngineContext& context_;
  TaskInput input_;
  std::stop_token stop_;
  std::optional<LocalTraining> training_;
  mutable std::optional<Submodel> first_;  // before training begins
  std::optional<RuleState> rule_;          // where it has aggregated
  Outcome outcome_;
};

}  // namespace convoy::engine
