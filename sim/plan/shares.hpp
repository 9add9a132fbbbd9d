#pragma once

// The best shares of a bandwidth and of a server for devices whose cuts are fixed, and the parts of
// the solution that the search for cuts uses as well.
//
// For prices p of bandwidth and q of the server, with p B + q = 1, a device that is to end at T
// needs at least
//
//   cost_i(T) = min p b + q s   with   bytes / b + server_s / s <= T - fixed_s,  b <= link, s <= 1
//
// which is (sqrt(p bytes) + sqrt(q server_s))^2 / (T - fixed_s) where no limit binds.
// T is long enough if and only if the costs sum to at most 1 at all prices (convex duality). So the
// best T is the largest, over the prices, of the T at which the costs sum to 1. There the shares
// that are used of both resources are equal, or the less used one has price 0.

#include <span>
#include <vector>

namespace convoy::sim {

// A device with a cut.
struct Demand {
  double fixed_s = 0;   // s that no share changes
  double bytes = 0;     // over the shared bandwidth
  double server_s = 0;  // s at the whole server; 0 if the server is not shared
  double limit = 0;     // bytes/s: min(its own link, B)

  // The device's time if it had all of the server and of its link.
  [[nodiscard]] double least_s() const { return fixed_s + bytes / limit + server_s; }

  bool operator==(const Demand&) const = default;
};

// Square roots of the prices, for u in [0, 1]: sqrt p = u / sqrt(n B), sqrt q = (1 - u) / sqrt n,
// n = u^2 + (1 - u)^2.
struct Prices {
  double root_bandwidth = 0;
  double root_server = 0;

  // u = 1 / (1 + exp(-x)).
  static Prices at(double x, double bandwidth);
  static Prices of_bandwidth_alone(double bandwidth);
  static Prices of_server_alone() { return {0, 1}; }
};

// What a device needs to end at T, at these prices.
struct Need {
  double bandwidth = 0;
  double server = 0;
  double cost = 0;   // infinite: it cannot end at T
  double slope = 0;  // d cost / d T, at most 0
};
Need cheapest(const Demand& demand, const Prices& prices, double round_s);

struct Shares {
  std::vector<double> bandwidth;    // bytes/s
  std::vector<double> server;       // 0 for a device without work there
  std::vector<double> times_s;      // by device
  double round_s = 0;               // the longest
  std::vector<double> sensitivity;  // SplitPlan::sensitivity
};

// Devices' times at given shares: sets times_s and round_s.
void set_times(std::span<const Demand> demands, Shares& shares);

// The shares that make the longest time shortest. `bandwidth` is B.
Shares best_shares(std::span<const Demand> demands, double bandwidth);

}  // namespace convoy::sim
