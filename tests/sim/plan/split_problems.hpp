#pragma once

// Random split problems, and solvers that share nothing with the planner's.

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "sim/plan/edgesplit.hpp"

namespace convoy::sim::split_problems {

// Unequal speeds, links and memories; cuts that need more of the device the deeper they are, with
// noise, so that no simple order holds. The first cut fits every device.
inline SplitProblem random_split(std::uint64_t seed, int devices, int cuts, bool server_is_shared) {
  base::Random random({seed, 0x73706c6974ULL});
  SplitProblem problem{.bandwidth_bytes_per_s = 1e7, .server_is_shared = server_is_shared};
  const auto noise = [&] { return 0.7 + 0.6 * random.uniform(); };
  for (int i = 0; i < devices; ++i) {
    SplitDevice device{.name = "d" + std::to_string(i)};
    const double slowness = std::exp(2 * random.uniform());
    device.link_bytes_per_s = 1e6 * std::exp(3 * random.uniform());
    device.latency_s = 0.004 * random.uniform();
    device.memory_bytes = 0.3e9 + 1e9 * random.uniform();
    for (int c = 0; c < cuts; ++c) {
      const double x = (c + 1.0) / cuts;
      Cut cut{.name = "layer" + std::to_string(c)};
      cut.device_s = 20 * slowness * x * noise();
      cut.server_s = 5 * (1.1 - x) * noise();
      cut.bytes = (2e7 * std::exp(-3 * x) + 2e7 * x * x) * noise();
      cut.messages = 100;
      cut.device_bytes = c == 0 ? 0.1e9 : 1e9 * x * noise();
      cut.server_bytes = 1e9 * (1.1 - x) * noise();
      device.cuts.push_back(cut);
    }
    problem.devices.push_back(device);
  }
  return problem;
}

inline double halve(double low, double high, const std::function<bool(double)>& is_enough) {
  for (int step = 0; step < 200 && high > low; ++step) {
    const double middle = low + (high - low) / 2;
    if (middle <= low || middle >= high) break;
    (is_enough(middle) ? high : low) = middle;
  }
  return high;
}

// The rest of a device's round beside its transfers, at this share of the server.
inline double fixed_of(const SplitProblem& p, std::size_t device, std::size_t cut, double share) {
  const Cut& c = p.devices[device].cuts[cut];
  return c.device_s + c.messages * p.devices[device].latency_s + c.server_s / share;
}

// The shortest round of fixed cuts and shares of the server: bisection on T.
inline double round_of(const SplitProblem& p, const std::vector<std::size_t>& cuts,
                       const std::vector<double>& server_shares) {
  double low = 0;
  double high = 0;
  double bytes = 0;
  for (std::size_t i = 0; i < cuts.size(); ++i) {
    const double fixed = fixed_of(p, i, cuts[i], server_shares[i]);
    const double needed = p.devices[i].cuts[cuts[i]].bytes;
    const double limit = std::min(p.bandwidth_bytes_per_s, p.devices[i].link_bytes_per_s);
    low = std::max(low, fixed + needed / limit);
    high = std::max(high, fixed);
    bytes += needed;
  }
  const auto is_enough = [&](double t) {
    double sum = 0;
    for (std::size_t i = 0; i < cuts.size(); ++i) {
      sum += p.devices[i].cuts[cuts[i]].bytes / (t - fixed_of(p, i, cuts[i], server_shares[i]));
    }
    return sum <= p.bandwidth_bytes_per_s;
  };
  if (is_enough(low)) return low;
  return halve(low, high + bytes / p.bandwidth_bytes_per_s, is_enough);
}

// The least of a convex function, by golden sections.
inline double least_of(double low, double high, const std::function<double(double)>& f) {
  const double golden = (std::sqrt(5.0) - 1) / 2;
  double a = high - golden * (high - low);
  double b = low + golden * (high - low);
  double fa = f(a);
  double fb = f(b);
  for (int step = 0; step < 32; ++step) {
    if (fa < fb) {
      high = b;
      b = a;
      fb = fa;
      a = high - golden * (high - low);
      fa = f(a);
    } else {
      low = a;
      a = b;
      fa = fb;
      b = low + golden * (high - low);
      fb = f(b);
    }
  }
  return std::min(fa, fb);
}

// Three devices: over the first and second share of the server; the third has the rest.
inline double round_of_three(const SplitProblem& p, const std::vector<std::size_t>& cuts) {
  return least_of(0, 1, [&](double first) {
    return least_of(0, 1 - first, [&](double second) {
      return round_of(p, cuts, {first, second, 1 - first - second});
    });
  });
}

// Calls visit for each combination of cuts that fits the devices and the server.
inline void for_each_choice(const SplitProblem& p,
                            const std::function<void(const std::vector<std::size_t>&)>& visit) {
  std::vector<std::size_t> cuts(p.devices.size(), 0);
  for (;;) {
    bool fits = true;
    double at_server = 0;
    for (std::size_t i = 0; i < cuts.size(); ++i) {
      const Cut& cut = p.devices[i].cuts[cuts[i]];
      fits = fits && cut.device_bytes <= p.devices[i].memory_bytes;
      at_server += cut.server_bytes;
    }
    if (fits && at_server <= p.server_memory_bytes) visit(cuts);
    std::size_t i = 0;
    while (i < cuts.size() && ++cuts[i] == p.devices[i].cuts.size()) cuts[i++] = 0;
    if (i == cuts.size()) return;
  }
}

// Gives the server less memory than the plan without a limit needs: halfway to the least.
inline void limit_server_memory(SplitProblem& p) {
  const SplitPlan free = plan_split(p);
  double needed = 0;
  double least = 0;
  for (std::size_t i = 0; i < p.devices.size(); ++i) {
    needed += p.devices[i].cuts[free.cuts[i]].server_bytes;
    double of_device = 1e18;
    for (const Cut& cut : p.devices[i].cuts) {
      if (cut.device_bytes > p.devices[i].memory_bytes) continue;
      of_device = std::min(of_device, cut.server_bytes);
    }
    least += of_device;
  }
  p.server_memory_bytes = (needed + least) / 2;
}

}  // namespace convoy::sim::split_problems
