#include "cli/plot.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/text.hpp"

namespace convoy::cli {
namespace {

constexpr int columns = 64;
constexpr int rows = 12;
constexpr std::string_view signs = "*o+x#@%&";

// Rows of characters, from the highest value down.
std::vector<std::string> drawn(const std::vector<Series>& series, double end, double low,
                               double high) {
  std::vector<std::string> canvas(rows + 1, std::string(columns + 1, ' '));
  for (std::size_t i = 0; i < series.size(); ++i) {
    const auto& points = series[i].points;
    std::size_t at = 0;
    if (points.empty()) continue;
    const int from = static_cast<int>(std::ceil(points.front().first / end * columns));
    const int to = static_cast<int>(std::lround(points.back().first / end * columns));
    for (int x = from; x <= to; ++x) {
      // Tolerance, so that the last column contains the last point.
      const double time = x * end / columns * (1 + 1e-9);
      while (at + 1 < points.size() && points[at + 1].first <= time) ++at;
      const double share = std::clamp((points[at].second - low) / (high - low), 0.0, 1.0);
      const auto y = static_cast<std::size_t>(std::lround(share * rows));
      canvas[rows - y][static_cast<std::size_t>(x)] = signs[i % signs.size()];
    }
  }
  for (std::string& line : canvas) line.erase(line.find_last_not_of(' ') + 1);
  return canvas;
}

}  // namespace

std::string plot_accuracy(const std::vector<Series>& series) {
  double end = 0;
  for (const Series& s : series) {
    if (!s.points.empty()) end = std::max(end, s.points.back().first);
  }
  if (end <= 0) return "";
  const std::vector<std::string> canvas = drawn(series, end, 0, 1);
  std::string text = "  accuracy\n";
  for (int row = 0; row <= rows; ++row) {
    const int percent = 100 * (rows - row) / rows;
    const std::string& line = canvas[static_cast<std::size_t>(row)];
    text += fmt::format("  {:>5} |{}\n", row % 3 == 0 ? fmt::format("{} %", percent) : "", line);
  }
  const std::string last = base::human_seconds(end);
  text += fmt::format("        +{}\n         0{:>{}}  virtual time\n", std::string(columns, '-'),
                      last, columns - 1);
  for (std::size_t i = 0; i < series.size() && series.size() > 1; ++i) {
    text += fmt::format("         {} {}\n", signs[i % signs.size()], series[i].name);
  }
  return text;
}

std::string plot_steps(const Series& series, double end,
                       const std::function<std::string(double)>& human) {
  double low = 0;
  double high = -std::numeric_limits<double>::infinity();
  for (const auto& [x, y] : series.points) {
    low = std::min(low, y);
    high = std::max(high, y);
  }
  if (series.points.empty()) return "";
  if (high <= low) high = low + 1;
  if (end <= 0) end = 1;
  const std::vector<std::string> canvas = drawn({series}, end, low, high);
  std::string text = "  " + series.name + "\n";
  constexpr int labelled = 4;
  for (int row = 0; row <= rows; ++row) {
    const double value = low + (high - low) * (rows - row) / rows;
    text += fmt::format("  {:>12} |{}\n", row % labelled == 0 ? human(value) : "",
                        canvas[static_cast<std::size_t>(row)]);
  }
  text += fmt::format("               +{}\n                0{:>{}}\n", std::string(columns, '-'),
                      base::human_seconds(end), columns - 1);
  return text;
}

}  // namespace convoy::cli
