#pragma once

// What [sweep] says. Axes multiply; axes that are paired, and the cases of a
// list, count as one. Internal to sim/scenario; sweep.hpp is what others see.

#include <functional>
#include <string>
#include <vector>

#include "base/table_reader.hpp"

namespace convoy::sim {

constexpr std::size_t most_points = 1'000'000;
constexpr std::size_t most_axes = 64;

// A key of the scenario that takes another value.
struct Change {
  std::string path;
  base::Value value;
};

// One of these lists of changes at a time.
struct SweepAxis {
  std::vector<std::string> keys;  // that it changes, in their order
  std::vector<std::vector<Change>> choices;
};

// In the order of the file; `repetitions` last. None where there is no [sweep], or where it is
// broken, which is reported. `seed`: of the scenario, the first of the repetitions.
std::vector<SweepAxis> read_axes(const base::Value& root, std::uint64_t seed,
                                 base::Diagnostics& problems);

// Declares the keys of [sweep].
void describe_axes(base::TableReader reader);

// Tries each choice by itself. `check` reads the scenario with these changes and reports what is
// wrong with it.
void check_axes(const std::vector<SweepAxis>& axes,
                const std::function<void(const std::vector<Change>&, base::Diagnostics&)>& check,
                base::Diagnostics& problems);

}  // namespace convoy::sim
