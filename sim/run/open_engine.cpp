#include "sim/run/open_engine.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "engine/model/submodel.hpp"
#include "sim/run/preflight.hpp"

namespace convoy::sim {
namespace {

// Number of blocks that some node trains at full width.
int full_depth(const Scenario& scenario, const Schedule& schedule) {
  int depth = 0;
  const bool shallow_only = scenario.schedule.learning.mask.selection == engine::Selection::depth;
  for (const PlannedTask& task : schedule.plan()) {
    const bool fits = task.memory <= scenario.setting->nodes[task.node].machine->memory;
    const bool wide = task.rate >= 1 || shallow_only;
    if (task.node == server_node || !fits || !wide) continue;
    depth = std::max(depth, engine::depth_at(scenario.setting->learned(), task.rate,
                                             scenario.schedule.learning.mask.all_blocks));
  }
  return depth;
}

// The objective is over the samples of all nodes, and those of some nodes are not here.
void require_all_samples(const Scenario& scenario) {
  for (std::size_t i = 0; i < scenario.parts.size(); ++i) {
    if (scenario.parts[i].unlisted == 0) continue;
    throw base::UserError(fmt::format(
        "evaluation.gradient_norm: {}, a real node, trains on data of its own, which only the "
        "device knows: the gradient over all samples cannot be computed here; set it to false, or "
        "let the device train on its part of the run's data (own_data = false)",
        scenario.world.nodes[i].name.of(static_cast<NodeId>(i))));
  }
}

}  // namespace

std::shared_ptr<const engine::Engine> open_engine(const Scenario& scenario,
                                                  const Schedule& schedule,
                                                  const std::string& device) {
  require_trainable(scenario, schedule);
  if (scenario.evaluation.gradient_norm) require_all_samples(scenario);
  engine::EngineOptions options =
      engine::options_of(engine_setup(scenario), *scenario.source, device);
  options.full_depth = full_depth(scenario, schedule);
  options.test = std::make_shared<const engine::Dataset>(scenario.source->test());
  options.parts = scenario.parts;
  options.objective = scenario.evaluation.gradient_norm;
  auto engine = engine::open_engine(options);
  engine->prepare_thread();
  return engine;
}

engine::EngineSetup engine_setup(const Scenario& scenario) {
  engine::EngineSetup setup;
  setup.seed = scenario.seed;
  setup.model = scenario.learned;
  setup.data = scenario.data;
  setup.training = scenario.training.local;
  setup.rules = scenario.schedule.learning;
  setup.evaluation_batch = scenario.evaluation.batch;
  return setup;
}

}  // namespace convoy::sim
