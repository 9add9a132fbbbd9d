#include "sim/plan/dapple.hpp"

#include <algorithm>
#include <numeric>

#include "sim/plan/require.hpp"

namespace convoy::sim {
namespace {

class DappleSearch {
 public:
  explicit DappleSearch(const DappleProblem& problem)
      : problem_(problem), layers_(static_cast<int>(problem.layers.compute_s.size())) {
    sum(problem.layers.compute_s, compute_);
    sum(problem.layers.weight_bytes, weights_);
  }

  DapplePlan run() {
    const int n = problem_.devices;
    for (int devices = 2; devices <= n; ++devices) pipeline(devices, false);
    if (n > 2 && n % 2 == 0) pipeline(2, true);
    pipeline(n, true);
    two_stages();
    return best_;
  }

 private:
  struct Cell {
    double block = std::numeric_limits<double>::infinity();  // s of all M micro-batches
    int before = -1;
    int devices = 0;
  };

  static void sum(const std::vector<double>& each, std::vector<double>& until) {
    until.assign(each.size() + 1, 0);
    std::partial_sum(each.begin(), each.end(), until.begin() + 1);
  }

  [[nodiscard]] double compute_s(int first, int last) const {
    return compute_[static_cast<std::size_t>(last)] - compute_[static_cast<std::size_t>(first)];
  }

  // Of one micro-batch behind a layer, to so many devices.
  [[nodiscard]] double transfer_s(int layer, int devices) const {
    return problem_.layers.output_bytes[static_cast<std::size_t>(layer)] /
           (devices == 1 ? problem_.to_one_bytes_per_s : problem_.to_many_bytes_per_s);
  }

  // The smallest block of a pipeline of so many devices, in N / devices copies.
  void pipeline(int devices, bool is_straight) {
    const int copies = problem_.devices / devices;
    const double all = problem_.microbatches;
    std::vector<Cell> cells(static_cast<std::size_t>((layers_ + 1) * (devices + 1)));
    const auto cell = [&](int last, int m) -> Cell& {
      return cells[static_cast<std::size_t>((last * (devices + 1)) + m)];
    };
    for (int m = 1; m <= devices; ++m) {
      for (int last = 1; last <= layers_; ++last) {
        Cell& best = cell(last, m);
        if (!is_straight || m == 1) {
          best = {compute_s(0, last) * all / (m * copies), 0, m};
        }
        const int most = is_straight ? std::min(1, m - 1) : m - 1;
        for (int before = 1; before < last; ++before) {
          for (int here = 1; here <= most; ++here) {
            const double block = std::max({cell(before, m - here).block,
                                           compute_s(before, last) * all / (here * copies),
                                           2 * transfer_s(before - 1, here * copies) * all});
            if (block < best.block) best = {block, before, here};
          }
        }
      }
    }
    if (cell(layers_, devices).devices == 0) return;
    std::vector<ReplicatedStage> stages;
    for (int last = layers_, m = devices; last > 0;) {
      const Cell& at = cell(last, m);
      stages.insert(stages.begin(), {{at.before, last}, at.devices});
      m -= at.devices;
      last = at.before;
    }
    offer(std::move(stages), copies, cell(layers_, devices).block);
  }

  void two_stages() {
    const double all = problem_.microbatches;
    for (int cut = 1; cut < layers_; ++cut) {
      for (int first = 1; first < problem_.devices; ++first) {
        const int second = problem_.devices - first;
        const double block =
            std::max({compute_s(0, cut) * all / first, compute_s(cut, layers_) * all / second,
                      transfer_s(cut - 1, second) * all});
        offer({{{0, cut}, first}, {{cut, layers_}, second}}, 1, block);
      }
    }
  }

  // `all_blocks` for all micro-batches of a round.
  void offer(std::vector<ReplicatedStage> stages, int copies, double all_blocks) {
    const int microbatches = problem_.microbatches / copies;
    if (microbatches == 0) return;
    const double share = static_cast<double>(problem_.microbatches) / copies / microbatches;
    const double block = all_blocks / microbatches;
    double round = (block * (microbatches - 1)) + (compute_s(0, layers_) * share);
    double reduce = 0;
    for (std::size_t s = 0; s < stages.size(); ++s) {
      const auto& [layers, replicas] = stages[s];
      const int devices = replicas * copies;
      const int end = std::min(layers_, layers.last + (problem_.reduces_next_layer ? 1 : 0));
      const double bytes = weights_[static_cast<std::size_t>(end)] -
                           weights_[static_cast<std::size_t>(layers.first)];
      const double ring = 2.0 * (devices - 1) / devices * bytes / problem_.reduce_bytes_per_s;
      reduce = std::max(reduce, ring - static_cast<double>(s) * block);
      if (s + 1 == stages.size()) continue;
      round += transfer_s(layers.last - 1, stages[s + 1].replicas * copies) * share;
    }
    round += reduce;
    if (best_.stages.empty() || round < best_.round_s) {
      best_ = {std::move(stages), copies, round,
               compute_s(0, layers_) * problem_.microbatches / round};
    }
  }

  const DappleProblem& problem_;
  int layers_ = 0;
  std::vector<double> compute_;
  std::vector<double> weights_;
  DapplePlan best_;
};

}  // namespace

DapplePlan plan_dapple(const DappleProblem& problem) {
  require("dapple", problem.devices >= 2 && !problem.layers.compute_s.empty(),
          "at least two devices and one layer");
  require("dapple", problem.microbatches >= 1, "at least one micro-batch");
  return DappleSearch(problem).run();
}

PipelinePlan plan_dapple(const PipelineProblem& problem, const DappleOptions& options) {
  std::vector<ReplicatedStage> stages{{{0, problem.costs->layers()}, 1}};
  if (problem.devices.size() > 1) {
    const double bandwidth = slowest_link(problem);
    const DapplePlan found =
        plan_dapple(DappleProblem{.layers = even_layers(problem),
                                  .devices = static_cast<int>(problem.devices.size()),
                                  .microbatches = problem.microbatches,
                                  .to_one_bytes_per_s = bandwidth,
                                  .to_many_bytes_per_s = bandwidth,
                                  .reduce_bytes_per_s = bandwidth});
    stages = found.stages;
    for (ReplicatedStage& stage : stages) stage.replicas *= found.copies;
  }
  PipelinePlan plan = place(problem, stages, options.order, options.window);
  plan.planner = "dapple";
  return plan;
}

}  // namespace convoy::sim
