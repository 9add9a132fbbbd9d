#include "hil/bridge/server_part.hpp"

#include <fmt/format.h>

#include <stdexcept>
#include <utility>

namespace convoy::hil {

ServerPart::ServerPart(std::shared_ptr<const engine::Engine> engine, engine::TaskInput of_node,
                       std::shared_ptr<const sim::SplitTask> task, std::stop_token stop)
    : engine_(std::move(engine)),
      of_node_(std::move(of_node)),
      task_(std::move(task)),
      stop_(std::move(stop)) {}

engine::Session& ServerPart::session() {
  if (session_) return *session_;
  engine::TaskInput input = of_node_;
  input.part = engine_->open(of_node_, stop_)->submodel();
  input.node = sim::server_node;
  input.state = nullptr;
  input.stages.clear();
  session_ = engine_->open(input, stop_);
  return *session_;
}

engine::Input ServerPart::input(int number) const {
  if (number == sim::SplitTask::given) return {of_node_.received, {}};
  const auto found = here_.find(number);
  if (found != here_.end()) return {found->second, {}};
  throw std::logic_error(
      fmt::format("task {}: the server is to compute with what is not there", of_node_.task));
}

ServerPart::Answer ServerPart::came(int activity, const engine::Crossing& crossing) {
  here_[task_->product(activity)] = crossing.artifact;
  const auto& all = task_->graph().activities();
  for (int next = activity + 1; next < static_cast<int>(all.size()); ++next) {
    const sim::Activity& a = all[static_cast<std::size_t>(next)];
    if (a.at == task_->worker()) return {};  // more follows from there
    here_.erase(here_.begin(), here_.lower_bound(task_->keep_from(next)));
    if (a.kind == sim::ActivityKind::transfer) {
      const int number = task_->product(next);
      return {engine::Crossing{input(number).artifact, 0}, number, std::nullopt};
    }
    if (engine::is_nothing(a.work)) continue;
    std::vector<engine::Input> inputs;
    for (const int number : task_->inputs(next)) inputs.push_back(input(number));
    here_[task_->product(next)] = session().run(a.work, inputs);
    if (!task_->makes_result(next)) continue;
    engine::Outcome outcome = session().outcome();
    outcome.result = here_[task_->product(next)];
    outcome.loss = crossing.loss;
    return {std::nullopt, 0, std::move(outcome)};
  }
  return {};
}

}  // namespace convoy::hil
