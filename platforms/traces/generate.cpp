#include "platforms/traces/generate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/diagnostics.hpp"
#include "base/random.hpp"
#include "platforms/traces/stamps.hpp"

namespace convoy::platforms {
namespace {

Trace synthetic(std::string what, std::uint64_t seed, int node) {
  Trace trace;
  trace.name = fmt::format("{}, seed {}, node {}", what, seed, node);
  trace.synthetic = true;
  return trace;
}

double weibull(base::Random& random, double mean, double shape) {
  const double scale = mean / std::tgamma(1 + 1 / shape);
  return scale * std::pow(random.exponential(1), 1 / shape);
}

void check_size(std::size_t rows) {
  if (rows <= most_rows) return;
  throw base::UserError(
      fmt::format("more than {} rows: choose a shorter trace, or longer times", most_rows));
}

// Ends a trace of one column whose values change at its times.
void finish(Trace& trace, double length_s) {
  auto& values = trace.of(Column::available);
  trace.time.push_back(length_s);
  values.push_back(values.back());
}

}  // namespace

Trace generate_sessions(const Sessions& s, std::uint64_t seed, int node) {
  Trace trace = synthetic(
      fmt::format("Weibull sessions, shape {:g}, {:g} s there, {:g} s away{}", s.shape,
                  s.mean_there_s, s.mean_away_s, s.daily > 0 ? ", with a day's rhythm" : ""),
      seed, node);
  base::Random random({seed, 0x73657373U, static_cast<std::uint64_t>(node)});
  std::vector<double>& available = trace.of(Column::available);
  bool there = random.uniform() < s.mean_there_s / (s.mean_there_s + s.mean_away_s);
  constexpr double shortest_s = 1e-3;
  for (double t = 0; t < s.length_s;) {
    trace.time.push_back(t);
    check_size(trace.time.size());
    available.push_back(there ? 1 : 0);
    double mean = there ? s.mean_there_s : s.mean_away_s;
    if (!there) {
      constexpr double turn = 2 * 3.14159265358979323846;
      mean *= 1 - s.daily * std::cos(turn * (t / day_s - s.peak_hour / 24));
    }
    t += std::max(weibull(random, mean, s.shape), shortest_s);
    there = !there;
  }
  finish(trace, s.length_s);
  return trace;
}

Trace generate_outages(const SharedOutages& o, std::uint64_t seed, int node) {
  Trace trace =
      synthetic(fmt::format("shared outages every {:g} s of {:g} s, each hits {:g} % of the nodes",
                            o.mean_between_s, o.mean_outage_s, 100 * o.hits),
                seed, node);
  base::Random shared({seed, 0x6f757461U});
  base::Random own({seed, 0x68697473U, static_cast<std::uint64_t>(node)});
  std::vector<double>& available = trace.of(Column::available);
  trace.time.push_back(0);
  available.push_back(1);
  constexpr double shortest_s = 1e-3;
  for (double t = 0;;) {
    t += std::max(shared.exponential(o.mean_between_s), shortest_s);
    const double back = t + std::max(shared.exponential(o.mean_outage_s), shortest_s);
    const bool hit = own.uniform() < o.hits;
    if (t >= o.length_s) break;
    if (hit) {
      check_size(trace.time.size());
      trace.time.push_back(t);
      available.push_back(0);
      if (back < o.length_s) {
        trace.time.push_back(back);
        available.push_back(1);
      }
    }
    t = back;
  }
  finish(trace, o.length_s);
  return trace;
}

Trace generate_throttling(const Throttling& t, std::uint64_t seed, int node) {
  Trace trace = synthetic(fmt::format("throttling between {:g} and {:g} C to {:g} of the clock",
                                      t.cool_c, t.hot_c, t.throttled_speed),
                          seed, node);
  base::Random random({seed, 0x74687274U, static_cast<std::uint64_t>(node)});
  // Each board has its own ambient temperature.
  const double ambient = t.ambient_c + 2 * random.normal();
  double temperature = ambient;
  bool throttled = false;
  const auto steps = static_cast<std::int64_t>(std::ceil(t.length_s / t.step_s));
  check_size(static_cast<std::size_t>(steps));
  if (t.cool_c >= t.hot_c) throw base::UserError("--cool-c must lie below --hot-c");
  for (std::int64_t i = 0; i <= steps; ++i) {
    const double speed = throttled ? t.throttled_speed : 1;
    const double power = t.idle_w + (t.busy_w - t.idle_w) * speed;
    trace.time.push_back(std::min(static_cast<double>(i) * t.step_s, t.length_s));
    trace.of(Column::speed).push_back(speed);
    trace.of(Column::temperature_c).push_back(temperature);
    trace.of(Column::power_w).push_back(power);
    const double end = ambient + power * t.degrees_per_w;
    temperature = end + (temperature - end) * std::exp(-t.step_s / t.time_constant_s);
    if (temperature >= t.hot_c) throttled = true;
    if (temperature <= t.cool_c) throttled = false;
  }
  return trace;
}

}  // namespace convoy::platforms
