// Tests that the store names what produced a run's figures.

#include <SQLiteCpp/SQLiteCpp.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "tests/support/files.hpp"

namespace convoy {
namespace {

using testing::ContainsRegex;
using testing::MatchesRegex;

std::map<std::string, std::string> host_of(const std::filesystem::path& folder) {
  std::map<std::string, std::string> facts;
  SQLite::Database database(folder / "run.sqlite", SQLite::OPEN_READONLY);
  SQLite::Statement rows(database, "SELECT key, value FROM host");
  while (rows.executeStep()) facts[rows.getColumn(0).getString()] = rows.getColumn(1).getString();
  return facts;
}

void expect_what_was_built(std::map<std::string, std::string> host) {
  EXPECT_THAT(host["commit"], MatchesRegex("[0-9a-f]{12,40}(-dirty)?|unknown"));
  EXPECT_THAT(host["compiler"], MatchesRegex("(GCC|Clang) [0-9]+\\..*"));
  EXPECT_THAT(host["libtorch"], MatchesRegex("[0-9]+\\.[0-9]+.*"));
  EXPECT_THAT(host["simgrid"], MatchesRegex("[0-9]+\\.[0-9]+.*"));
  EXPECT_NE(host["cpu"], "");
  EXPECT_THAT(host["file"], ContainsRegex("\\.toml$"));
}

std::string file(const std::string& name) {
  return fmt::format("{}/tests/support/comparison/{}.toml", CONVOY_SOURCE, name);
}

TEST(Provenance, IsInTheStoreOfARun) {
  const test::TemporaryFolder folder;
  const auto run = folder.path() / "run";
  ASSERT_EQ(test::convoy(fmt::format("run {} --quiet -o {}", file("by-hand"), run.string())).status,
            0);
  const auto host = host_of(run);
  expect_what_was_built(host);
  EXPECT_FALSE(host.contains("blas")) << "nothing was learned";
}

TEST(Provenance, OfWhatIsLearnedSaysTheLibraries) {
  const test::TemporaryFolder folder;
  const auto run = folder.path() / "run";
  const std::string options =
      "--quiet --set stop.rounds=1 --set stop.accuracy=1 --set data.samples=60 -o ";
  const test::Output output =
      test::convoy(fmt::format("run {} {}{}", file("fedavg-depth"), options, run.string()));
  ASSERT_EQ(output.status, 0) << output.err;
  auto host = host_of(run);
  expect_what_was_built(host);
  EXPECT_GT(host["blas"].size(), 3U);
  EXPECT_NE(host["blas"], "unknown");
  EXPECT_NE(host["onednn"], "");
}

TEST(Provenance, IsInTheStoresOfASweep) {
  const test::TemporaryFolder folder;
  const auto out = folder.path() / "sweep";
  const test::Output output =
      test::convoy(fmt::format("sweep {} --quiet -o {}", file("swept"), out.string()));
  ASSERT_EQ(output.status, 0) << output.err;
  int points = 0;
  for (const auto& point : std::filesystem::directory_iterator(out / "points")) {
    expect_what_was_built(host_of(point));
    ++points;
  }
  EXPECT_GT(points, 0);
}

}  // namespace
}  // namespace convoy
