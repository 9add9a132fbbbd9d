// What a learner writes: results that wait, checkpoints and the model.

#include <fmt/format.h>

#include "sim/run/learner.hpp"

namespace convoy::sim {

void Learner::hold(engine::Outcome& outcome) {
  if (!outcome.finite) return;  // nobody takes it
  outcome.result = held_.keep(std::move(outcome.result));
  outcome.state = held_.keep(std::move(outcome.state));
}

// Removes updates whose tasks the checkpoint contains; a resumed run may ask for all others.
void Learner::collect_updates() const {
  if (!updates_ || scenario_.hil.keep_updates) return;
  for (const TaskId task : updates_->tasks()) {
    if (results_.tasks.contains(task)) updates_->remove(task);
  }
}

void Learner::maybe_checkpoint() {
  // Before the first version any new task justifies a checkpoint, afterwards only a version.
  const bool nothing_new =
      version_ == written_version_ && (version_ > 0 || results_.tasks.size() == written_tasks_);
  if (nothing_new) return;
  const std::chrono::duration<double> age = std::chrono::steady_clock::now() - written_;
  if (age.count() >= scenario_.output.checkpoint_s) checkpoint();
}

void Learner::checkpoint() {
  const bool nothing_learned = version_ == 0 && results_.tasks.empty();
  if (!folder_ || replaying() || nothing_learned) return;
  if (options_.before_checkpoint) options_.before_checkpoint();
  Checkpoint c;
  c.version = version_;
  c.weights = weights_;
  c.results = results_;
  c.states = states_;
  c.own_layers = own_layers_;
  c.live = resumed_.live;  // tasks not yet reached by the replay
  for (const auto& [task, live] : live_) c.live[task] = live;
  groups_.add_to(c);
  folder_->write(c);
  collect_updates();
  written_version_ = version_;
  written_tasks_ = results_.tasks.size();
  written_ = std::chrono::steady_clock::now();
}

void Learner::write_model() const {
  if (options_.folder.empty() || !weights_) return;
  engine::Engine::Metadata about = {{"scenario", scenario_.name},
                                    {"version", std::to_string(version_)}};
  const std::filesystem::path own = options_.folder / "own_layers";
  if (scenario_.schedule.learning.own_layers) {
    about["own_layers"] = "of each node: own_layers/node-NUMBER.safetensors";
    std::filesystem::create_directories(own);
  }
  engine_->save(*weights_, options_.folder / "model.safetensors", about);
  for (const auto& [node, held] : own_layers_) {
    about["own_layers"] = "of node " + scenario_.world.nodes[node].name.of(node);
    engine_->save_own(*held.state, own / fmt::format("node-{}.safetensors", node), about);
  }
}

}  // namespace convoy::sim
