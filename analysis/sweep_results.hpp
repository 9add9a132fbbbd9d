#pragma once

// The results of a sweep's points.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "analysis/metric_list.hpp"
#include "analysis/metrics.hpp"
#include "sim/sweep/folder.hpp"

namespace convoy::analysis {

enum class PointStatus { done, failed, missing };
inline constexpr base::Words<PointStatus> point_words = {{PointStatus::done, "done"},
                                                         {PointStatus::failed, "failed"},
                                                         {PointStatus::missing, "missing"}};

using FailureCounts = std::map<std::string, std::size_t>;  // node updates, by cause

struct SweepPoint {
  PointStatus status = PointStatus::missing;
  std::string cause;            // reason of a failure
  std::string seed;             // of a finished point, even if it is no axis
  MetricValues values;          // of whole runs, and of the costs until the levels
  Curve curve;                  // empty for runs without learning
  std::optional<Level> target;  // of the scenario
  std::string learned_as;       // in place of the model (training.learn_as); empty: the model
  FailureCounts failures{};     // of node updates
};

struct SweepResults {
  std::string folder;
  sim::SweepIndex index;
  std::vector<Metric> metrics;     // those of which some point has a value
  std::vector<SweepPoint> points;  // in the order of the index
  std::vector<Level> levels;       // accuracies for time-to-accuracy metrics

  [[nodiscard]] std::size_t count(PointStatus status) const;
};

// Throws base::UserError if there is no sweep. Times to accuracy use the points' common level.
SweepResults read_sweep(const sim::SweepFolder& folder);

// Sets the accuracies for time-to-accuracy metrics of all points: `wanted`, else the common level
// (metrics.hpp); returns them. Replaces the values and metrics of other levels.
std::vector<Level> set_levels(std::vector<SweepResults>& sweeps, const std::vector<double>& wanted);

// "schedule.kind" -> "kind": as few last parts of a dotted key as tell it from the others.
std::string short_key(const std::string& key, const std::vector<std::string>& keys);

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
