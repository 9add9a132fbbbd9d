#include "sim/plan/pipeline_marks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <optional>

#include "sim/plan/even_fleet.hpp"
#include "sim/plan/pipeline_allocation.hpp"
#include "sim/plan/pipeline_parts.hpp"
#include "sim/plan/require.hpp"

namespace convoy::sim {
namespace {

constexpr double never = std::numeric_limits<double>::infinity();

std::vector<int> as_given(const PipelineProblem& problem) {
  std::vector<int> order(problem.devices.size());
  std::iota(order.begin(), order.end(), 0);
  return order;
}

// By the number of stages still to come: devices of `order` from `at` on, the head on `at`.
class LargestStep {
 public:
  LargestStep(const PipelineProblem& problem, std::vector<int> order, WindowPolicy window)
      : problem_(problem),
        times_(problem),
        order_(std::move(order)),
        window_(window),
        layers_(problem.costs->layers()),
        devices_(static_cast<int>(order_.size())),
        stages_(std::min(layers_, devices_)),
        cells_(static_cast<std::size_t>((layers_ + 1) * (devices_ + 1) * (stages_ + 1))) {}

  std::optional<PipelinePlan> run() {
    for (int stages = 1; stages <= stages_; ++stages) {
      for (int layers = stages; layers <= layers_; ++layers) {
        for (int at = 0; at < devices_; ++at) fill(layers, at, stages);
      }
    }
    int best_at = 0;
    int best_stages = 0;
    double best = never;
    for (int stages = 1; stages <= stages_; ++stages) {
      for (int at = 0; at < devices_; ++at) {
        if (cell(layers_, at, stages).load >= best) continue;
        best = cell(layers_, at, stages).load;
        best_at = at;
        best_stages = stages;
      }
    }
    if (best_stages == 0) return std::nullopt;
    return plan_of(best_at, best_stages);
  }

 private:
  struct Cell {
    double load = never;
    int rest_layers = 0;
    int next = -1;
  };

  Cell& cell(int layers, int at, int stages) {
    return cells_[static_cast<std::size_t>((((layers * (devices_ + 1)) + at) * (stages_ + 1)) +
                                           stages)];
  }

  [[nodiscard]] int window(int stages) const {
    return window_of(window_, stages, 0, problem_.microbatches);
  }

  double stage_s(LayerRange layers, int at, int stages) {
    const int device = order_[static_cast<std::size_t>(at)];
    if (times_.most_samples(device, layers, window(stages), 1) < problem_.microbatch) return never;
    const PipelineStep pass = times_.pass(device, layers, problem_.microbatch);
    return pass.forward_s + pass.backward_s;
  }

  // The last `layers` layers in so many stages, the first of them on the device at `at`.
  void fill(int layers, int at, int stages) {
    const int first = layers_ - layers;
    Cell& best = cell(layers, at, stages);
    if (stages == 1) {
      best = {stage_s({first, layers_}, at, 1), 0, -1};
      return;
    }
    for (int rest = stages - 1; rest < layers; ++rest) {
      const double head = stage_s({first, layers_ - rest}, at, stages);
      if (head >= best.load) continue;
      for (int next = at + 1; next < devices_; ++next) {
        const Cell& behind = cell(rest, next, stages - 1);
        if (behind.load >= best.load) continue;
        const std::vector<int> pair{order_[static_cast<std::size_t>(at)],
                                    order_[static_cast<std::size_t>(next)]};
        const PipelineStep link = transfer_step(problem_, layers_ - rest - 1, problem_.microbatch,
                                                slowest_within(problem_, pair));
        const double load = std::max({head, behind.load, link.forward_s + link.backward_s});
        if (load < best.load) best = {load, rest, next};
      }
    }
  }

  PipelinePlan plan_of(int at, int stages) {
    PipelinePlan plan{.microbatch = problem_.microbatch, .microbatches = problem_.microbatches};
    plan.planner = "largest-step";
    for (int layers = layers_; stages > 0; --stages) {
      const Cell& here = cell(layers, at, stages);
      plan.stages.push_back({{layers_ - layers, layers_ - here.rest_layers},
                             {{order_[static_cast<std::size_t>(at)], problem_.microbatch}},
                             window(stages)});
      layers = here.rest_layers;
      at = here.next;
    }
    return plan;
  }

  const PipelineProblem& problem_;
  StageTimes times_;
  std::vector<int> order_;
  WindowPolicy window_;
  int layers_ = 0;
  int devices_ = 0;
  int stages_ = 0;
  std::vector<Cell> cells_;
};

int stages_of_one(const PipelineProblem& problem) {
  return std::min(problem.costs->layers(), static_cast<int>(problem.devices.size()));
}

}  // namespace

ChainOptimum best_chain(int layers, int stages,
                        const std::function<double(int, LayerRange)>& stage_load,
                        const std::function<double(int, int)>& cut_load) {
  ChainOptimum best{.load = never};
  if (stages < 1 || stages > layers) return best;
  struct Cell {
    double load = never;
    int first = 0;
  };
  // By stage: the first layers up to `last` in the stages so far.
  std::vector<std::vector<Cell>> cells(static_cast<std::size_t>(stages),
                                       std::vector<Cell>(static_cast<std::size_t>(layers) + 1));
  const auto cell = [&](int stage, int last) -> Cell& {
    return cells[static_cast<std::size_t>(stage)][static_cast<std::size_t>(last)];
  };
  for (int stage = 0; stage < stages; ++stage) {
    for (int last = stage + 1; last <= layers - (stages - 1 - stage); ++last) {
      Cell& here = cell(stage, last);
      const double cut = stage + 1 < stages ? cut_load(stage, last - 1) : 0;
      for (int first = stage; first < last; ++first) {
        if (stage == 0 && first > 0) break;
        const double before = stage == 0 ? 0 : cell(stage - 1, first).load;
        if (before >= here.load) continue;
        const double load = std::max({before, cut, stage_load(stage, {first, last})});
        if (load < here.load) here = {load, first};
      }
    }
  }
  best.load = cell(stages - 1, layers).load;
  if (best.load == never) return best;
  int last = layers;
  for (int stage = stages - 1; stage >= 0; --stage) {
    const int first = cell(stage, last).first;
    best.stages.insert(best.stages.begin(), {first, last});
    last = first;
  }
  return best;
}

PipelinePlan plan_largest_step(const PipelineProblem& problem, const std::vector<int>& order,
                               WindowPolicy window) {
  std::optional<PipelinePlan> plan =
      LargestStep(problem, order.empty() ? as_given(problem) : order, window).run();
  require("largest step", plan.has_value(),
          "no plan of stages of one device each fits their memories: use smaller micro-batches, or "
          "larger devices");
  return *plan;
}

PipelinePlan plan_even(const PipelineProblem& problem) {
  const int layers = problem.costs->layers();
  const int count = stages_of_one(problem);
  std::vector<ReplicatedStage> stages;
  for (int s = 0; s < count; ++s) {
    stages.push_back({{s * layers / count, (s + 1) * layers / count}, 1});
  }
  PipelinePlan plan = place(problem, stages, {}, WindowPolicy::remaining);
  plan.planner = "even";
  return plan;
}

PipelinePlan plan_gpipe(const PipelineProblem& problem) {
  const std::vector<double> each = even_layers(problem).compute_s;
  std::vector<double> until(each.size() + 1, 0);
  std::partial_sum(each.begin(), each.end(), until.begin() + 1);
  const ChainOptimum best = best_chain(
      problem.costs->layers(), stages_of_one(problem),
      [&](int, LayerRange layers) {
        return until[static_cast<std::size_t>(layers.last)] -
               until[static_cast<std::size_t>(layers.first)];
      },
      [](int, int) { return 0.0; });
  std::vector<ReplicatedStage> stages;
  for (const LayerRange layers : best.stages) stages.push_back({layers, 1});
  PipelinePlan plan = place(problem, stages, {}, WindowPolicy::remaining);
  plan.order = PipelineOrder::gpipe;
  for (PipelineStage& stage : plan.stages) stage.window = problem.microbatches;
  plan.planner = "gpipe";
  return plan;
}

PipelinePlan plan_one_device(const PipelineProblem& problem) {
  const LayerRange all{0, problem.costs->layers()};
  PipelinePlan best;
  bool best_fits = false;
  double best_s = never;
  for (int device = 0; device < static_cast<int>(problem.devices.size()); ++device) {
    PipelinePlan plan = place(problem, {{all, 1}}, {device}, WindowPolicy::remaining);
    const PipelineForecast forecast = forecast_round(problem, plan);
    const bool fits = forecast.fits();
    if (best_fits && !fits) continue;
    if (fits == best_fits && forecast.round_s >= best_s) continue;
    best = std::move(plan);
    best_fits = fits;
    best_s = forecast.round_s;
  }
  best.planner = "one-device";
  return best;
}

PipelinePlan plan_data_parallel(const PipelineProblem& problem, DataShares shares) {
  const LayerRange all{0, problem.costs->layers()};
  const int devices = static_cast<int>(problem.devices.size());
  PipelinePlan plan = place(problem, {{all, devices}}, {}, WindowPolicy::remaining);
  plan.planner = "data-parallel";
  if (shares == DataShares::equal) return plan;
  StageTimes times(problem);
  plan.stages.front().members = allocate(times, all, as_given(problem), 1, 1);
  require("data parallelism", !plan.stages.front().members.empty(),
          "the memories do not hold the model and a micro-batch: use a pipeline, or smaller "
          "micro-batches");
  return plan;
}

PipelinePlan search_microbatches(
    PipelineProblem problem, int global_batch, int largest,
    const std::function<PipelinePlan(const PipelineProblem&)>& planner,
    const std::function<double(const PipelineProblem&, const PipelinePlan&)>& judge) {
  std::optional<PipelinePlan> best;
  double best_s = never;
  std::string why = "no size divides it";
  for (int samples = 1; samples <= std::min(largest, global_batch); ++samples) {
    if (global_batch % samples != 0) continue;
    problem.microbatch = samples;
    problem.microbatches = global_batch / samples;
    try {
      PipelinePlan plan = planner(problem);
      const PipelineForecast forecast = forecast_round(problem, plan);
      why = "the plans do not fit the memories";
      if (!forecast.fits()) continue;
      const double round = judge ? judge(problem, plan) : forecast.round_s;
      if (round >= best_s) continue;
      best_s = round;
      best = std::move(plan);
    } catch (const base::UserError& error) {
      why = error.what();
    }
  }
  require(
      "micro-batches", best.has_value(),
      fmt::format("no size up to {} makes a plan of {} samples: {}", largest, global_batch, why));
  return *best;
}

}  // namespace convoy::sim
