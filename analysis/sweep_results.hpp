#pragma once

// The results of a sweep's points.

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
  std::string cause;                          // reason of a failure
  std::string seed;                           // of a finished point, even if it is no axis
  std::vector<std::optional<double>> values;  // of SweepResults::figures
  Curve curve;                                // without losses; empty for runs without learning
  std::optional<Level> target;                // of the scenario
};

struct SweepResults {
  std::string folder;
  sim::SweepIndex index;
  std::vector<FigureName> figures;  // all that some point has
  std::vector<SweepPoint> points;   // in the order of the index
  std::optional<Level> level;       // accuracy for time-to-accuracy figures

  [[nodiscard]] std::size_t count(PointStatus status) const;
};

// Throws base::UserError if there is no sweep. Times to accuracy use the points' common level.
SweepResults read_sweep(const sim::SweepFolder& folder);

// Sets the accuracy for time-to-accuracy figures of all points: `wanted`, else the common level
// (metrics.hpp), which is returned. Changes these figures.
std::optional<Level> set_level(std::vector<SweepResults>& sweeps, std::optional<double> wanted);

// Names of the figures at a target accuracy; their values are those of the first evaluation that
// reaches it (null: never).
std::vector<FigureName> figures_to(const Level& level);
std::vector<std::optional<double>> values_at(const CurvePoint* there);

// A group of points that differ in their seed only.
struct SeedGroup {
  std::vector<std::string> settings;  // values of `keys`
  std::vector<std::size_t> points;
};
struct SeedGroups {
  std::vector<std::size_t> keys;  // of the index, without the seed
  std::vector<SeedGroup> groups;  // by their first points
};
SeedGroups without_seeds(const sim::SweepIndex& index);

}  // namespace convoy::analysis
