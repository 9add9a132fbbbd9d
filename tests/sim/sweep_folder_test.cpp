// Tests which points of a sweep count as finished, and what is read from them.

#include <gtest/gtest.h>

#include "analysis/sweep_results.hpp"
#include "sim/sweep/folder.hpp"
#include "tests/support/files.hpp"

namespace convoy::sim {
namespace {

using nlohmann::ordered_json;

class SweepFolderTest : public testing::Test {
 protected:
  SweepFolderTest() {
    std::filesystem::create_directories(folder.path() / "points" / "a");
    for (const char* column : result_columns) summary[column] = 1;
    summary["curve"] = ordered_json::array();
    write();
  }
  void write() const { folder.write("points/a/summary.json", summary.dump()); }

  test::TemporaryFolder folder;
  ordered_json summary;
};

TEST_F(SweepFolderTest, WhereStoresAreKeptAPointWithoutItsOwnIsNotFinished) {
  EXPECT_TRUE(SweepFolder(folder.path()).summary("a"));
  EXPECT_FALSE(SweepFolder(folder.path(), true).summary("a"));
  folder.write("points/a/run.sqlite", "");
  EXPECT_TRUE(SweepFolder(folder.path(), true).summary("a"));
  EXPECT_TRUE(SweepFolder(folder.path()).summary("a"));
}

TEST_F(SweepFolderTest, ASummaryThatIsNotWholeIsNone) {
  for (const char* column : result_columns) {
    const ordered_json kept = summary;
    summary.erase(column);
    write();
    EXPECT_FALSE(SweepFolder(folder.path()).summary("a")) << column;
    summary = kept;
  }
  for (const char* text : {"", "{", "[1]", "{\"schedule\": 1}"}) {
    folder.write("points/a/summary.json", text);
    EXPECT_FALSE(SweepFolder(folder.path()).summary("a")) << text;
  }
  EXPECT_FALSE(SweepFolder(folder.path()).summary("another"));
}

TEST_F(SweepFolderTest, ThePeakMemoryIsThatOfTheWorkerThatNeedsMost) {
  SweepFolder(folder.path()).write_index({"s", "s.toml", "0.1.0", {}, {{{}, "a"}}});
  summary["peak_memory_bytes"] = {{"server", 900}, {"x", 30}, {"y", 70}, {"z", nullptr}};
  write();
  const analysis::SweepResults results = analysis::read_sweep(SweepFolder(folder.path()));
  EXPECT_EQ(results.points.at(0).values.at("peak_memory_bytes"), 70);
}

}  // namespace
}  // namespace convoy::sim
