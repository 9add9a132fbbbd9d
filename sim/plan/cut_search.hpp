#pragma once

// The best cuts, with a bound. In a round of T, a device with the cheapest of its cuts costs
// min over cuts of cost(T) (shares.hpp); with a price for the server's memory as well. If the
// devices' costs sum to more than 1 at any prices, no plan ends within T: this holds without
// convexity, so the largest such T is a lower bound (Lagrangian relaxation).
//
// - A bandwidth alone has one price: the bound is reached, and the cuts that reach it are optimal.
// - With the server's shares or its memory, the bound and the best candidate may differ.
// Depth-first
//   search over the cuts then either finds better ones or proves that there are none: it leaves a
//   branch where the costs exceed 1 at one of several prices. It ends at `most_nodes` or
//   `most_evaluated`.

#include <limits>
#include <set>

#include "sim/plan/split_options.hpp"

namespace convoy::sim {

struct SearchLimits {
  int most_nodes = 100000;   // partial choices looked at
  int most_evaluated = 400;  // choices whose shares are computed
};

// Relative: a search looks for plans that are faster by at least this.
inline constexpr double search_margin = 1e-10;

class CutSearch {
 public:
  // Keeps a reference to the options, each of which must fit the server's memory alone.
  explicit CutSearch(const SplitOptions& options, SearchLimits limits = {});

  // A candidate: kept if it fits the server and is faster than those before.
  void offer(const Choice& choice);
  // Finds the bound, the candidates along its way, and searches if they differ. There must be a
  // candidate that fits the server: offer one first.
  void run();

  [[nodiscard]] const Choice& best() const { return best_; }
  [[nodiscard]] const Shares& shares() const { return shares_; }
  [[nodiscard]] double lower_bound_s() const { return lower_bound_s_; }
  [[nodiscard]] bool is_optimal() const;
  [[nodiscard]] int evaluated() const { return evaluated_; }

 private:
  // Prices of bandwidth and server, and the weight of the server's memory against them, in [0, 1).
  struct Weights {
    double x = 0;  // Prices::at
    double memory = 0;
  };
  struct Relaxed {
    double round_s = 0;
    Choice choice;
    double bandwidth = 0;  // bytes/s
    double server = 0;
    double server_bytes = 0;
  };
  // The costs of all options at some prices, and the least ones of the devices after each depth.
  struct Table {
    std::vector<std::vector<double>> costs;
    std::vector<double> rest;
  };
  enum class Descent { complete, improved, ended };

  [[nodiscard]] bool has_two_prices() const;
  [[nodiscard]] Prices prices_at(double x) const;
  [[nodiscard]] double cost_of(const SplitOption& option, const Need& need, double memory) const;
  [[nodiscard]] Relaxed relaxed_at(const Weights& weights, double guess) const;
  double bound_with_memory(double memory);
  void find_bound();
  [[nodiscard]] std::vector<Weights> weights_near_bound() const;
  [[nodiscard]] Table table_at(const Weights& weights, double round_s) const;
  void prepare(double round_s);
  void order_devices();
  // `position`: of the cut of the device before, in its list of open ones.
  Descent descend(std::size_t depth, std::size_t position, const std::vector<double>& costs,
                  double server_bytes);

  const SplitOptions& options_;
  SearchLimits limits_;
  double floor_ = 0;  // s: no choice is faster
  Choice best_;
  Shares shares_;
  double lower_bound_s_ = 0;
  Weights at_bound_;
  std::set<Choice> known_;  // choices evaluated
  int evaluated_ = 0;
  int nodes_ = 0;
  // Of the search: by depth a device and its options that may be part of a better plan.
  std::vector<Table> tables_;
  std::vector<std::size_t> devices_;
  std::vector<std::vector<std::size_t>> open_;
  // Whether the device at a depth has the same options as the one before. Then only the order of
  // their cuts would differ: the later one takes no earlier cut.
  std::vector<bool> like_before_;
  std::vector<double> least_server_bytes_;  // of the devices from a depth on
  Choice partial_;
};

}  // namespace convoy::sim
