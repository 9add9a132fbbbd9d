#pragma once

// What the points of a sweep came to.

#include <optional>
#include <string>
#include <vector>

#include "analysis/figures.hpp"
#include "analysis/metrics.hpp"
#include "sim/sweep/folder.hpp"

namespace convoy::analysis {

enum class PointStatus { done, failed, missing };
inline constexpr base::Words<PointStatus> point_words = {{PointStatus::done, "done"},
                                                         {PointStatus::failed, "failed"},
                                                         {PointStatus::missing, "missing"}};

struct SweepPoint {
  PointStatus status = PointStatus::missing;
  std::string cause;                          // of a failure
  std::string seed;                           // of a finished point, whether or not it is an axis
  std::vector<std::optional<double>> values;  // of SweepResults::figures
  Curve curve;                                // without losses; empty where it did not learn
  std::optional<Level> target;                // its scenario's
};

struct SweepResults {
  std::string folder;
  sim::SweepIndex index;
  std::vector<FigureName> figures;  // those that some point has
  std::vector<SweepPoint> points;   // as in the index
  std::optional<Level> level;       // the accuracy to which the points are timed

  [[nodiscard]] std::size_t count(PointStatus status) const;
};

// Throws base::UserError where there is no sweep. Its points are timed to their common level.
SweepResults read_sweep(const sim::SweepFolder& folder);

// Times all points of all sweeps to one accuracy: the one that is wanted, else their common level
// (metrics.hpp), which it gives. Their figures change.
std::optional<Level> set_level(std::vector<SweepResults>& sweeps, std::optional<double> wanted);

// What is told of reaching an accuracy: what the figures are called, and their values where it was
// first reached (null: never).
std::vector<FigureName> figures_to(const Level& level);
std::vector<std::optional<double>> values_at(const CurvePoint* there);

// Points that differ in their seed alone belong together.
struct SeedGroup {
  std::vector<std::string> settings;  // of `keys`
  std::vector<std::size_t> points;
};
struct SeedGroups {
  std::vector<std::size_t> keys;  // of the index, without the seed
  std::vector<SeedGroup> groups;  // in the order of their first points
};
SeedGroups without_seeds(const sim::SweepIndex& index);

}  // namespace convoy::analysis
