// The drivers of scenarios/headline, scenarios/edgesplit and scenarios/asteroid: their tables and
// slopes, of made-up runs.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

namespace convoy {
namespace {

class Headline : public testing::TestWithParam<const char*> {};

TEST_P(Headline, TestsItself) {
  if (std::system("python3 -c 'import tomllib' > /dev/null 2>&1") != 0) {
    GTEST_SKIP() << "needs Python 3.11";
  }
  const std::string command = fmt::format(
      "PYTHONDONTWRITEBYTECODE=1 python3 {}/scenarios/{} --self-test", CONVOY_SOURCE, GetParam());
  EXPECT_EQ(std::system(command.c_str()), 0);
}

INSTANTIATE_TEST_SUITE_P(Drivers, Headline,
                         testing::Values("headline/headline.py", "headline/rate.py",
                                         "edgesplit/compare.py", "asteroid/compare.py"),
                         [](const auto& script) {
                           const std::string name = script.param;
                           if (name.starts_with("asteroid")) return "Asteroid";
                           if (name.starts_with("edgesplit")) return "EdgeSplit";
                           return name.ends_with("rate.py") ? "Rate" : "Tables";
                         });

}  // namespace
}  // namespace convoy
