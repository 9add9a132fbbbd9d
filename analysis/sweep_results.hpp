#pragma once

// What the points of a sweep came to.

#include <optional>
#include <string>
#include <vector>

#include "analysis/figures.hpp"
#include "sim/sweep/folder.hpp"

namespace convoy::analysis {

enum class PointStatus { done, failed, missing };
const char* name_of(PointStatus status);

struct SweepPoint {
  PointStatus status = PointStatus::missing;
  std::string cause;                          // of a failure
  std::string seed;                           // of a finished point, whether or not it is an axis
  std::vector<std::optional<double>> values;  // of SweepResults::figures
};

struct SweepResults {
  std::string folder;
  sim::SweepIndex index;
  std::vector<FigureName> figures;  // those that some point has
  std::vector<SweepPoint> points;   // as in the index

  [[nodiscard]] std::size_t count(PointStatus status) const;
};

// Throws base::UserError where there is no sweep.
SweepResults read_sweep(const sim::SweepFolder& folder);

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
