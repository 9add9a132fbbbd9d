#pragma once

// Scenarios drawn at random, all of them valid: fleets, links, traces, schedules, ends.

#include <cstdint>
#include <filesystem>
#include <string>

namespace convoy::test {

struct RandomScenario {
  std::string toml;     // its path, in the folder that was given
  bool learns = false;  // on a few glyphs
};

// Writes the scenario of that number and the traces that it names into a folder. Whatever it draws
// ends by its own stop, or fails with a cause, within moments.
RandomScenario random_scenario(std::uint64_t number, const std::filesystem::path& folder);

}  // namespace convoy::test
