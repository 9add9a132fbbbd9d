#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include "sim/plan/pipeline_allocation.hpp"
#include "sim/plan/pipeline_marks.hpp"
#include "sim/plan/require.hpp"

namespace convoy::sim {
namespace {

constexpr std::string_view exhaustive = "exhaustive search";

// Every plan of the devices in an order.
class Every {
 public:
  Every(const PipelineProblem& problem, WindowPolicy window)
      : problem_(problem), times_(problem), window_(window) {}

  void search(const std::vector<int>& order) {
    order_ = order;
    const int most = std::min(problem_.costs->layers(), static_cast<int>(order.size()));
    for (stages_ = 1; stages_ <= most; ++stages_) {
      plan_ = {.microbatch = problem_.microbatch, .microbatches = problem_.microbatches};
      descend(0, 0);
    }
  }

  [[nodiscard]] const std::optional<PipelinePlan>& best() const { return best_; }

 private:
  void descend(int layer, int device) {
    const int layers = problem_.costs->layers();
    const int devices = static_cast<int>(order_.size());
    const int stage = static_cast<int>(plan_.stages.size());
    if (stage == stages_) {
      const double round = forecast_round(problem_, plan_).round_s;
      if (round >= best_s_) return;
      best_s_ = round;
      best_ = plan_;
      return;
    }
    const int behind = stages_ - stage - 1;
    const int window = window_of(window_, stages_, stage, problem_.microbatches);
    for (int last = behind == 0 ? layers : layer + 1; last <= layers - behind; ++last) {
      for (int end = behind == 0 ? devices : device + 1; end <= devices - behind; ++end) {
        const std::span<const int> group(order_.begin() + device, order_.begin() + end);
        std::vector<StageMember> members = allocate(times_, {layer, last}, group, window, 1);
        if (members.empty()) continue;
        plan_.stages.push_back({{layer, last}, std::move(members), window});
        descend(last, end);
        plan_.stages.pop_back();
      }
    }
  }

  const PipelineProblem& problem_;
  StageTimes times_;
  WindowPolicy window_;
  std::vector<int> order_;
  int stages_ = 0;
  PipelinePlan plan_;
  std::optional<PipelinePlan> best_;
  double best_s_ = std::numeric_limits<double>::infinity();
};

double choose(int n, int k) {
  double ways = 1;
  for (int i = 0; i < k; ++i) ways *= static_cast<double>(n - i) / (i + 1);
  return ways;
}

}  // namespace

PipelinePlan plan_exhaustive(const PipelineProblem& problem, const std::vector<int>& order,
                             WindowPolicy window, long most_plans) {
  const int layers = problem.costs->layers();
  const int devices = static_cast<int>(order.empty() ? problem.devices.size() : order.size());
  double plans = 0;
  for (int stages = 1; stages <= std::min(layers, devices); ++stages) {
    plans += choose(layers - 1, stages - 1) * choose(devices - 1, stages - 1);
  }
  if (order.empty()) plans *= std::tgamma(devices + 1.0);
  require(exhaustive, plans <= static_cast<double>(most_plans),
          fmt::format("{} layers on {} devices have {:.3g} plans, more than {}: take fewer layers "
                      "or devices",
                      layers, devices, plans, most_plans));
  Every every(problem, window);
  if (order.empty()) {
    std::vector<int> each(problem.devices.size());
    std::iota(each.begin(), each.end(), 0);
    do {
      every.search(each);
    } while (std::next_permutation(each.begin(), each.end()));
  } else {
    every.search(order);
  }
  require(exhaustive, every.best().has_value(), "no plan fits the memories of the devices");
  PipelinePlan plan = *every.best();
  plan.planner = "exhaustive";
  return plan;
}

}  // namespace convoy::sim
