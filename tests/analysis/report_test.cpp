// Tests the page's data: thinned out if there is too much, with remarks about missing data.

#include "analysis/report/report.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "analysis/report/data.hpp"
#include "base/diagnostics.hpp"
#include "tests/support/files.hpp"
#include "tests/support/hand_made_store.hpp"

namespace convoy::analysis {
namespace {

using test::HandMadeStore;
using test::TemporaryFolder;
using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;

constexpr const char* hostile = "</script><script>alert(1)</script><!--";

// Two nodes that download, train and upload without pauses, `tasks` tasks each; every tenth
// training takes long.
std::filesystem::path busy_run(const TemporaryFolder& folder, int tasks) {
  HandMadeStore store(folder.path() / "run");
  store.run.name = hostile;
  store.node(0, "server").node(1, hostile).node(2, "b", "hil");
  double last = 0;
  for (const std::int64_t node : {1, 2}) {
    double time = 0;
    for (int i = 0; i < tasks; ++i) {
      const std::int64_t task = 2 * i + node;
      const double begun = time;
      store.transfer(0, node, "download", time, 0.1).task = task;
      const double train = i % 10 == 9 ? 50 : 0.7;
      store.compute(node, "train", time + 0.1, train).task = task;
      store.transfer(node, 0, "upload", time + 0.1 + train, 0.2).task = task;
      time += 0.3 + train;
      store.task(task, node, begun, time, i + 1).staleness = i % 3;
    }
    last = std::max(last, time);
  }
  for (int i = 0; i < tasks; ++i) store.aggregation(i + 1, i, i);
  store.end.virtual_time_s = last;
  return store.write();
}

struct Sums {
  std::map<std::pair<int, int>, double> busy;  // by node and lane
  std::size_t slices = 0;
};

// Also checks that the slices of a lane do not overlap.
Sums sums_of(const Json& run) {
  const Json& a = run.at("timeline").at("activities");
  Sums sums;
  std::map<std::pair<int, int>, double> end;
  sums.slices = a.at("node").size();
  for (std::size_t i = 0; i < sums.slices; ++i) {
    const std::pair lane{a.at("node")[i].get<int>(), a.at("lane")[i].get<int>()};
    const double begin_s = a.at("begin_s")[i];
    const double end_s = a.at("end_s")[i];
    EXPECT_GE(begin_s, end[lane] - 1e-6) << "slice " << i;
    EXPECT_GE(end_s, begin_s);
    end[lane] = end_s;
    sums.busy[lane] += end_s - begin_s;
  }
  return sums;
}

TEST(PageData, ALongTimelineIsThinnedWithoutGettingBusier) {
  const TemporaryFolder folder;
  const RunTables run = read_tables(busy_run(folder, 3000));
  const Sums whole = sums_of(run_json(run, "r"));
  EXPECT_EQ(whole.slices, 18'000);
  PageLimits limits;
  limits.activities = 2'000;
  const Json page = run_json(run, "r", limits);
  const Sums thin = sums_of(page);
  EXPECT_LE(thin.slices, 2'000);
  EXPECT_GT(thin.slices, 500) << "no more than was needed";
  EXPECT_GT(page.at("timeline").at("merged_below_s"), 0);
  ASSERT_EQ(thin.busy.size(), whole.busy.size());
  for (const auto& [lane, busy] : whole.busy) {
    EXPECT_NEAR(thin.busy.at(lane), busy, 1e-4 * busy) << lane.first << " " << lane.second;
  }
}

TEST(PageData, AHugeFleetIsCutAndSaysSo) {
  const TemporaryFolder folder;
  HandMadeStore store(folder.path() / "run");
  for (int i = 0; i < 50; ++i) store.node(i, "n" + std::to_string(i));
  store.compute(40, "train", 0, 1).task = 0;
  store.task(0, 40, 0, 1, 1);
  PageLimits limits;
  limits.nodes = 10;
  const Json page = run_json(read_tables(store.write()), "r", limits);
  EXPECT_EQ(page.at("nodes").at("id").size(), 10);
  EXPECT_EQ(page.at("nodes_left_out"), 40);
  EXPECT_TRUE(page.at("timeline").at("activities").at("node").empty());
  EXPECT_EQ(page.at("figures").at("tasks"), 1) << "figures are of all";
  EXPECT_THAT(page.at("remarks").dump(), HasSubstr("Of 49 nodes, the first 9 are shown"));
}

TEST(PageData, RemarksTellLearningFromNotYet) {
  const TemporaryFolder folder;
  HandMadeStore store(folder.path() / "run");
  store.node(0, "server").node(1, "a");
  RunTables run = read_tables(store.write());
  EXPECT_THAT(run_json(run, "r").at("remarks").dump(), HasSubstr("did not learn"));
  run.run.run.scenario = "[training]\nlearn = true\n";
  run.run.status = sim::RunStatus::running;
  const std::string remarks = run_json(run, "r").at("remarks").dump();
  EXPECT_THAT(remarks, HasSubstr("Nothing was evaluated yet"));
  EXPECT_THAT(remarks, HasSubstr("not over, or was killed"));
  EXPECT_THAT(run_json(run, "r", {}, true).at("remarks").dump(), Not(HasSubstr("killed")));
}

// A run sent in parts gives the same page as a run sent at once.
TEST(PageData, ARunToldInPartsIsTheSame) {
  const TemporaryFolder folder;
  const RunTables run = read_tables(busy_run(folder, 40));
  LiveRun live("r");
  RunTables part = run;
  part.tasks.resize(30);
  part.activities.resize(90);
  part.aggregations.resize(10);
  Json page = live.first(part);
  part = run;
  part.tasks.erase(part.tasks.begin(), part.tasks.begin() + 30);
  part.activities.erase(part.activities.begin(), part.activities.begin() + 90);
  part.aggregations.erase(part.aggregations.begin(), part.aggregations.begin() + 10);
  const Json rows = live.next(part, true);
  const auto grow = [](Json& table, const Json& more) {
    for (auto& [key, column] : table.items()) {
      for (const Json& value : more.at(key)) column.push_back(value);
    }
  };
  for (const char* name : {"updates", "exits", "aggregations", "readings"}) {
    grow(page.at(name), rows.at(name));
  }
  grow(page.at("timeline").at("activities"), rows.at("activities"));
  for (const auto& [key, value] : rows.at("whole").items()) page[key] = value;
  for (const auto& [key, value] : rows.at("timeline").items()) page.at("timeline")[key] = value;
  const Json whole = run_json(run, "r", {}, true);
  for (const char* key : {"curve", "figures", "rounds", "idle", "staleness", "aggregations"}) {
    EXPECT_EQ(page.at(key), whole.at(key)) << key;
  }
  EXPECT_EQ(page.at("timeline").at("waits"), whole.at("timeline").at("waits"));
  EXPECT_EQ(sums_of(whole).slices, page.at("timeline").at("activities").at("node").size());
  RunTables nothing;
  EXPECT_TRUE(live.next(nothing, true).is_null());
  nothing.journal.push_back({Entry::Kind::node_lost, 1, 1});
  const Json late = live.next(nothing, false);
  EXPECT_FALSE(late.contains("timeline"));
  EXPECT_THAT(late.at("whole").at("remarks").dump(), HasSubstr("The run is long"));
}

// Sums of all devices first, then by class; a store that was written before this was recorded has
// none.
TEST(PageData, SaysWhatLeavesADevice) {
  const TemporaryFolder folder;
  HandMadeStore store(folder.path() / "run");
  store.node(0, "server").node(1, "a").node(2, "b");
  store.traffic("download", "model", 0, 1, 2, 200);
  store.traffic("download", "model", 0, 2, 2, 100);
  store.traffic("upload", "update", 1, 0, 1, 60).broken_off = 3;
  store.traffic("upload", "update", 2, 0, 1, 40);
  RunTables run = read_tables(store.write());
  const Json one_class = run_json(run, "r").at("traffic");
  EXPECT_EQ(one_class.at("artifact"), Json::array({"update", "model"}));
  EXPECT_EQ(one_class.at("way"), Json::array({"up", "down"}));
  EXPECT_EQ(one_class.at("class"), Json::array({"", ""})) << "one class is not shown again";
  EXPECT_EQ(one_class.at("bytes"), Json::array({100.0, 300.0}));
  EXPECT_EQ(one_class.at("share"), Json::array({0.25, 0.75}));
  EXPECT_EQ(one_class.at("mean_bytes"), Json::array({50.0, 75.0}));
  EXPECT_EQ(one_class.at("least_bytes"), Json::array({40.0, 100.0}));
  EXPECT_EQ(one_class.at("most_bytes"), Json::array({60.0, 200.0}));
  EXPECT_EQ(one_class.at("broken_off"), Json::array({3, 0}));
  run.nodes[1].device = "jetson-nano";
  run.nodes[1].mode = "10W";
  run.nodes[2].device = "jetson-tx2";
  const Json two = run_json(run, "r").at("traffic");
  EXPECT_EQ(two.at("class"), Json::array({"", "", "jetson-nano 10W", "jetson-tx2 ",
                                          "jetson-nano 10W", "jetson-tx2 "}));
  EXPECT_EQ(two.at("bytes"), Json::array({100.0, 300.0, 60.0, 40.0, 200.0, 100.0}));
  run.traffic.clear();
  EXPECT_TRUE(run_json(run, "r").at("traffic").at("label").empty());
}

// By columns; a plan of a store of before is its text.
TEST(PageData, HasThePlansOverTime) {
  const TemporaryFolder folder;
  HandMadeStore store(folder.path() / "run");
  store.node(0, "server").node(1, "a").node(2, "b");
  sim::PlanRecord first{.cause = "first", .round_s = 3, .best_round_s = 3};
  first.nodes = {{1, 4, "layer1", 1e6, 2e6, 0.25, 2.5}, {2, 9, "layer2", 0, 0, 0, 3}};
  sim::PlanRecord kept{.cause = "change",
                       .adopted = false,
                       .round_s = 5,
                       .old_round_s = 6,
                       .best_round_s = 4,
                       .cost_s = 7};
  kept.nodes = {first.nodes[1]};
  store.plan(0, sim::plan_text(first)).plan(10, sim::plan_text(kept)).plan(20, "cause=change 1:4");
  const RunTables run = read_tables(store.write());
  ASSERT_EQ(run.plans.size(), 3U);
  EXPECT_EQ(run.plans[0].record, first);
  EXPECT_EQ(run.plans[1].record, kept);
  const Json plans = run_json(run, "r").at("plans");
  EXPECT_EQ(plans.at("time_s"), Json::array({0.0, 10.0, 20.0}));
  EXPECT_EQ(plans.at("cause"), Json::array({"first", "change", nullptr}));
  EXPECT_EQ(plans.at("adopted"), Json::array({true, false, nullptr}));
  EXPECT_EQ(plans.at("round_s"), Json::array({3.0, 5.0, nullptr}));
  EXPECT_EQ(plans.at("old_round_s"), Json::array({nullptr, 6.0, nullptr}));
  EXPECT_EQ(plans.at("best_round_s"), Json::array({3.0, 4.0, nullptr}));
  EXPECT_EQ(plans.at("cost_s"), Json::array({0.0, 7.0, nullptr}));
  EXPECT_EQ(plans.at("text"), Json::array({"", "", "cause=change 1:4"}));
  const Json& nodes = plans.at("nodes");
  EXPECT_EQ(nodes.at("plan"), Json::array({0, 0, 1}));
  EXPECT_EQ(nodes.at("node"), Json::array({1, 2, 2}));
  EXPECT_EQ(nodes.at("cut"), Json::array({4, 9, 9}));
  EXPECT_EQ(nodes.at("cut_name"), Json::array({"layer1", "layer2", "layer2"}));
  EXPECT_EQ(nodes.at("up_bytes_per_s"), Json::array({1e6, 0.0, 0.0}));
  EXPECT_EQ(nodes.at("down_bytes_per_s"), Json::array({2e6, 0.0, 0.0}));
  EXPECT_EQ(nodes.at("server_share"), Json::array({0.25, 0.0, 0.0}));
  EXPECT_EQ(nodes.at("predicted_s"), Json::array({2.5, 3.0, 3.0}));
  const Json fewer = run_json(run, "r", {.plans = 1});
  EXPECT_EQ(fewer.at("plans").at("time_s").size(), 1U);
  EXPECT_EQ(fewer.at("plans").at("nodes").at("node").size(), 2U);
  EXPECT_THAT(fewer.at("remarks").dump(), HasSubstr("Of 3 plans, the first 1 are shown."));
  // A run in progress: what is new comes with the next message.
  LiveRun live("r");
  RunTables begun = run;
  begun.plans.resize(1);
  live.first(begun);
  RunTables more;
  more.run = run.run;
  more.nodes = run.nodes;
  more.plans = {run.plans[1], run.plans[2]};
  EXPECT_EQ(live.next(more, true).at("whole").at("plans"), plans);
}

TEST(PageData, APlanThatCannotBeReadIsAClearError) {
  const TemporaryFolder folder;
  int number = 0;
  const auto refused = [&](const std::string& text) {
    HandMadeStore store(folder.path() / std::to_string(++number));
    store.node(0, "server").node(1, "a").plan(1, text);
    try {
      read_tables(store.write());
    } catch (const sim::StoreError& error) {
      return std::string(error.what());
    }
    return std::string("nothing was refused");
  };
  EXPECT_THAT(refused("{}"), AllOf(HasSubstr("entry 0 of the journal should be a plan"),
                                   HasSubstr("make the run anew")));
  sim::PlanRecord plan{.cause = "first"};
  plan.nodes = {{.node = 2}};  // that is not there
  EXPECT_THAT(refused(sim::plan_text(plan)), HasSubstr("0 to 1 were expected"));
  plan.nodes = {{.node = 1, .cut_name = std::string(100'000, 'x')}};
  EXPECT_THAT(refused(sim::plan_text(plan)), HasSubstr("a name of 100000 bytes"));
  plan.nodes = {{.node = 1}};
  EXPECT_EQ(refused(sim::plan_text(plan)), "nothing was refused");
}

TEST(Report, NamesAreNeverMarkup) {
  const TemporaryFolder folder;
  const std::string html =
      report_html({.runs = {busy_run(folder, 3).string()}, .version = "1.2.3"});
  EXPECT_THAT(html, Not(HasSubstr("alert(1)</script>")));
  EXPECT_THAT(html, HasSubstr("&lt;/script&gt;&lt;script&gt;alert(1)"));
  EXPECT_THAT(html, HasSubstr("\\u003c/script>\\u003cscript>alert(1)"));
  EXPECT_THAT(html, HasSubstr("default-src 'none'"));
  for (const char* part : {"@DATA@", "@SCRIPT@", "@CSS@", "@TITLE@", "@SUMMARY@"}) {
    EXPECT_THAT(html.substr(0, 2000), Not(HasSubstr(part)));
  }
}

TEST(Report, ABaselineWithNothingToCompare) {
  const TemporaryFolder folder;
  EXPECT_THROW(report_html({.runs = {busy_run(folder, 3).string()}, .baseline = "fedavg"}),
               base::UserError);
  EXPECT_THROW(report_html({.runs = {folder.path().string()}}), sim::StoreError);
}

}  // namespace
}  // namespace convoy::analysis
