// How a learner evaluates versions. Where nodes have layers of their own
// (LearningRules::own_layers), a version is a model for each node that had some when it was made,
// and what is told of it is the mean over these nodes. So an evaluation follows from the version,
// and not from when it is made.

#include <fmt/format.h>

#include <limits>

#include "sim/run/learner.hpp"

namespace convoy::sim {

void Learner::note_own_layers() {
  if (!scenario_.schedule.learning.own_layers) return;
  own_layers_.clear();
  for (const auto& [of, state] : states_) {
    const auto& [node, aggregates] = of;
    if (!aggregates) own_layers_[node] = state;
  }
}

std::int64_t Learner::begin_evaluation() {
  if (evaluations_.contains(version_) || results_.evaluations.contains(version_)) return version_;
  if (!weights_) {
    throw base::UserError(fmt::format(
        "{}: the checkpoint does not say how good version {} is; is it damaged? Run anew with "
        "--overwrite",
        options_.folder.string(), version_));
  }
  std::vector<std::shared_ptr<const engine::NodeState>> nodes;
  for (const auto& [node, held] : own_layers_) nodes.push_back(held.state);
  evaluations_[version_] = pool_.submit<engine::Evaluation>(
      std::numeric_limits<double>::infinity(),  // the simulation needs it next
      [engine = engine_, weights = weights_, nodes = std::move(nodes),
       rate = scenario_.evaluation.rate](const std::stop_token& stop) {
        return nodes.empty() ? engine->evaluate(*weights, rate, stop)
                             : engine->evaluate_own(*weights, nodes, rate, stop);
      });
  return version_;
}

engine::Evaluation Learner::finish_evaluation(std::int64_t version) {
  if (const auto job = evaluations_.find(version); job != evaluations_.end()) {
    results_.evaluations[version] = wait(job->second);
    evaluations_.erase(job);
  }
  return results_.evaluations.at(version);
}

}  // namespace convoy::sim
