#include "sim/schedule/pipeline_manners.hpp"

#include "sim/plan/pipeline_choice.hpp"
#include "sim/plan/pipeline_marks.hpp"

namespace convoy::sim {
namespace {

// A mark that is no kind: 1F1B with the windows of most.
PipelineManner mark(PipelinePlan (*plan)(const PipelineProblem&)) {
  return {.kind = "mark", .plan = plan};
}

PipelinePlan largest_step(const PipelineProblem& problem) {
  return plan_largest_step(problem, {}, WindowPolicy::remaining);
}

}  // namespace

PipelineManner gpipe_manner(PipelineOrder order, bool by_layers) {
  return {.kind = "gpipe", .order = order, .plan = by_layers ? plan_even : plan_gpipe};
}

PipelineManner asteroid_manner(const AsteroidOptions& options) {
  return {.kind = "asteroid",
          .order = PipelineOrder::one_f_one_b,
          .window = options.window,
          .recovery = Recovery::light,
          .plan = [options](const PipelineProblem& p) {
            return options.order == DeviceOrder::search ? plan_by_lanes(p, {.search = options})
                                                        : plan_asteroid(p, options);
          }};
}

PipelineManner data_parallel_manner(ReduceBy reduce, DataShares shares) {
  return {.kind = "dataparallel",
          .reduce = reduce,
          .recovery = Recovery::fresh,
          .plan = [shares](const PipelineProblem& p) { return plan_data_parallel(p, shares); }};
}

PipelineManner pipedream_manner(const PipedreamOptions& options) {
  return {.kind = "pipedream",
          .order = PipelineOrder::one_f_one_b,
          .window = WindowPolicy::remaining,
          .stashes_weights = options.stashes_weights,
          .vertical_sync = options.stashes_weights && options.vertical_sync,
          .plan = [options](const PipelineProblem& p) { return plan_pipedream(p, options); }};
}

PipelineManner dapple_manner(const DappleOptions& options) {
  return {.kind = "dapple",
          .order = PipelineOrder::one_f_one_b,
          .window = options.window,
          .plan = [options](const PipelineProblem& p) { return plan_dapple(p, options); }};
}

std::vector<std::pair<std::string, PipelineManner>> compared_manners() {
  return {
      {"asteroid", asteroid_manner({})},
      {"asteroid, orders searched", asteroid_manner({.order = DeviceOrder::search})},
      {"dapple", dapple_manner({})},
      {"pipedream", pipedream_manner({})},
      {"pipedream, with activation traffic", pipedream_manner({.counts_activations = true})},
      {"gpipe", gpipe_manner(PipelineOrder::gpipe, false)},
      {"gpipe, backwards in reverse", gpipe_manner(PipelineOrder::gpipe_reverse, false)},
      {"data parallel, ring", data_parallel_manner(ReduceBy::ring, DataShares::equal)},
      {"data parallel, ring, by speed",
       data_parallel_manner(ReduceBy::ring, DataShares::proportional)},
      {"data parallel, parameter server",
       data_parallel_manner(ReduceBy::server, DataShares::equal)},
      {"mark: the largest step at its least", mark(largest_step)},
      {"mark: equal numbers of layers", mark(plan_even)},
      {"mark: one device alone", mark(plan_one_device)},
  };
}

}  // namespace convoy::sim
