#include "sim/schedule/pipeline_manners.hpp"

namespace convoy::sim {

PipelineManner asteroid_manner(const AsteroidOptions& options) {
  return {.kind = "asteroid",
          .order = PipelineOrder::one_f_one_b,
          .window = options.window,
          .recovery = Recovery::light,
          .plan = [options](const PipelineProblem& p) { return plan_asteroid(p, options); }};
}

std::vector<std::pair<std::string, PipelineManner>> compared_manners() {
  return {
      {"asteroid", asteroid_manner({})},
      {"asteroid, orders searched", asteroid_manner({.order = DeviceOrder::search})},
  };
}

}  // namespace convoy::sim
