#pragma once

// Outputs of other people's planners, where they are at hand.

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

namespace convoy::sim {

inline std::filesystem::path reference_file(const std::string& name) {
  return std::filesystem::path(CONVOY_SOURCE) / "../shared/data/references" / name;
}

// Null where it is not there: GTEST_SKIP() then.
inline nlohmann::json reference(const std::string& name) {
  const std::filesystem::path file = reference_file(name);
  if (!std::filesystem::exists(file)) return {};
  return nlohmann::json::parse(std::ifstream(file));
}

}  // namespace convoy::sim
