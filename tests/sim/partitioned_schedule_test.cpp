// Partitioned learning as a schedule: blocks that tile the model, planned with the bandwidth; who
// is lost takes nothing along; times as planned.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "engine/model/trace.hpp"
#include "sim/schedule/block_update.hpp"
#include "sim/schedule/partitioned.hpp"
#include "tests/support/desk.hpp"
#include "tests/support/read_kind.hpp"
#include "tests/support/scenario_run.hpp"

namespace convoy::sim {
namespace {

using test::query_store;
using test::ScenarioRun;
using testing::HasSubstr;
using testing::IsEmpty;

// Slow workers of different speeds, with links of 24 Mbit/s down and 8, 16, ... Mbit/s up, and
// a server of 20 Mbit/s.
std::shared_ptr<Setting> unequal(int workers) {
  auto setting = setting_of(workers);
  platforms::Link link{.down_bps = 2e7, .up_bps = 2e7, .latency_s = 0.01};
  setting->nodes.front().link = link;
  for (int i = 1; i <= workers; ++i) {
    NodeSetting& node = setting->nodes[i];
    node.name = fmt::format("n{}", i);
    auto machine =
        std::make_shared<platforms::Machine>(test::hand_machine(1e7 * (3 + i), 1e7 * (3 + i)));
    machine->memory = 64e9;
    node.machine = std::move(machine);
    node.link = {.down_bps = 2.4e7, .up_bps = 8e6 * i, .latency_s = 0.01};
  }
  return setting;
}

LocalWork work_of(const Setting& setting) {
  LocalWork work;
  work.weight_epochs = setting.local_epochs;
  work.weight_steps = setting.local_steps;
  return work;
}

std::vector<NodeId> first_nodes(int count) {
  std::vector<NodeId> nodes;
  for (NodeId node = 1; node <= count; ++node) nodes.push_back(node);
  return nodes;
}

std::int64_t parameters_of(const Setting& setting) {
  const engine::Architecture& a = *setting.architecture;
  return std::llround(engine::trace(a, engine::full_submodel(a)).parameters());
}

std::unique_ptr<Schedule> made(const std::shared_ptr<const Setting>& setting,
                               const std::string& keys = "") {
  return read_kind(schedules::partitioned(), keys).make(setting);
}

std::string refusal(const std::shared_ptr<const Setting>& setting, const std::string& keys = "") {
  try {
    made(setting, keys);
  } catch (const base::UserError& e) {
    return e.what();
  }
  return "";
}

// --- the plan -----------------------------------------------------------------------------------

TEST(PartitionedSchedule, BlocksTileTheModelAndAllEndTogether) {
  const auto setting = unequal(4);
  const PartitionedRound round =
      plan_round(*setting, first_nodes(4), work_of(*setting), false, std::nullopt);
  ASSERT_EQ(round.parts.size(), 4);
  std::int64_t next = 0;
  double up = 0;
  double down = 0;
  for (const PartitionedRound::Part& part : round.parts) {
    EXPECT_EQ(part.block.first, next);
    next += part.block.parameters;
    up += part.block.upload_bytes_per_s;
    down += part.block.download_bytes_per_s;
    EXPECT_LE(part.block.upload_bytes_per_s, setting->nodes[part.node].link.up_bps / 8 + 1e-6);
    // Blocks are whole parameters, and messages whole bytes.
    EXPECT_NEAR(part.seconds, round.seconds, 1e-4) << part.node;
  }
  EXPECT_EQ(next, parameters_of(*setting));
  EXPECT_LE(up, 2e7 / 8 + 1e-3);
  EXPECT_NEAR(down, 2e7 / 8, 1e-3) << "all of the server's link, or of the nodes' links";
}

// A node's part of the download is max-min fair: 1 MB/s on its own link, the others share the rest.
TEST(PartitionedSchedule, DownloadsShareTheServersLinkFairly) {
  const auto setting = unequal(3);
  setting->nodes.front().link.up_bps = 4e7;  // 5 MB/s to three nodes
  setting->nodes[1].link.down_bps = 8e6;
  for (int i = 1; i <= 3; ++i) setting->nodes[i].link.up_bps = 1.6e6;  // all are needed
  const PartitionedRound round =
      plan_round(*setting, first_nodes(3), work_of(*setting), false, std::nullopt);
  ASSERT_EQ(round.parts.size(), 3);
  EXPECT_NEAR(round.parts[0].block.download_bytes_per_s, 1e6, 1e-3);
  EXPECT_NEAR(round.parts[1].block.download_bytes_per_s, 2e6, 1e-3);
  EXPECT_NEAR(round.parts[2].block.download_bytes_per_s, 2e6, 1e-3);
}

// A node that would only slow the round down has no block, and no part of the download.
TEST(PartitionedSchedule, WhoHasNoBlockTakesNoBandwidth) {
  const auto setting = unequal(3);
  setting->nodes[2].link.down_bps = 1e5;
  const auto planned = [&](const std::vector<NodeId>& nodes) {
    return plan_round(*setting, nodes, work_of(*setting), false, std::nullopt);
  };
  const PartitionedRound all = planned({1, 2, 3});
  const PartitionedRound two = planned({1, 3});
  ASSERT_EQ(all.parts.size(), 2);
  EXPECT_EQ(all.parts[0].node, 1);
  EXPECT_EQ(all.parts[1].node, 3);
  EXPECT_EQ(all.seconds, two.seconds);
  EXPECT_EQ(all.parts[0].block, two.parts[0].block);
}

TEST(PartitionedSchedule, ASharedBandwidthOfTheScenarioCounts) {
  const auto setting = unequal(3);
  const auto up = [&](std::optional<double> mbps) {
    double sum = 0;
    for (const auto& part :
         plan_round(*setting, first_nodes(3), work_of(*setting), false, mbps).parts) {
      sum += part.block.upload_bytes_per_s;
    }
    return sum;
  };
  EXPECT_NEAR(up(4), 4e6 / 8, 1);
  EXPECT_NEAR(up(std::nullopt), 2e7 / 8, 1);
  setting->nodes.front().link.duplex = platforms::Duplex::half;
  EXPECT_NEAR(up(std::nullopt), 1e7 / 8, 1) << "half for each direction";
}

// Of the passes of a batch: all of the forward pass, half of the backward pass at least.
TEST(PartitionedSchedule, ABlockComputesTheForwardPassAndItsPartOfTheRest) {
  const auto setting = unequal(1);
  const LocalWork work = work_of(*setting);
  const BlockCost cost = block_cost(*setting, setting->nodes[1], work, false);
  LocalUpdates updates(setting);
  const Activity whole = updates.of(1, work)->graph.activities()[1];
  EXPECT_NEAR(cost.compute_s(cost.parameters), whole.seconds, 1e-9 * whole.seconds);
  EXPECT_NEAR(cost.fixed_flops + static_cast<double>(cost.parameters) * cost.flops_per_parameter,
              whole.flops, 1e-9 * whole.flops);
  EXPECT_GT(cost.fixed_s, whole.seconds / 3);
  EXPECT_LT(cost.fixed_s, whole.seconds * 0.9);
  EXPECT_EQ(cost.memory, whole.memory);
}

// --- events -------------------------------------------------------------------------------------

struct Range {
  NodeId node;
  double from, to;
};

std::vector<Range> ranges_of(const std::vector<Assign>& assigned, std::size_t first) {
  std::vector<Range> all;
  for (std::size_t i = first; i < assigned.size(); ++i) {
    const engine::TaskBrief& brief = assigned[i].brief;
    all.push_back({assigned[i].worker_node(), brief.block_from.value(), brief.block_to.value()});
  }
  return all;
}

void expect_tiles(const std::vector<Range>& ranges) {
  ASSERT_FALSE(ranges.empty());
  EXPECT_EQ(ranges.front().from, 0);
  EXPECT_EQ(ranges.back().to, 1);
  for (std::size_t i = 1; i < ranges.size(); ++i) {
    EXPECT_EQ(ranges[i].from, ranges[i - 1].to) << "to the bit";
  }
}

// Who is lost: its block is in no version, and the next round is planned without it.
TEST(PartitionedSchedule, ALostBlockIsNotUpdatedAndTheNextRoundIsPlannedAnew) {
  const auto setting = unequal(3);
  Desk desk(made(setting));
  ASSERT_EQ(desk.assigned.size(), 3);
  expect_tiles(ranges_of(desk.assigned, 0));
  const double first_block = desk.assigned[0].brief.block_to.value();
  desk.give({desk.failed(1, Cause::node_lost), {.kind = EventKind::node_lost, .node = 2}});
  desk.give({desk.done(0)});
  EXPECT_THAT(desk.aggregating, IsEmpty()) << "the third is still at work";
  desk.give({desk.done(2)});
  EXPECT_THAT(desk.aggregating, testing::ElementsAre(0, 2));
  desk.give({desk.aggregated()});
  ASSERT_EQ(desk.assigned.size(), 5) << "two are there";
  const auto second = ranges_of(desk.assigned, 3);
  expect_tiles(second);
  EXPECT_EQ(second[0].node, 1);
  EXPECT_EQ(second[1].node, 3);
  EXPECT_GT(second[0].to, first_block) << "those who are there have more";
  // It comes back: all three again, with the blocks of the first round.
  desk.give({{.kind = EventKind::node_joined, .node = 2}});
  desk.give({desk.done(3), desk.done(4)});
  desk.give({desk.aggregated()});
  ASSERT_EQ(desk.assigned.size(), 8);
  EXPECT_EQ(desk.assigned[5].brief.block_to.value(), first_block);
}

TEST(PartitionedSchedule, TheBytesOfARoundsUpdatesAreThoseOfOneModel) {
  const auto setting = unequal(4);
  Desk desk(made(setting));
  double up = 0;
  double down = 0;
  for (const Assign& assign : desk.assigned) {
    EXPECT_EQ(assign.graph->artifacts().back().name, "block");
    for (const Activity& a : assign.graph->activities()) {
      if (a.kind != ActivityKind::transfer) continue;
      EXPECT_GT(a.bytes_per_s, 0);
      if (a.to == 0) up += a.bytes;
      if (a.to != 0) down = a.bytes;
    }
  }
  EXPECT_NEAR(up, down, 4) << "each message is rounded to a byte";
}

// --- whole runs ---------------------------------------------------------------------------------

// As planned, to 1e-9: the shares of the bandwidth bind, and nothing else changes.
void expect_as_planned(const std::string& toml) {
  const Scenario scenario = test::read_or_fail(toml);
  const Setting& setting = *scenario.setting;
  const PartitionedRound planned =
      plan_round(setting, first_nodes(setting.workers()), work_of(setting), false, std::nullopt);
  ASSERT_EQ(planned.parts.size(), 3);
  const ScenarioRun run(toml);
  ASSERT_EQ(run.result().status, RunStatus::done) << run.result().cause;
  for (const PartitionedRound::Part& part : planned.parts) {
    const auto ends = query_store(
        run.folder(), fmt::format("SELECT ended_s FROM task WHERE node = {} AND kind = 'update' "
                                  "ORDER BY id LIMIT 1",
                                  part.node));
    ASSERT_EQ(ends.size(), 1);
    EXPECT_NEAR(std::stod(ends[0]), part.seconds, 1e-9 * planned.seconds) << part.node;
  }
  const auto last = run.activities("upload");
  double end = 0;
  for (const auto& upload : last) {
    if (upload.task < static_cast<std::int64_t>(planned.parts.size())) {
      end = std::max(end, upload.end_s);
    }
  }
  EXPECT_NEAR(end, planned.seconds, 1e-9 * planned.seconds);
}

constexpr const char* two_links = "duplex = \"full\", down_bps = 1.2e7, up_bps = 1e7";

TEST(PartitionedSchedule, ARoundTakesAsLongAsPlannedWithCostsByHand) {
  expect_as_planned(test::simple_scenario(
      {.nodes = {"", "link = { duplex = \"full\", down_bps = 4e6, up_bps = 3e6 }", ""},
       .schedule = "kind = \"partitioned\"",
       .stop = "rounds = 1",
       .server_link = two_links}));
}

TEST(PartitionedSchedule, ARoundTakesAsLongAsPlannedWithCostsOfAModel) {
  expect_as_planned(R"(
[fleet]
server = { link = { duplex = "full", down_bps = 6e6, up_bps = 9e6, latency_s = 0.002 } }
[[fleet.nodes]]
device = "jetson-nano"
samples = 100
link = { duplex = "full", down_bps = 4e6, up_bps = 2e6, latency_s = 0.01 }
[[fleet.nodes]]
device = "jetson-agx-orin-64gb"
samples = 150
count = 2
link = { duplex = "full", down_bps = 8e6, up_bps = 2.5e6 }
[model]
architecture = "cnn-small"
[schedule]
kind = "partitioned"
[stop]
rounds = 1
)");
}

// A node is lost during its upload, and comes back: no version has a block twice, and none has more
// than one model's bytes.
TEST(PartitionedSchedule, NothingIsCountedTwiceWhenANodeComesAndGoes) {
  const ScenarioRun run(test::simple_scenario(
      {.nodes = {"", "outages = [{ at_s = 3, for_s = 4 }, { at_s = 17, for_s = 5 }]", ""},
       .schedule = "kind = \"partitioned\"",
       .stop = "rounds = 6",
       .server_link = two_links}));
  ASSERT_EQ(run.result().status, RunStatus::done) << run.result().cause;
  EXPECT_THAT(
      query_store(run.folder(),
                  "SELECT aggregated_version, SUM(bytes_up) FROM task WHERE kind = 'update' "
                  "AND aggregated_version IS NOT NULL GROUP BY aggregated_version HAVING "
                  "SUM(bytes_up) > 1e6 + 4 OR COUNT(*) <> COUNT(DISTINCT node)"),
      IsEmpty());
  EXPECT_GE(std::stoi(query_store(run.folder(),
                                  "SELECT COUNT(*) FROM task WHERE outcome = "
                                  "'node_lost'")[0]),
            1);
  EXPECT_EQ(query_store(run.folder(), "SELECT COUNT(*) FROM aggregation")[0], "6");
}

// --- what is refused ----------------------------------------------------------------------------

TEST(PartitionedSchedule, OptionsThatCannotBeHadWithBlocksAreRefused) {
  const auto setting = unequal(2);
  EXPECT_EQ(refusal(setting), "");
  EXPECT_THAT(refusal(setting, "compression = { keep = 0.5 }"), HasSubstr("schedule.compression"));
  EXPECT_THAT(refusal(setting, "aggregation = { rule = \"holders-by-label\" }"),
              HasSubstr("by the labels"));
  EXPECT_THAT(refusal(setting, "[schedule.partitioned]\nbandwidth_mbps = 30"),
              HasSubstr("the server's link has 20 Mbit/s"));
  EXPECT_EQ(refusal(setting, "[schedule.partitioned]\nbandwidth_mbps = 20"), "");
  std::string problems;
  read_kind(schedules::partitioned(), "[schedule.partitioned]\nbandwidth_mbps = 0", &problems);
  EXPECT_THAT(problems, HasSubstr("bandwidth_mbps"));
}

TEST(PartitionedSchedule, FiguresWithoutAPlanAreRefused) {
  auto setting = unequal(2);
  setting->nodes[2].link.up_bps = 0;
  EXPECT_THAT(refusal(setting), HasSubstr("node n2: its link has no rate"));
  setting = unequal(2);
  setting->nodes.front().link = {};
  EXPECT_THAT(refusal(setting), HasSubstr("schedule.partitioned.bandwidth_mbps"));
  EXPECT_EQ(refusal(setting, "[schedule.partitioned]\nbandwidth_mbps = 20"), "");
  setting = unequal(2);
  setting->fixed = FixedCost{.compute_s = 0, .download_bytes = 1e6, .upload_bytes = 1e6};
  EXPECT_THAT(refusal(setting), HasSubstr("compute_s"));
}

}  // namespace
}  // namespace convoy::sim
