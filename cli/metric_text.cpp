#include "cli/metric_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "base/text.hpp"

namespace convoy::cli {
namespace {

// With `more` decimals than usual.
std::string text_of(analysis::Unit unit, double value, int more) {
  if (value < 0) return "-" + text_of(unit, -value, more);
  switch (unit) {
    case analysis::Unit::seconds:
      return base::human_seconds(value, more);
    case analysis::Unit::bytes:
      return base::human_bytes(value, more);
    case analysis::Unit::joules:
      return base::human_energy(value, more);
    case analysis::Unit::joule_seconds:
      return base::human_energy(value, more) + " s";
    case analysis::Unit::samples_per_joule:
      return fmt::format("{:.{}f} /J", value, (value < 100 ? 2 : 0) + more);
    case analysis::Unit::share:
      return fmt::format("{:.{}f} %", 100 * value, 1 + more);
    case analysis::Unit::count: {
      constexpr double large = 1000;  // from here on without decimals
      const bool whole = value >= large || value == std::floor(value);
      return whole ? base::human_count(std::round(value)) : fmt::format("{:.{}f}", value, 2 + more);
    }
  }
  return "";
}

std::string points_text(double value, int more) {
  return fmt::format("{:+.{}f} pp", 100 * value, 1 + more);
}

// The fewest decimals more than usual at which values that differ have different texts.
template <class Text>
int decimals_for(std::vector<double> values, const Text& text) {
  constexpr int most = 4;
  constexpr double same = 1e-9;  // relative; what rounding alone makes
  std::ranges::sort(values);
  const auto are_same = [](double a, double b) {
    return b - a <= same * std::max(std::abs(a), std::abs(b));
  };
  values.erase(std::unique(values.begin(), values.end(), are_same), values.end());
  int best = 0;
  std::size_t most_texts = 0;
  for (int more = 0; more <= most; ++more) {
    std::set<std::string> texts;
    for (const double value : values) texts.insert(text(value, more));
    if (texts.size() > most_texts) {
      most_texts = texts.size();
      best = more;
    }
    if (texts.size() == values.size()) break;
  }
  return best;
}

}  // namespace

std::vector<double> known(const std::vector<std::optional<double>>& values) {
  std::vector<double> all;
  for (const auto& value : values) {
    if (value) all.push_back(*value);
  }
  return all;
}

MetricText::MetricText(analysis::Unit unit, const std::vector<double>& values)
    : unit_(unit), more_(decimals_for(values, [unit](double value, int more) {
        return text_of(unit, value, more);
      })) {}

std::string MetricText::operator()(double value) const { return text_of(unit_, value, more_); }

std::string MetricText::operator()(const std::optional<double>& value) const {
  return value ? (*this)(*value) : "";
}

std::vector<std::string> means_and_spreads(analysis::Unit unit,
                                           const std::vector<std::vector<double>>& groups) {
  struct Spread {
    double mean;
    double least;
    double most;
  };
  std::vector<std::optional<Spread>> spreads;
  // Told apart are the means, and in each group its three values.
  std::vector<double> means;
  int more = 0;
  const auto text_with = [unit](double value, int decimals) {
    return text_of(unit, value, decimals);
  };
  for (const std::vector<double>& values : groups) {
    auto& spread = spreads.emplace_back();
    if (values.empty()) continue;
    const auto [least, most] = std::ranges::minmax(values);
    const double sum = std::accumulate(values.begin(), values.end(), 0.0);
    // Of equal values the mean is the value, without rounding.
    const double mean = least == most ? least : sum / static_cast<double>(values.size());
    spread = {mean, least, most};
    means.push_back(mean);
    more = std::max(more, decimals_for({mean, least, most}, text_with));
  }
  more = std::max(more, decimals_for(means, text_with));
  const auto text = [&](double value) { return text_of(unit, value, more); };
  std::vector<std::string> texts;
  for (const std::optional<Spread>& spread : spreads) {
    if (!spread) {
      texts.emplace_back();
    } else if (spread->least == spread->most) {
      texts.push_back(text(spread->mean));
    } else {
      texts.push_back(fmt::format("{} [{} .. {}]", text(spread->mean), text(spread->least),
                                  text(spread->most)));
    }
  }
  return texts;
}

DifferenceText difference_text(analysis::Unit unit, double mean, std::optional<double> low,
                               std::optional<double> high) {
  const auto text = [unit](double value, int more) {
    if (unit == analysis::Unit::share) return points_text(value, more);
    return (value > 0 ? "+" : "") + text_of(unit, value, more);
  };
  std::vector<double> all = {mean};
  for (const std::optional<double>& bound : {low, high}) {
    if (bound) all.push_back(*bound);
  }
  const int more = decimals_for(all, text);
  return {text(mean, more),
          low && high ? fmt::format("{} .. {}", text(*low, more), text(*high, more)) : ""};
}

}  // namespace convoy::cli
