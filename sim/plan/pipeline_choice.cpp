#include "sim/plan/pipeline_choice.hpp"

#include <algorithm>
#include <functional>
#include <optional>
#include <utility>

#include "base/diagnostics.hpp"
#include "sim/plan/dapple.hpp"
#include "sim/plan/pipedream.hpp"
#include "sim/plan/pipeline_allocation.hpp"
#include "sim/plan/pipeline_lanes.hpp"
#include "sim/plan/pipeline_marks.hpp"
#include "sim/plan/pipeline_parts.hpp"

namespace convoy::sim {
namespace {

constexpr std::size_t most_to_search_again =
    24;                          // devices of a fleet that is planned several times
constexpr double enough = 1e-9;  // a smaller gain is none

// Stages without their shares of a micro-batch.
struct Shape {
  std::vector<LayerRange> layers;
  std::vector<std::vector<int>> groups;

  [[nodiscard]] std::size_t size() const { return layers.size(); }
};

Shape shape_of(const PipelinePlan& plan) {
  Shape shape;
  for (const PipelineStage& stage : plan.stages) {
    shape.layers.push_back(stage.layers);
    shape.groups.push_back(devices_of(stage.members));
  }
  return shape;
}

class PlanChoice {
 public:
  PlanChoice(const PipelineProblem& problem, const ChoiceOptions& options)
      : problem_(problem), options_(options), times_(problem), left_(options.most_changes) {}

  PipelinePlan run() {
    begin();
    if (!best_) throw base::UserError(why_);
    while (improve()) {
    }
    best_->planner = "asteroid-search";
    return *best_;
  }

 private:
  void begin() {
    AsteroidOptions by_memory = options_.search;
    by_memory.order = DeviceOrder::memory;
    try_planner([&](const PipelineProblem& p) { return plan_asteroid(p, options_.search); });
    try_planner([&](const PipelineProblem& p) { return plan_asteroid(p, by_memory); });
    if (!options_.search.may_leave_out) {
      if (!best_) throw base::UserError(why_);
      fewest_devices_ = devices_in(*best_);  // of all that there are; some may get no sample
    }
    const std::string why = why_;
    if (problem_.devices.size() <= most_to_search_again) {
      for (const double faster : {2.0, 6.0}) {  // both ways at once; by groups of three, too
        PipelineProblem other = problem_;
        for (double& bandwidth : other.bandwidth_bytes_per_s) bandwidth *= faster;
        try_planner([&](const PipelineProblem&) { return plan_asteroid(other, by_memory); });
      }
    }
    const DappleOptions dapple{.window = options_.search.window};
    try_planner([&](const PipelineProblem& p) { return plan_dapple(p, dapple); });
    const PipedreamOptions pipedream{
        .counts_activations = true, .limits_memory = true, .stashes_weights = false};
    try_planner([&](const PipelineProblem& p) { return plan_pipedream(p, pipedream); });
    for (const DataShares shares : {DataShares::equal, DataShares::proportional}) {
      try_planner([&](const PipelineProblem& p) { return plan_data_parallel(p, shares); });
    }
    try_planner(plan_one_device);
    const WindowPolicy window = options_.search.window;
    try_planner([&](const PipelineProblem& p) { return plan_largest_step(p, {}, window); });
    why_ = why;
  }

  void try_planner(const std::function<PipelinePlan(const PipelineProblem&)>& planner) {
    try {
      PipelinePlan plan = planner(problem_);
      plan.order = PipelineOrder::one_f_one_b;
      for (const bool as_it_is : {true, false}) {
        if (!as_it_is) {
          const std::optional<PipelinePlan> shared = plan_of(shape_of(plan));
          if (!shared) return;
          plan = *shared;
        }
        set_windows(plan);
        if (forecast_round(problem_, plan).fits()) consider(plan);
      }
    } catch (const base::UserError& error) {
      why_ = error.what();
    }
  }

  void set_windows(PipelinePlan& plan) const {
    const int count = static_cast<int>(plan.stages.size());
    for (int s = 0; s < count; ++s) {
      plan.stages[static_cast<std::size_t>(s)].window =
          window_of(options_.search.window, count, s, problem_.microbatches);
    }
  }

  static std::size_t devices_in(const PipelinePlan& plan) {
    std::size_t devices = 0;
    for (const PipelineStage& stage : plan.stages) devices += stage.members.size();
    return devices;
  }

  bool consider(const PipelinePlan& plan) {
    if (devices_in(plan) < fewest_devices_) return false;
    const double round_s = round_on_lanes(problem_, plan);
    if (best_ && round_s >= best_s_ * (1 - enough)) return false;
    best_ = plan;
    best_s_ = round_s;
    return true;
  }

  // Micro-batches shared as Asteroid does. Nothing: it does not fit.
  std::optional<PipelinePlan> plan_of(const Shape& shape) {
    PipelinePlan plan{.microbatch = problem_.microbatch, .microbatches = problem_.microbatches};
    for (std::size_t s = 0; s < shape.size(); ++s) {
      plan.stages.push_back({.layers = shape.layers[s]});
    }
    set_windows(plan);
    for (std::size_t s = 0; s < shape.size(); ++s) {
      PipelineStage& stage = plan.stages[s];
      stage.members = allocate(times_, stage.layers, shape.groups[s], stage.window, 1);
      if (stage.members.empty()) return std::nullopt;
    }
    return plan;
  }

  // True where the shape is possible and faster.
  bool change(const Shape& shape) {
    if (left_ <= 0) return false;
    --left_;
    const std::optional<PipelinePlan> plan = plan_of(shape);
    return plan && consider(*plan);
  }

  bool improve() {
    const Shape now = shape_of(*best_);
    return shift(now) || join(now) || split(now) || move(now) || exchange(now);
  }

  bool shift(const Shape& now) {
    for (std::size_t s = 0; s + 1 < now.size(); ++s) {
      for (const int by : {-1, 1}) {
        Shape next = now;
        next.layers[s].last += by;
        next.layers[s + 1].first += by;
        const auto is_empty = [](LayerRange range) { return range.first >= range.last; };
        if (is_empty(next.layers[s]) || is_empty(next.layers[s + 1])) continue;
        if (change(next)) return true;
      }
    }
    return false;
  }

  bool join(const Shape& now) {
    for (std::size_t s = 0; s + 1 < now.size(); ++s) {
      Shape next = now;
      next.layers[s].last = next.layers[s + 1].last;
      next.groups[s].insert(next.groups[s].end(), next.groups[s + 1].begin(),
                            next.groups[s + 1].end());
      next.layers.erase(next.layers.begin() + static_cast<std::ptrdiff_t>(s) + 1);
      next.groups.erase(next.groups.begin() + static_cast<std::ptrdiff_t>(s) + 1);
      if (change(next)) return true;
    }
    return false;
  }

  // Each cut; the group in halves, or its first device, or its last, alone.
  bool split(const Shape& now) {
    for (std::size_t s = 0; s < now.size(); ++s) {
      const std::size_t devices = now.groups[s].size();
      if (devices < 2) continue;
      std::vector<std::size_t> places{1};
      for (const std::size_t place : {devices / 2, devices - 1}) {
        if (place > places.back()) places.push_back(place);
      }
      for (int cut = now.layers[s].first + 1; cut < now.layers[s].last; ++cut) {
        for (const std::size_t place : places) {
          const auto at = static_cast<std::ptrdiff_t>(s);
          const auto middle = now.groups[s].begin() + static_cast<std::ptrdiff_t>(place);
          Shape next = now;
          next.layers[s].last = cut;
          next.layers.insert(next.layers.begin() + at + 1, {cut, now.layers[s].last});
          next.groups[s].assign(now.groups[s].begin(), middle);
          next.groups.insert(next.groups.begin() + at + 1,
                             std::vector<int>(middle, now.groups[s].end()));
          if (change(next)) return true;
        }
      }
    }
    return false;
  }

  // A device to another group, or away; one that is idle to a group.
  bool move(const Shape& now) {
    const std::size_t stages = now.size();
    for (const auto& [device, home] : homes(now)) {
      for (std::size_t to = 0; to <= stages; ++to) {
        if (to == home) continue;
        if (home < stages && now.groups[home].size() < 2) break;
        Shape next = now;
        if (home < stages) std::erase(next.groups[home], device);
        if (to < stages) next.groups[to].push_back(device);
        if (change(next)) return true;
      }
    }
    return false;
  }

  bool exchange(const Shape& now) {
    const auto all = homes(now);
    for (std::size_t a = 0; a < all.size(); ++a) {
      for (std::size_t b = a + 1; b < all.size(); ++b) {
        const auto& [one, home] = all[a];
        const auto& [other, there] = all[b];
        if (home == there) continue;
        Shape next = now;
        if (home < now.size()) std::ranges::replace(next.groups[home], one, other);
        if (there < now.size()) std::ranges::replace(next.groups[there], other, one);
        if (change(next)) return true;
      }
    }
    return false;
  }

  // Of each device, by its number: the stage; the number of stages where it is idle.
  [[nodiscard]] std::vector<std::pair<int, std::size_t>> homes(const Shape& now) const {
    std::vector<std::pair<int, std::size_t>> homes;
    for (int device = 0; device < static_cast<int>(problem_.devices.size()); ++device) {
      const auto home = std::ranges::find_if(now.groups, [&](const std::vector<int>& group) {
        return std::ranges::find(group, device) != group.end();
      });
      homes.emplace_back(device, static_cast<std::size_t>(home - now.groups.begin()));
    }
    return homes;
  }

  const PipelineProblem& problem_;
  ChoiceOptions options_;
  StageTimes times_;
  int left_ = 0;  // changes that may still be judged
  std::optional<PipelinePlan> best_;
  double best_s_ = 0;
  std::size_t fewest_devices_ = 0;  // of a plan that may be taken
  std::string why_ = "asteroid: no plan fits";
};

}  // namespace

PipelinePlan plan_by_lanes(const PipelineProblem& problem, const ChoiceOptions& options) {
  return PlanChoice(problem, options).run();
}

}  // namespace convoy::sim
