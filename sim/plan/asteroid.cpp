#include "sim/plan/asteroid.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "base/random.hpp"
#include "sim/plan/pipeline_allocation.hpp"
#include "sim/plan/require.hpp"
#include "sim/plan/stage_search.hpp"

namespace convoy::sim {
namespace {

constexpr std::string_view asteroid = "asteroid";

// A layer that no device can hold, or else what the whole comes to.
[[noreturn]] void throw_fits_nowhere(StageTimes& times) {
  const PipelineProblem& problem = times.problem();
  const PipelineCosts& costs = *problem.costs;
  const auto largest = std::max_element(
      problem.devices.begin(), problem.devices.end(),
      [](const auto& a, const auto& b) { return a.memory_bytes < b.memory_bytes; });
  for (int layer = 0; layer < costs.layers(); ++layer) {
    const double needed = costs.memory_bytes({layer, layer + 1}, 1, 1, 1);
    require(asteroid, needed <= largest->memory_bytes,
            fmt::format("layer {} ({}) alone needs {:.0f} bytes for one sample, and the largest "
                        "memory is the {:.0f} of {}: use larger devices, or cut the model finer",
                        layer, costs.name(layer), needed, largest->memory_bytes, largest->name));
  }
  throw base::UserError(fmt::format(
      "asteroid: no plan fits the memories of the {} devices: the model needs {:.0f} bytes on one "
      "device for one sample of one micro-batch; use smaller micro-batches or more devices",
      problem.devices.size(), costs.memory_bytes({0, costs.layers()}, 1, 1, 1)));
}

void check_asteroid(const PipelineProblem& problem, const AsteroidOptions& options) {
  require(asteroid, !problem.devices.empty(), "no device");
  require(asteroid, problem.costs->layers() >= 1, "the model has no layer");
  require(asteroid, problem.microbatch >= 1 && problem.microbatches >= 1,
          "micro-batches: at least one, of at least one sample");
  require(asteroid, options.most_stages >= 1 && options.kept >= 1 && options.most_orders >= 1,
          "most_stages, kept and most_orders are at least 1");
}

std::vector<int> given_order(const PipelineProblem& problem) {
  std::vector<int> order(problem.devices.size());
  std::iota(order.begin(), order.end(), 0);
  return order;
}

std::vector<int> memory_order(const PipelineProblem& problem) {
  std::vector<int> order = given_order(problem);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
    return problem.devices[static_cast<std::size_t>(a)].memory_bytes >
           problem.devices[static_cast<std::size_t>(b)].memory_bytes;
  });
  return order;
}

// Ours: plans orders of the devices, the best one known improved by exchanging two devices.
class OrderSearch {
 public:
  OrderSearch(StageTimes& times, const AsteroidOptions& options)
      : times_(times), options_(options), left_(orders_to_try()) {
    find_alike();
  }

  std::optional<PipelinePlan> run() {
    for (const auto& order : starts()) try_order(order);
    if (order_.size() <= most_to_permute && permutations() <= left_) {
      try_all();
      return best_;
    }
    while (left_ > 0 && exchange()) {
    }
    StageSearch search(times_, order_, options_, true);
    std::optional<PipelinePlan> plan = search.run_below(best_s_);
    return plan ? plan : best_;
  }

 private:
  [[nodiscard]] int orders_to_try() const {
    const double layers = times_.problem().costs->layers();
    const auto devices = static_cast<double>(times_.problem().devices.size());
    const double work = layers * layers * devices * devices * std::min(layers, devices);
    const double hundred = 18.0 * 18.0 * 100.0 * 100.0 * 18.0;
    return std::max(1, static_cast<int>(std::min<double>(options_.most_orders,
                                                         most_large_plans * hundred / work)));
  }

  // Devices with the same class and the same bandwidths are the same for a plan.
  void find_alike() {
    const PipelineProblem& problem = times_.problem();
    const int n = static_cast<int>(problem.devices.size());
    for (int a = 0; a < n; ++a) {
      int same = 0;
      while (!alike(problem, same, a)) ++same;
      alike_.push_back(same);
    }
    order_ = memory_order(problem);
  }

  [[nodiscard]] bool alike(const PipelineProblem& problem, int a, int b) const {
    if (a == b) return true;
    if (times_.class_of(a) != times_.class_of(b)) return false;
    if (problem.bandwidth(a, b) != problem.bandwidth(b, a)) return false;
    for (int c = 0; c < static_cast<int>(problem.devices.size()); ++c) {
      if (c == a || c == b) continue;
      if (problem.bandwidth(a, c) != problem.bandwidth(b, c)) return false;
      if (problem.bandwidth(c, a) != problem.bandwidth(c, b)) return false;
    }
    return true;
  }

  [[nodiscard]] std::vector<std::vector<int>> starts() {
    const PipelineProblem& problem = times_.problem();
    const LayerRange all{0, problem.costs->layers()};
    std::vector<int> by_speed = order_;
    const auto time = [&](int device) {
      const PipelineStep pass = times_.pass(device, all, problem.microbatch);
      return pass.forward_s + pass.backward_s;
    };
    std::stable_sort(by_speed.begin(), by_speed.end(),
                     [&](int a, int b) { return time(a) < time(b); });
    std::vector<std::vector<int>> starts{order_, by_speed};
    starts.emplace_back(by_speed.rbegin(), by_speed.rend());
    starts.emplace_back(order_.rbegin(), order_.rend());
    starts.push_back(given_order(problem));
    return starts;
  }

  // True where the order is new and the best so far.
  bool try_order(const std::vector<int>& order) {
    std::vector<int> known_as;
    for (const int device : order) known_as.push_back(alike_[static_cast<std::size_t>(device)]);
    if (left_ <= 0 || !tried_.insert(known_as).second) return false;
    --left_;
    // Slow ones are left out in small fleets, and in the first order, which is that by memory: so
    // the search is never behind it.
    const bool leaves_slow_out = order.size() <= most_to_permute || tried_.size() == 1;
    StageSearch search(times_, order, options_, leaves_slow_out);
    std::optional<PipelinePlan> plan =
        best_ ? search.run_below(best_s_ * (1 - 1e-12)) : search.run();
    if (!plan) return false;
    best_s_ = search.round_s();
    best_ = std::move(plan);
    order_ = order;
    return true;
  }

  [[nodiscard]] int permutations() const {
    std::vector<int> order = alike_;
    std::sort(order.begin(), order.end());
    int count = 1;
    while (std::next_permutation(order.begin(), order.end())) ++count;
    return count;
  }

  void try_all() {
    std::vector<int> order = given_order(times_.problem());
    do {
      try_order(order);
    } while (std::next_permutation(order.begin(), order.end()));
  }

  // Exchanges pairs of unlike devices in the best order; true where one was found that is better.
  bool exchange() {
    std::vector<std::pair<std::size_t, std::size_t>> pairs;
    for (std::size_t a = 0; a < order_.size(); ++a) {
      for (std::size_t b = a + 1; b < order_.size(); ++b) pairs.emplace_back(a, b);
    }
    base::Random random({static_cast<std::uint64_t>(left_), pairs.size()});
    base::shuffle(pairs, random);
    for (const auto& [a, b] : pairs) {
      if (left_ <= 0) return false;
      std::vector<int> order = order_;
      std::swap(order[a], order[b]);
      if (try_order(order)) return true;
    }
    return false;
  }

  static constexpr double most_large_plans = 4;
  static constexpr std::size_t most_to_permute = 6;  // devices

  StageTimes& times_;
  AsteroidOptions options_;
  int left_ = 0;  // orders that may still be planned
  std::vector<int> alike_;
  std::vector<int> order_;  // the best one
  std::set<std::vector<int>> tried_;
  std::optional<PipelinePlan> best_;
  double best_s_ = std::numeric_limits<double>::infinity();
};

}  // namespace

PipelinePlan plan_asteroid_in_order(const PipelineProblem& problem, const std::vector<int>& order,
                                    const AsteroidOptions& options) {
  check_asteroid(problem, options);
  require(asteroid, !order.empty(), "an order without a device");
  StageTimes times(problem);
  std::optional<PipelinePlan> plan = StageSearch(times, order, options, true).run();
  if (!plan) throw_fits_nowhere(times);
  return *plan;
}

PipelinePlan plan_asteroid(const PipelineProblem& problem, const AsteroidOptions& options) {
  if (options.order == DeviceOrder::given) {
    return plan_asteroid_in_order(problem, given_order(problem), options);
  }
  if (options.order == DeviceOrder::memory) {
    return plan_asteroid_in_order(problem, memory_order(problem), options);
  }
  check_asteroid(problem, options);
  StageTimes times(problem);
  std::optional<PipelinePlan> plan = OrderSearch(times, options).run();
  if (!plan) throw_fits_nowhere(times);
  plan->planner = "asteroid-search";
  return *plan;
}

}  // namespace convoy::sim
