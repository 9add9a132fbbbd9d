// The drivers of scenarios/headline: their tables and slopes, of made-up runs.

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
  const std::string script = std::string(CONVOY_SOURCE) + "/scenarios/headline/" + GetParam();
  EXPECT_EQ(std::system(("PYTHONDONTWRITEBYTECODE=1 python3 " + script + " --self-test").c_str()),
            0);
}

INSTANTIATE_TEST_SUITE_P(Drivers, Headline, testing::Values("headline.py", "rate.py"),
                         [](const auto& script) {
                           return std::string(script.param) == "rate.py" ? "Rate" : "Tables";
                         });

}  // namespace
}  // namespace convoy
