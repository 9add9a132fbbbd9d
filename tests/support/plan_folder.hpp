#pragma once

// A scenario in a folder of its own, of which convoy plan is asked.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "tests/support/scenario_folder.hpp"

namespace convoy::test {

class PlanFolder : public ScenarioFolder {
 protected:
  using ScenarioFolder::ScenarioFolder;

  [[nodiscard]] Output plan(const std::string& more = "") const {
    return convoy("plan " + file + " " + more);
  }
  [[nodiscard]] nlohmann::json json(const std::string& more = "") const {
    const Output output = plan("--json " + more);
    EXPECT_EQ(output.status, 0) << output.err;
    return nlohmann::json::parse(output.out);
  }
};

}  // namespace convoy::test
