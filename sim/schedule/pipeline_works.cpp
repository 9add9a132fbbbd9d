#include "sim/schedule/pipeline_works.hpp"

#include <fmt/format.h>

#include <cmath>
#include <memory>
#include <optional>
#include <stdexcept>

#include "base/diagnostics.hpp"
#include "engine/model/submodel.hpp"

namespace convoy::sim {
namespace {

// What the works have in common; shared by the functions that make them.
struct Common {
  std::vector<engine::Stage> stages;
  int samples = 1;  // of a micro-batch
  bool stashes = false;
  bool vertical_sync = false;

  [[nodiscard]] const engine::Stage& of(const PipelineCompute& c) const {
    return stages[static_cast<std::size_t>(c.stage)];
  }
  // Whose gradients are meant; nothing: those of the round.
  [[nodiscard]] std::optional<int> microbatch(const PipelineCompute& c) const {
    return stashes ? std::optional(c.instruction.microbatch) : std::nullopt;
  }
};

}  // namespace

std::vector<engine::Stage> learned_stages(const Setting& setting,
                                          const std::vector<engine::Stage>& stages) {
  if (!setting.learned_as) return stages;
  const engine::Architecture& a = *setting.learned_as;
  const engine::Trace trace = engine::trace(a, engine::full_submodel(a));
  const std::vector<int> places = engine::cuts(trace);
  const std::size_t count = stages.size() - 1;  // of cuts
  if (places.size() < count) {
    throw base::UserError(
        fmt::format("training.learn_as: {} has {} places where it can be cut, and a pipeline of {} "
                    "stages needs "
                    "{}; learn another model",
                    a.name, places.size(), stages.size(), count));
  }
  std::vector<int> cuts;
  std::size_t next = 0;  // place
  for (std::size_t i = 0; i < count; ++i) {
    const double wanted =
        static_cast<double>(stages[i].last) / stages.back().last * engine::whole(trace).last;
    const auto distance = [&](std::size_t place) { return std::abs(places[place] - wanted); };
    // One place is left for each further cut.
    while (next + 1 + (count - 1 - i) < places.size() && distance(next + 1) <= distance(next)) {
      ++next;
    }
    cuts.push_back(places[next++]);
  }
  return engine::stages_between(trace, cuts);
}

PipelineWorks pipeline_works(const PipelinePlan& plan, const PipelineLearning& learning) {
  if (learning.stages.size() != plan.stages.size()) {
    throw std::invalid_argument("a pipeline whose plan has other stages than what it learns");
  }
  const auto common = std::make_shared<const Common>(
      Common{learning.stages, plan.microbatch, plan.stashes_weights, learning.vertical_sync});
  PipelineWorks works;
  works.forward = [common](const PipelineCompute& c) -> engine::Work {
    return engine::ForwardPart{.first = common->of(c).first,
                               .last = common->of(c).last,
                               .from = c.samples.first,
                               .to = c.samples.last,
                               .samples = common->samples,
                               .microbatch = c.instruction.microbatch,
                               .microbatches = c.microbatches,
                               .stashes = common->stashes,
                               .vertical_sync = common->stashes && common->vertical_sync};
  };
  works.backward = [common](const PipelineCompute& c) -> engine::Work {
    return engine::BackwardPart{common->of(c).first, common->of(c).last, c.instruction.microbatch};
  };
  works.add = [common](const PipelineCompute& c, int chunk, int chunks) -> engine::Work {
    return engine::AddGradients{.first = common->of(c).first,
                                .last = common->of(c).last,
                                .chunk = chunk,
                                .chunks = chunks,
                                .microbatch = common->microbatch(c)};
  };
  works.step = [common](const PipelineCompute& c) -> engine::Work {
    return engine::StepPart{common->of(c).first, common->of(c).last, common->microbatch(c)};
  };
  works.give = [common](const PipelineCompute& c) -> engine::Work {
    return engine::GiveWeights{common->of(c).first, common->of(c).last};
  };
  works.join = [] { return engine::Work(engine::JoinWeights{}); };
  return works;
}

}  // namespace convoy::sim
