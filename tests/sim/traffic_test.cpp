// What leaves a device and comes to it: counted by kind of transfer, at every record level alike,
// and as many bytes as the nodes sent and received.

#include "sim/run/traffic.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/random.hpp"
#include "sim/run/recorder.hpp"
#include "sim/store/traffic_sums.hpp"
#include "sim/task/pipeline_label.hpp"
#include "tests/support/random_scenario.hpp"
#include "tests/support/scenario_run.hpp"
#include "tests/support/seed.hpp"

namespace convoy::sim {
namespace {

using test::query_store;
using test::ScenarioRun;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string text_of(const TrafficRow& row) {
  return fmt::format("{} {} {}>{}: {} x, {} B, {} broken off", row.label, row.artifact, row.node,
                     row.peer, row.transfers, row.bytes, row.broken_off);
}

std::vector<std::string> texts_of(const Traffic& traffic) {
  std::vector<std::string> texts;
  for (const TrafficRow& row : traffic.rows()) texts.push_back(text_of(row));
  return texts;
}

TEST(Traffic, IsCountedByLabelArtifactSenderAndReceiver) {
  Traffic traffic;
  EXPECT_THAT(traffic.rows(), IsEmpty());
  traffic.ended("upload", "update", 2, 0, 30, true);
  traffic.ended("download", "model", 0, 2, 100, true);
  traffic.ended("upload", "update", 1, 0, 10, true);
  traffic.ended("upload", "update", 1, 0, 12, true);
  traffic.ended("upload", "encoded", 1, 0, 5, true);
  traffic.ended("upload", "update", 1, 0, 99, false);
  traffic.ended("move", "state", 0, 0, 1000, true);  // it stays
  EXPECT_THAT(texts_of(traffic), ElementsAre("upload update 1>0: 2 x, 22 B, 1 broken off",
                                             "upload update 2>0: 1 x, 30 B, 0 broken off",
                                             "download model 0>2: 1 x, 100 B, 0 broken off",
                                             "upload encoded 1>0: 1 x, 5 B, 0 broken off"));
}

TEST(Traffic, IsSummedByWayAndGroupOfDevices) {
  const std::vector<TrafficRow> rows = {
      {"download", "model", 0, 1, 3, 300, 0}, {"download", "model", 0, 2, 1, 100, 1},
      {"upload", "update", 1, 0, 2, 40, 0},   {"upload", "update", 2, 0, 0, 0, 1},
      {"upload", "update", 3, 0, 1, 20, 0},   {"pass", "activation", 1, 2, 4, 40, 0}};
  const std::vector<TrafficSum> sums = traffic_sums(rows);
  ASSERT_EQ(sums.size(), 3);
  EXPECT_EQ(sums[0].artifact, "update");
  EXPECT_EQ(sums[0].way, Way::up);
  EXPECT_EQ(sums[0].devices, 3);
  EXPECT_EQ(sums[0].transfers, 3);
  EXPECT_EQ(sums[0].bytes, 60);
  EXPECT_EQ(sums[0].mean_bytes(), 20);
  EXPECT_EQ(sums[0].least_bytes, 0);
  EXPECT_EQ(sums[0].most_bytes, 40);
  EXPECT_EQ(sums[0].broken_off, 1);
  EXPECT_DOUBLE_EQ(sums[0].share, 60 / 500.);
  EXPECT_EQ(sums[1].way, Way::between);
  EXPECT_EQ(sums[1].devices, 1) << "the sender's";
  EXPECT_EQ(sums[2].way, Way::down) << "what comes to devices is last";
  EXPECT_EQ(sums[2].most_bytes, 300);
  EXPECT_DOUBLE_EQ(sums[0].share + sums[1].share + sums[2].share, 1);

  const auto groups = traffic_sums(rows, [](std::int64_t id) { return id == 3 ? "b" : "a"; });
  ASSERT_EQ(groups.size(), 4);
  EXPECT_EQ(groups[0].group, "a");
  EXPECT_EQ(groups[0].bytes, 40);
  EXPECT_EQ(groups[1].group, "b");
  EXPECT_EQ(groups[1].bytes, 20);
  EXPECT_DOUBLE_EQ(groups[1].share, 20 / 500.) << "of all, not of the group";
  EXPECT_THAT(traffic_sums({}), IsEmpty());
  EXPECT_EQ(traffic_sums({{"upload", "update", 1, 0, 0, 0, 1}})[0].share, 0);
  EXPECT_EQ(traffic_sums({{"upload", "update", 1, 0, 0, 0, 1}})[0].mean_bytes(), 0);
}

std::vector<std::string> texts_of(const Summary& summary) {
  std::vector<std::string> texts;
  for (const TrafficRow& row : summary.traffic) texts.push_back(text_of(row));
  return texts;
}

// Two rounds of 12.5 s; the second node is lost at 11.5, halfway through its first upload, and is
// back only after the end.
TEST(Traffic, OfARunIsThatOfItsGraphs) {
  const ScenarioRun run(test::simple_scenario(
      {{"", "outages = [{ at_s = 11.5, for_s = 100 }]"}, "kind = \"fedavg\"", "rounds = 2"}));
  ASSERT_EQ(run.result().status, RunStatus::done) << run.result().cause;
  EXPECT_THAT(texts_of(run.summary()),
              ElementsAre("download model 0>1: 2 x, 2000000 B, 0 broken off",
                          "download model 0>2: 1 x, 1000000 B, 0 broken off",
                          "upload update 1>0: 2 x, 2000000 B, 0 broken off",
                          "upload update 2>0: 0 x, 0 B, 1 broken off"));
  EXPECT_THAT(query_store(run.folder(), "SELECT * FROM traffic WHERE peer = 2"),
              ElementsAre("download|model|0|2|1|1000000.0|0"));
}

// A transfer that waits for its lane when its task ends has sent nothing.
TEST(Traffic, ATransferThatNeverBeganIsNotBrokenOff) {
  Recorder books(nullptr, RecordLevel::task);
  const Activity upload{.kind = ActivityKind::transfer, .label = "upload", .bytes = 10};
  ActivityRecord record;
  record.what = &upload;
  record.artifact = "update";
  record.node = 1;
  record.peer = server_node;
  record.cause = Cause::cancelled;
  books.activity(record);
  const auto counted = [&books] {
    Summary summary;
    books.count_into(summary, ByGroup<NodeConfig>(2));
    return texts_of(summary);
  };
  EXPECT_THAT(counted(), IsEmpty());
  record.start_s = 0;
  books.activity(record);
  EXPECT_THAT(counted(), ElementsAre("upload update 1>0: 0 x, 0 B, 1 broken off"));
}

constexpr const char* traffic = "SELECT * FROM traffic ORDER BY rowid";
// Nodes whose sums of bytes are not those of the traffic (up to the rounding of sums).
constexpr const char* wrong_nodes =
    "SELECT id, bytes_in, bytes_out FROM node n WHERE "
    "ABS(bytes_out - (SELECT COALESCE(SUM(bytes), 0) FROM traffic WHERE node = n.id)) > 1e-9 * "
    "bytes_out OR "
    "ABS(bytes_in - (SELECT COALESCE(SUM(bytes), 0) FROM traffic WHERE peer = n.id)) > 1e-9 * "
    "bytes_in";
constexpr const char* from_activities =
    "SELECT label, node, peer, SUM(cause = ''), SUM(cause <> '') FROM activity WHERE kind = "
    "'transfer' AND start_s IS NOT NULL AND node <> peer GROUP BY label, node, peer";
constexpr const char* by_label =
    "SELECT label, node, peer, SUM(transfers), SUM(broken_off) FROM traffic GROUP BY label, node, "
    "peer";

// Transfers and broken ones by label, node and peer; of a pipeline's micro-batches together, as the
// traffic has them.
std::map<std::string, std::pair<int, int>> counted(const std::filesystem::path& run,
                                                   const char* query) {
  std::map<std::string, std::pair<int, int>> counts;
  for (const std::string& row : query_store(run, query)) {
    std::vector<std::string> cells;
    std::istringstream in(row);
    for (std::string cell; std::getline(in, cell, '|');) cells.push_back(cell);
    auto& count = counts[without_microbatch(cells.at(0)) + " " + cells.at(1) + ">" + cells.at(2)];
    count.first += std::stoi(cells.at(3));
    count.second += std::stoi(cells.at(4));
  }
  return counts;
}

// Random fleets, links, traces, losses and schedules.
TEST(Traffic, IsTheSameAtEveryRecordLevelAndSumsToTheNodesBytes) {
  base::Random random({test::drawn_seed()});
  int moved = 0;
  for (int i = 0; i < 12; ++i) {
    const test::TemporaryFolder folder;
    const auto number = static_cast<std::uint64_t>(random.below(1'000'000));
    const test::RandomScenario scenario = test::random_scenario(number, folder.path());
    const std::string what = "random scenario " + std::to_string(number);
    const auto at = [&](const std::string& level) {
      const std::filesystem::path run = folder.path() / level;
      const test::Output output = test::convoy(
          "run " + scenario.toml + " --quiet --set output.record=" + level + " -o " + run.string());
      EXPECT_TRUE(output.status == 0 || output.status == 1) << output.err << what;
      return run;
    };
    const std::filesystem::path whole = at("activity");
    const std::filesystem::path sums = at("task");
    EXPECT_EQ(query_store(whole, traffic), query_store(sums, traffic)) << what;
    EXPECT_THAT(query_store(whole, wrong_nodes), IsEmpty()) << what;
    EXPECT_THAT(query_store(sums, wrong_nodes), IsEmpty()) << what;
    EXPECT_EQ(counted(whole, from_activities), counted(whole, by_label)) << what;
    moved += query_store(sums, traffic).empty() ? 0 : 1;
  }
  EXPECT_GE(moved, 6) << "of 12 runs too few sent anything";
}

// What was compressed goes by the name that the graph gives it, with the bytes that went.
TEST(Traffic, OfCompressedUpdatesIsWhatWasSent) {
  const test::TemporaryFolder folder;
  const std::string run = (folder.path() / "r").string();
  const test::Output output = test::convoy(
      "run " CONVOY_SOURCE
      "/scenarios/resnet18-16.toml --json --quiet --set schedule.kind=fedavg --set stop.rounds=2 "
      "--set schedule.compression.keep=0.1 --set output.record=task -o " +
      run);
  ASSERT_EQ(output.status, 0) << output.err;
  const auto told = nlohmann::json::parse(output.out);
  ASSERT_EQ(told["traffic"].size(), 2);
  const auto& up = told["traffic"][0];
  EXPECT_EQ(up["way"], "up");
  EXPECT_EQ(up["label"], "upload");
  EXPECT_EQ(up["artifact"], "encoded");
  EXPECT_NEAR(up["bytes"].get<double>(), told["bytes_up"].get<double>(), 1);
  EXPECT_NEAR(told["traffic"][1]["bytes"].get<double>(), told["bytes_down"].get<double>(), 1);
  EXPECT_EQ(told["traffic"][1]["artifact"], "model");
  EXPECT_EQ(up["transfers"], told["tasks"]);
  EXPECT_LE(up["device_bytes"]["least"], up["device_bytes"]["most"]);
  EXPECT_NEAR(up["share"].get<double>() + told["traffic"][1]["share"].get<double>(), 1, 1e-12);
  // The same in words.
  const std::string text =
      test::convoy("run " CONVOY_SOURCE
                   "/scenarios/resnet18-16.toml --quiet --no-store --set schedule.kind=fedavg "
                   "--set stop.rounds=2 --set schedule.compression.keep=0.1")
          .out;
  EXPECT_THAT(text,
              HasSubstr(fmt::format("encoded (upload) {} times", up["transfers"].get<int>())));
  EXPECT_THAT(text, HasSubstr("model (download) "));
}

}  // namespace
}  // namespace convoy::sim
