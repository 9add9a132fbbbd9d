#include "analysis/statistics.hpp"

#include <algorithm>
#include <boost/math/distributions/normal.hpp>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <numeric>

#include "base/random.hpp"

namespace convoy::analysis {
namespace {

constexpr double confidence = 0.95;
constexpr std::size_t bootstrap_from = 10;
constexpr std::size_t resamples = 10'000;

double mean_of(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

void student(const std::vector<double>& values, Interval& interval) {
  const auto n = static_cast<double>(values.size());
  double squares = 0;
  for (const double v : values) squares += (v - interval.mean) * (v - interval.mean);
  const double error = std::sqrt(squares / (n - 1) / n);
  const boost::math::students_t distribution(n - 1);
  const double half = boost::math::quantile(distribution, (1 + confidence) / 2) * error;
  interval.low = interval.mean - half;
  interval.high = interval.mean + half;
  interval.method = "t";
}

std::vector<double> resampled_means(const std::vector<double>& values) {
  base::Random random({0x626f6f74737472ULL, values.size()});
  std::vector<double> means(resamples);
  for (double& mean : means) {
    double sum = 0;
    for (std::size_t i = 0; i < values.size(); ++i) sum += values[random.below(values.size())];
    mean = sum / static_cast<double>(values.size());
  }
  std::sort(means.begin(), means.end());
  return means;
}

// From the jackknife: for a mean, each value left out in turn.
double acceleration(const std::vector<double>& values, double mean) {
  double squares = 0;
  double cubes = 0;
  for (const double v : values) {
    const double d = v - mean;  // in proportion to the mean of all minus that without v
    squares += d * d;
    cubes += d * d * d;
  }
  return squares > 0 ? cubes / (6 * std::pow(squares, 1.5)) : 0;
}

void bootstrap(const std::vector<double>& values, Interval& interval) {
  interval.method = "bootstrap";
  const std::vector<double> means = resampled_means(values);
  const auto all = static_cast<double>(resamples);
  // Ties count by half, else a few equal values would pass for a bias.
  const auto below = std::lower_bound(means.begin(), means.end(), interval.mean) - means.begin();
  const auto not_above =
      std::upper_bound(means.begin(), means.end(), interval.mean) - means.begin();
  const double share =
      std::clamp(static_cast<double>(below + not_above) / 2 / all, 0.5 / all, 1 - 0.5 / all);
  const boost::math::normal normal;
  const double bias = boost::math::quantile(normal, share);
  const double a = acceleration(values, interval.mean);
  const auto end = [&](double tail) {
    const double z = bias + boost::math::quantile(normal, tail);
    const double p = boost::math::cdf(normal, bias + z / (1 - a * z));
    const auto at = static_cast<std::size_t>(std::clamp(p * all, 0.0, all - 1));
    return means[at];
  };
  interval.low = end((1 - confidence) / 2);
  interval.high = end((1 + confidence) / 2);
}

}  // namespace

Interval student_interval(const std::vector<double>& values) {
  Interval interval;
  interval.mean = mean_of(values);
  const bool alike = std::ranges::all_of(values, [&](double v) { return v == values.front(); });
  if (values.size() > 1 && alike) {
    interval.mean = values.front();
    interval.low = interval.high = values.front();
    interval.method = "t";
  } else if (values.size() > 1) {
    student(values, interval);
  }
  return interval;
}

Interval mean_interval(const std::vector<double>& values) {
  Interval interval = student_interval(values);
  if (values.size() < bootstrap_from) return interval;
  if (interval.low != interval.high) bootstrap(values, interval);
  interval.method = "bootstrap";
  return interval;
}

}  // namespace convoy::analysis
