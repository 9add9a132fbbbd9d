#include "sim/plan/pipedream.hpp"

#include <algorithm>
#include <functional>
#include <numeric>
#include <optional>
#include <utility>

#include "sim/plan/require.hpp"

namespace convoy::sim {
namespace {

// Whether layers first..last fit on each of `replicas` with so many machines behind them.
using Fits = std::function<bool(LayerRange layers, int replicas, int behind)>;

class PipedreamSearch {
 public:
  PipedreamSearch(const PipedreamProblem& problem, Fits fits)
      : problem_(problem),
        fits_(std::move(fits)),
        layers_(static_cast<int>(problem.layers.compute_s.size())) {
    sum(problem.layers.compute_s, compute_);
    sum(problem.layers.weight_bytes, weights_);
    cells_.resize(static_cast<std::size_t>(layers_ * problem.machines));
  }

  PipedreamPlan run() {
    PipedreamPlan plan;
    plan.single_s = compute_.back();
    const double n = problem_.machines;
    plan.data_parallel_s =
        (compute_.back() + 4 * (n - 1) * weights_.back() / (problem_.bandwidth_bytes_per_s * n)) /
        n;
    for (int machines = 1; machines <= problem_.machines; ++machines) {
      for (int last = 0; last < layers_; ++last) fill(last, machines);
    }
    const Cell& best = cell(layers_ - 1, problem_.machines);
    plan.minibatch_s = best.seconds;
    if (best.replicas == 0) return plan;
    int last = layers_ - 1;
    int machines = problem_.machines;
    while (true) {
      const Cell& at = cell(last, machines);
      plan.stages.push_back({{at.before + 1, last + 1}, at.replicas});
      if (at.before < 0) break;
      last = at.before;
      machines -= at.replicas;
    }
    std::reverse(plan.stages.begin(), plan.stages.end());
    return plan;
  }

 private:
  struct Cell {
    double seconds = std::numeric_limits<double>::infinity();
    int before = -1;   // the last layer of the stage before
    int replicas = 0;  // of the last stage; 0: nothing fits
  };

  static void sum(const std::vector<double>& each, std::vector<double>& until) {
    until.assign(each.size(), 0);
    std::partial_sum(each.begin(), each.end(), until.begin());
  }

  Cell& cell(int last, int machines) {
    return cells_[static_cast<std::size_t>((last * problem_.machines) + machines - 1)];
  }

  [[nodiscard]] static double of(const std::vector<double>& until, int first, int last) {
    const double before = first > 0 ? until[static_cast<std::size_t>(first) - 1] : 0;
    return until[static_cast<std::size_t>(last)] - before;
  }

  [[nodiscard]] double stage_s(int first, int last, int replicas) const {
    const double m = replicas;
    const double sync = 4 * (m - 1) * of(weights_, first, last);
    return (of(compute_, first, last) + sync / (problem_.bandwidth_bytes_per_s * m)) / m;
  }

  [[nodiscard]] double crossing_s(int layer, int replicas) const {
    if (!problem_.counts_activations || layer == layers_ - 1) return 0;
    return 2 * problem_.layers.output_bytes[static_cast<std::size_t>(layer)] /
           (problem_.bandwidth_bytes_per_s * replicas);
  }

  void fill(int last, int machines) {
    Cell& best = cell(last, machines);
    if ((!problem_.is_straight || machines == 1) &&
        fits_({0, last + 1}, machines, problem_.machines - machines)) {
      best = {stage_s(0, last, machines), -1, machines};
    }
    for (int before = 0; before < last; ++before) {
      const int most = problem_.is_straight ? std::min(1, machines - 1) : machines - 1;
      for (int replicas = 1; replicas <= most; ++replicas) {
        const Cell& head = cell(before, machines - replicas);
        if (head.seconds >= best.seconds) continue;
        const double seconds = std::max({head.seconds, stage_s(before + 1, last, replicas),
                                         crossing_s(before, replicas), crossing_s(last, replicas)});
        if (seconds >= best.seconds) continue;
        if (!fits_({before + 1, last + 1}, replicas, problem_.machines - machines)) continue;
        best = {seconds, before, replicas};
      }
    }
  }

  const PipedreamProblem& problem_;
  Fits fits_;
  int layers_ = 0;
  std::vector<double> compute_;
  std::vector<double> weights_;
  std::vector<Cell> cells_;
};

void check_pipedream(const PipedreamProblem& problem) {
  require("pipedream", problem.machines >= 1 && !problem.layers.compute_s.empty(),
          "at least one machine and one layer");
  require("pipedream", problem.machines == 1 || problem.bandwidth_bytes_per_s > 0,
          "the bandwidth is above 0");
}

}  // namespace

PipedreamPlan plan_pipedream(const PipedreamProblem& problem) {
  check_pipedream(problem);
  const auto fits = [&](LayerRange layers, int replicas, int behind) {
    if (problem.memory_bytes == std::numeric_limits<double>::infinity()) return true;
    double bytes = 0;
    for (int layer = layers.first; layer < layers.last; ++layer) {
      bytes += problem.activation_bytes[static_cast<std::size_t>(layer)] +
               problem.layers.weight_bytes[static_cast<std::size_t>(layer)];
    }
    const int versions = (behind + replicas - 1) / replicas;
    return versions * bytes <= problem.memory_bytes;
  };
  return PipedreamSearch(problem, fits).run();
}

PipelinePlan plan_pipedream(const PipelineProblem& problem, const PipedreamOptions& options) {
  const PipedreamProblem even{.layers = even_layers(problem),
                              .machines = static_cast<int>(problem.devices.size()),
                              .bandwidth_bytes_per_s = slowest_link(problem),
                              .counts_activations = options.counts_activations};
  check_pipedream(even);
  const double memory = smallest_memory(problem);
  // A stage keeps as many micro-batches as there are stages from it on, which the search does not
  // know yet: it takes so many to be behind.
  const auto plan_with = [&](const std::function<int(int replicas, int behind)>& stages_behind) {
    const auto fits = [&](LayerRange layers, int replicas, int behind) {
      if (!options.limits_memory) return true;
      const int stashes = std::min(problem.microbatches, 1 + stages_behind(replicas, behind));
      const int samples = (problem.microbatch + replicas - 1) / replicas;
      // How many stages there will be is not known: at most one for each device.
      const int most = std::min(problem.microbatches, even.machines);
      const int versions = options.vertical_sync ? most : stashes;
      return problem.costs->memory_bytes(layers, samples, stashes,
                                         options.stashes_weights ? versions : 1) <= memory;
    };
    const PipedreamPlan found = PipedreamSearch(even, fits).run();
    std::optional<std::pair<double, PipelinePlan>> made;
    if (found.stages.empty()) return made;
    PipelinePlan plan = place(problem, found.stages, options.order, WindowPolicy::remaining);
    plan.stashes_weights = options.stashes_weights;
    plan.vertical_sync = options.stashes_weights && options.vertical_sync;
    if (options.limits_memory && !forecast_round(problem, plan).fits()) return made;
    made.emplace(found.minibatch_s, std::move(plan));
    return made;
  };
  auto best =
      plan_with([](int replicas, int behind) { return (behind + replicas - 1) / replicas; });
  if (options.limits_memory) {
    // As many as there can be, which always fits, and as few.
    for (const bool most : {true, false}) {
      auto other = plan_with([=](int, int behind) { return most ? behind : std::min(behind, 1); });
      if (other && (!best || other->first < best->first)) best = std::move(other);
    }
  }
  require("pipedream", best.has_value(),
          "no plan was found that fits the smallest memory of the fleet: leave that device out, or "
          "use smaller micro-batches");
  PipelinePlan plan = std::move(best->second);
  plan.planner = options.counts_activations ? "pipedream-with-activations" : "pipedream";
  return plan;
}

}  // namespace convoy::sim
