// Tests the list of faults for ./dev mutate (tests/mutation): each fault still fits the sources,
// and names existing tests.

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "tests/support/files.hpp"

namespace convoy {
namespace {

const std::string script = std::string(CONVOY_SOURCE) + "/tests/mutation/mutate.py";

TEST(Structure, EveryFaultOfTheListStillApplies) {
  if (std::system("python3 -c '' 2>/dev/null") != 0) GTEST_SKIP() << "no python3";
  const test::TemporaryFolder folder;
  const std::string said = (folder.path() / "said").string();
  const int status =
      std::system(("python3 -B '" + script + "' --check >'" + said + "' 2>&1").c_str());
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0)
      << test::read_file(said) << "change tests/mutation/faults.txt with the lines that it names";
}

}  // namespace
}  // namespace convoy
