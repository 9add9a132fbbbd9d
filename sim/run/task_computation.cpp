#include "sim/run/task_computation.hpp"

#include <fmt/format.h>

namespace convoy::sim {
namespace {

class Execution {
 public:
  Execution(const engine::Engine& engine, const TaskComputation& task, const std::stop_token& stop,
            const std::function<void(const engine::Submodel&)>& chosen)
      : engine_(engine),
        task_(task),
        stop_(stop),
        chosen_(chosen),
        sessions_(static_cast<std::size_t>(task.graph->roles())) {}

  engine::Outcome run() {
    for (int pass = 0; pass < task_.graph->repeat(); ++pass) {
      bind_first();
      for (const Activity& a : task_.graph->activities()) {
        if (a.sized_late) tell();
        carry_out(a);
        drop_used(a);
      }
    }
    tell();
    engine::Outcome outcome = session(task_.worker).outcome();
    outcome.result =
        task_.result < 0 ? nullptr : made_[static_cast<std::size_t>(task_.result)].artifact;
    return outcome;
  }

 private:
  engine::Session& session(int role) {
    auto& session = sessions_[static_cast<std::size_t>(role)];
    if (session) return *session;
    engine::TaskInput input = task_.inputs[static_cast<std::size_t>(role)];
    // Who sends something to the worker is told which part of the model that starts with.
    if (role != task_.worker) input.part = this->session(task_.worker).submodel();
    session = engine_.open(input, stop_);
    return *session;
  }

  void bind_first() {
    made_.assign(task_.graph->artifacts().size(), {});
    uses_left_ = task_.graph->consumers();
    const std::vector<int> first = task_.graph->first_artifacts();
    const std::size_t versions = first.size() - task_.given.size();
    const engine::TaskInput& worker = task_.inputs[static_cast<std::size_t>(task_.worker)];
    for (std::size_t i = 0; i < first.size(); ++i) {
      made_[static_cast<std::size_t>(first[i])] =
          i < versions ? engine::Input{worker.received, {}} : task_.given[i - versions];
    }
  }

  void carry_out(const Activity& a) {
    std::vector<engine::Input> inputs;
    for (const int input : a.inputs) inputs.push_back(made_[static_cast<std::size_t>(input)]);
    engine::Input& out = made_[static_cast<std::size_t>(a.outputs.front())];
    if (a.kind == ActivityKind::transfer || (engine::is_nothing(a.work) && !inputs.empty())) {
      out = inputs.front();  // work that only takes time changes nothing
    } else if (!engine::is_nothing(a.work)) {
      out = {session(a.at).run(a.work, inputs), {}};
    }
  }

  // Nobody takes these any more in this pass. (The first artifacts are the task's: a later pass has
  // them again.)
  void drop_used(const Activity& a) {
    const auto drop = [&](int artifact) {
      if (artifact != task_.result) made_[static_cast<std::size_t>(artifact)] = {};
    };
    for (const int input : a.inputs) {
      if (--uses_left_[static_cast<std::size_t>(input)] == 0) drop(input);
    }
    for (const int output : a.outputs) {
      if (uses_left_[static_cast<std::size_t>(output)] == 0) drop(output);
    }
  }

  void tell() {
    if (told_) return;
    told_ = true;
    chosen_(session(task_.worker).submodel());
  }

  const engine::Engine& engine_;
  const TaskComputation& task_;
  const std::stop_token& stop_;
  const std::function<void(const engine::Submodel&)>& chosen_;
  std::vector<std::unique_ptr<engine::Session>> sessions_;  // by role, opened on demand
  std::vector<engine::Input> made_;                         // by artifact; empty: not (any more)
  std::vector<int> uses_left_;                              // by artifact, in this pass
  bool told_ = false;
};

}  // namespace

double flops_of(const TaskGraph& graph) {
  double flops = 0;
  for (const Activity& a : graph.activities()) flops += a.flops;
  return flops * graph.repeat();
}

bool chooses_before_sizing(const TaskGraph& graph) {
  for (const Activity& a : graph.activities()) {
    if (a.sized_late) return false;
    if (!engine::is_nothing(a.work)) return true;
  }
  return false;
}

engine::Outcome carry_out(const engine::Engine& engine, const TaskComputation& task,
                          const std::stop_token& stop,
                          const std::function<void(const engine::Submodel&)>& chosen) {
  return Execution(engine, task, stop, chosen).run();
}

}  // namespace convoy::sim
