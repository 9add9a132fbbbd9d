#pragma once

// Curves of several runs as one: the mean over the runs of a group, with its 95 % interval.

#include <optional>
#include <string>
#include <vector>

#include "analysis/comparison.hpp"

namespace convoy::analysis {

enum class BandAxis { time_s, updates, bytes, energy_j };
inline constexpr base::Words<BandAxis> band_axis_words = {{BandAxis::time_s, "time_s"},
                                                          {BandAxis::updates, "updates"},
                                                          {BandAxis::bytes, "bytes"},
                                                          {BandAxis::energy_j, "energy_j"}};
enum class BandValue { accuracy, loss };
inline constexpr base::Words<BandValue> band_value_words = {{BandValue::accuracy, "accuracy"},
                                                            {BandValue::loss, "loss"}};

struct Band {
  std::string group;
  std::string schedule;  // of its first run
  std::size_t runs = 0;
  BandAxis x = BandAxis::time_s;
  BandValue y = BandValue::accuracy;
  std::vector<double> at;  // on the x axis, ascending
  std::vector<double> mean;
  std::vector<std::optional<double>> low;  // Student's interval; nothing for one run
  std::vector<std::optional<double>> high;
};

// By group of the cases, for each axis and value that all runs of the group have. An evaluation
// holds until the next one; a band goes from where all runs have been evaluated to where the first
// of them ends. Of one run: its evaluations, at most `most` of them; of several: `most` places.
std::vector<Band> bands_of(const Cases& cases, std::size_t most = 200);

}  // namespace convoy::analysis
