// Tests how many evaluations the estimate of a learning run's wall time counts, by versions and by
// virtual time.

#include <gmock/gmock.h>

#include "tests/support/scenario_folder.hpp"

namespace convoy {
namespace {

// Ten versions in some ten milliseconds.
constexpr const char* scenario = R"(
[fleet]
[[fleet.nodes]]
device = "jetson-nano"
count = 2
[model]
architecture = "linear"
[data]
source = "glyphs"
samples = 64
test_samples = 20
[training]
learn = true
batch = 16
[stop]
rounds = 10
)";

class WallEstimate : public test::ScenarioFolder {
 protected:
  WallEstimate() : ScenarioFolder(scenario) {}
  void expect(const std::string& said, const std::string& evaluation) const {
    const test::Output output =
        test::convoy("check " + file + " --set 'evaluation={" + evaluation + "}'");
    EXPECT_EQ(output.status, 0) << output.err;
    EXPECT_THAT(output.out, testing::HasSubstr("(20 node updates, "));
    EXPECT_THAT(output.out, testing::HasSubstr(said)) << evaluation;
  }
};

TEST_F(WallEstimate, CountsEvaluationsByVersionsAndByTime) {
  expect("; 6 evaluations, ", "every=2");
  // At the end alone; at each version, which is evaluated once however often it is asked for.
  expect("; 1 evaluations, ", "every=0,every_s=1e9");
  expect("; 11 evaluations, ", "every=0,every_s=1e-6");
  expect("; 11 evaluations, ", "every=2,every_s=1e-6");
}

}  // namespace
}  // namespace convoy
