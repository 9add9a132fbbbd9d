#include "analysis/bands.hpp"

#include <algorithm>
#include <cmath>

namespace convoy::analysis {
namespace {

// A run's values along an axis, x ascending.
struct Line {
  std::vector<double> x;
  std::vector<double> y;

  // The last value up to x; x is not before the first.
  [[nodiscard]] double at(double place) const {
    const auto after = std::ranges::upper_bound(x, place);
    return y[static_cast<std::size_t>(after - x.begin()) - 1];
  }
};

std::optional<double> on_axis(const CurvePoint& point, BandAxis axis) {
  switch (axis) {
    case BandAxis::time_s:
      return point.time_s;
    case BandAxis::updates:
      return point.updates;
    case BandAxis::bytes:
      return point.bytes;
    case BandAxis::energy_j:
      return point.energy_j;
  }
  return std::nullopt;
}

// Nothing if some value is not known.
std::optional<Line> line_of(const Curve& curve, BandAxis axis, BandValue value) {
  Line line;
  for (const CurvePoint& point : curve) {
    const std::optional<double> x = on_axis(point, axis);
    const std::optional<double> y =
        value == BandValue::accuracy ? std::optional(point.accuracy) : point.loss;
    if (!x || !y || !std::isfinite(*x) || !std::isfinite(*y)) return std::nullopt;
    line.x.push_back(*x);
    line.y.push_back(*y);
  }
  return line.x.empty() ? std::nullopt : std::optional(line);
}

void add(Band& band, double at, const std::vector<double>& values) {
  const Interval interval = student_interval(values);
  band.at.push_back(at);
  band.mean.push_back(interval.mean);
  band.low.push_back(interval.low);
  band.high.push_back(interval.high);
}

void draw_one(Band& band, const Line& line, std::size_t most) {
  const std::size_t points = line.x.size();
  const std::size_t step = std::max<std::size_t>(1, (points + most - 1) / most);
  // From the end, so that the last one is there.
  std::vector<std::size_t> shown;
  for (std::size_t back = 0; back < points; back += step) shown.push_back(points - 1 - back);
  std::ranges::reverse(shown);
  for (const std::size_t i : shown) add(band, line.x[i], {line.y[i]});
}

void draw_several(Band& band, const std::vector<Line>& lines, std::size_t most) {
  double from = 0;
  double to = lines.front().x.back();
  for (const Line& line : lines) {
    from = std::max(from, line.x.front());
    to = std::min(to, line.x.back());
  }
  if (to < from) return;
  const std::size_t places = to > from ? most : 1;
  for (std::size_t i = 0; i < places; ++i) {
    const double share = places > 1 ? static_cast<double>(i) / static_cast<double>(places - 1) : 0;
    const double at = i + 1 == places ? to : from + share * (to - from);
    std::vector<double> values;
    values.reserve(lines.size());
    for (const Line& line : lines) values.push_back(line.at(at));
    add(band, at, values);
  }
}

}  // namespace

std::vector<Band> bands_of(const Cases& cases, std::size_t most) {
  std::vector<std::string> groups;
  for (const Case& one : cases.all) {
    if (std::ranges::find(groups, one.group) == groups.end()) groups.push_back(one.group);
  }
  std::vector<Band> bands;
  for (const std::string& group : groups) {
    for (const auto& [axis, axis_word] : band_axis_words) {
      for (const auto& [value, value_word] : band_value_words) {
        Band band{group, "", 0, axis, value, {}, {}, {}, {}};
        std::vector<Line> lines;
        for (const Case& one : cases.all) {
          if (one.group != group) continue;
          if (band.runs++ == 0) band.schedule = one.schedule;
          if (auto line = line_of(one.curve, axis, value)) lines.push_back(std::move(*line));
        }
        if (lines.empty() || lines.size() < band.runs) continue;
        if (lines.size() == 1) {
          draw_one(band, lines.front(), most);
        } else {
          draw_several(band, lines, most);
        }
        if (!band.at.empty()) bands.push_back(std::move(band));
      }
    }
  }
  return bands;
}

}  // namespace convoy::analysis
