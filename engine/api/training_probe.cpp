#include "engine/api/training_probe.hpp"

#include <algorithm>
#include <chrono>
#include <variant>

#include "engine/model/batches.hpp"

namespace convoy::engine {

std::int64_t training_steps(const Work& work, std::int64_t samples, int batch) {
  const std::int64_t batches = plan_epoch(samples, std::max(1, batch), false).batches();
  if (const auto* train = std::get_if<Train>(&work)) {
    return train->steps ? *train->steps : train->epochs * batches;
  }
  if (const auto* masks = std::get_if<LearnMasks>(&work)) return masks->epochs * batches;
  if (const auto* scores = std::get_if<ScoreMembers>(&work)) {
    return scores->steps ? *scores->steps : scores->epochs * batches;
  }
  // A step goes through all stages; counted where the samples are.
  if (const auto* step = std::get_if<Step>(&work)) return step->first == 0 ? 1 : 0;
  if (const auto* step = std::get_if<StepPart>(&work)) return step->first == 0 ? 1 : 0;
  if (const auto* back = std::get_if<Backward>(&work)) return back->step && back->first == 0;
  if (const auto* stage = std::get_if<TrainStage>(&work)) {
    return stage->first == 0 && stage->microbatch + 1 == stage->microbatches;
  }
  return 0;
}

bool trains_weights(const Work& work) { return std::holds_alternative<Train>(work); }

double steps_begun_by_stages(const Work& work) {
  if (const auto* forward = std::get_if<Forward>(&work)) {
    return forward->first == 0 ? 1.0 / forward->microbatches : 0;
  }
  if (const auto* part = std::get_if<ForwardPart>(&work)) {
    const double share = static_cast<double>(part->to - part->from) / part->samples;
    return part->first == 0 ? share : 0;
  }
  const auto* stage = std::get_if<TrainStage>(&work);
  return stage != nullptr && stage->first == 0 ? 1.0 / stage->microbatches : 0;
}

double measured_training_step(const Engine& engine, std::shared_ptr<const Weights> weights,
                              int node, double rate, int batch, double longest_s) {
  using Clock = std::chrono::steady_clock;
  TaskInput input;
  input.node = node;
  input.brief.rate = rate;
  input.brief.batch = batch;
  input.received = std::move(weights);
  const auto session = engine.open(input, std::stop_token());
  double seconds = 0;
  for (int step = 0; step < 2; ++step) {
    const auto begin = Clock::now();
    session->run(Train{.epochs = 1, .steps = 1}, {});
    seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    if (seconds > longest_s) break;
  }
  return seconds;
}

}  // namespace convoy::engine
