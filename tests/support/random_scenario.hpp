#pragma once

// Random scenarios, all valid: fleets, links, traces, schedules, stops.

#include <cstdint>
#include <filesystem>
#include <string>

namespace convoy::test {

struct RandomScenario {
  std::string toml;     // path in the given folder
  bool learns = false;  // on a few glyphs
};

// Writes the scenario with this number and its traces into a folder. Any such scenario ends by its
// own stop, or fails with a cause, within moments.
RandomScenario random_scenario(std::uint64_t number, const std::filesystem::path& folder);

}  // namespace convoy::test
