#pragma once

// The axes of [sweep]. All combinations of the axes are run; paired axes, and the cases of a list,
// count as one axis. Internal to sim/scenario; others include sweep.hpp.

#include <functional>
#include <string>
#include <vector>

#include "base/table_reader.hpp"

namespace convoy::sim {

constexpr std::size_t most_points = 1'000'000;
constexpr std::size_t most_axes = 64;

// A new value for one key of the scenario.
struct Change {
  std::string path;
  base::Value value;
};

// One axis: each point of the sweep takes one of its choices.
struct SweepAxis {
  std::vector<std::string> keys;  // keys that the axis changes
  std::vector<std::vector<Change>> choices;
};

// The axes in the order of the file, `repetitions` last. None without a [sweep] or if it has
// errors, which are reported. `seed`: the scenario's, used by the first repetition.
std::vector<SweepAxis> read_axes(const base::Value& root, std::uint64_t seed,
                                 base::Diagnostics& problems);

// Declares the keys of [sweep].
void describe_axes(base::TableReader reader);

// Tries each choice alone. `check` reads the scenario with these changes and reports errors.
void check_axes(const std::vector<SweepAxis>& axes,
                const std::function<void(const std::vector<Change>&, base::Diagnostics&)>& check,
                base::Diagnostics& problems);

}  // namespace convoy::sim
