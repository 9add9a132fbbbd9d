// Tests plans of pipelines made by hand, what is refused of them, and which weights move between
// two plans.

#include "sim/schedule/pipeline_moves.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "tests/support/pipeline_fleet.hpp"

namespace convoy::sim {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr const char* hand_made = R"([schedule.pipeline]
microbatch = 8
microbatches = 5
[[schedule.pipeline.stages]]
to = "block3"
nodes = ["nano", "tx2-1"]
samples = [1, 1, 6]
[[schedule.pipeline.stages]]
nodes = "xavier"
)";

TEST(PipelineByHand, IsRunAsGivenAndStandsBesideThePlanners) {
  const auto setting = boards_setting(five);
  const auto schedule = made(schedules::asteroid(), setting, hand_made);
  const auto explained = std::get<PipelineExplanation>(schedule->explain(false).value());
  ASSERT_EQ(explained.plan.stages.size(), 2U);
  EXPECT_TRUE(explained.plan.by_hand);
  EXPECT_EQ(explained.plan.stages[0].last_name, "block3");
  EXPECT_EQ(explained.plan.stages[0].members[2].samples, 6);
  EXPECT_EQ(explained.plan.stages[1].members[0].samples, 4);  // equal devices
  EXPECT_EQ(explained.plan.stages[0].window, 3);
  ASSERT_TRUE(explained.planned);
  EXPECT_FALSE(explained.planned->by_hand);
}

TEST(PipelineByHand, BadPlansAreRefused) {
  const auto setting = boards_setting(five);
  const auto said = [&](const std::string& stages) {
    return refused(schedules::asteroid(), setting, stages);
  };
  const std::string first =
      "[[schedule.pipeline.stages]]\nto = \"block3\"\nnodes = \"nano\"\n"
      "[[schedule.pipeline.stages]]\n";
  EXPECT_THAT(said(first + "nodes = \"tx2\"\nto = \"block6\"\n"),
              AllOf(HasSubstr("behind \"block6\""), HasSubstr("nobody has the layers")));
  EXPECT_THAT(said(first + "nodes = \"tx2\"\nto = \"block2\"\n"),
              AllOf(HasSubstr("stages.1.to"), HasSubstr("no layers")));
  EXPECT_THAT(said(first + "nodes = []\n"),
              AllOf(HasSubstr("stages.1.nodes"), HasSubstr("nobody computes")));
  EXPECT_THAT(said(first + "nodes = \"nano-2\"\n"), HasSubstr("nano-2 has a stage already"));
  EXPECT_THAT(said(first + "nodes = \"nono-2\"\n"), HasSubstr("did you mean"));
  EXPECT_THAT(said(first + "nodes = \"tx2\"\nto = \"blok4\"\n"), HasSubstr("did you mean"));
  EXPECT_THAT(said(first + "nodes = \"tx2\"\nsamples = [3, 5]\n"), HasSubstr("2 numbers"));
  EXPECT_THAT(said(first + "nodes = \"tx2\"\nsamples = [3]\n"),
              AllOf(HasSubstr("schedule.pipeline.stages"), HasSubstr("8")));
  EXPECT_THAT(said("[schedule.pipeline]\nmicrobatch = 4096\n" + first + "nodes = \"xavier\"\n"),
              AllOf(HasSubstr("stages.0"), HasSubstr("do not hold")));
}

TEST(PipelineMoves, BringEachDeviceTheLayersThatItLacks) {
  const auto setting = boards_setting(five);
  const auto read = [&](const std::string& keys) {
    base::Diagnostics problems;
    const base::Value root = base::parse_toml("[pipeline]\n" + keys, "t", problems);
    base::TableReader reader(root, "schedule", problems);
    return read_pipeline_keys(reader);
  };
  const std::string names[] = {"nano-1", "nano-2", "tx2-1", "xavier-1", "xavier-2"};
  const auto planned = [&](const std::string& stages) {
    PipelinePlanner planner(
        setting, read(stages),
        {.kind = "test", .plan = [](const PipelineProblem&) { return PipelinePlan(); }});
    return std::pair(planner, planner.plan(planner.workers(), ByNode<double>(6, 1.0)));
  };
  const auto stage = [&](const std::string& to, const std::string& nodes) {
    return "[[pipeline.stages]]\nto = \"" + to + "\"\nnodes = [" + nodes + "]\n";
  };
  const auto [planner, from] =
      planned(stage("block2", "\"nano-1\"") + stage("block5", "\"tx2-1\", \"xavier-1\"") +
              stage("end", "\"xavier-2\""));
  const auto to =
      planned(stage("block3", "\"nano-2\"") + stage("end", "\"tx2-1\", \"xavier-2\"")).second;
  const PipelineModel& model = *planner.model();
  const int block2 = model.read("block2", "");
  const int block3 = model.read("block3", "");
  const int block5 = model.read("block5", "");
  const int all = model.layers();
  ByNode<bool> present(6, true);
  const auto moved = [&](bool replicates) {
    std::map<std::pair<NodeId, NodeId>, double> bytes;
    for (const NodeMove& move : direct_moves(model, {from, present, replicates}, to)) {
      EXPECT_FALSE(move.through_server);
      bytes[{move.from, move.to}] += move.bytes;
    }
    return bytes;
  };
  // nano-1 is 1, nano-2 is 2, tx2-1 is 3, xavier-1 is 4, xavier-2 is 5.
  std::map<std::pair<NodeId, NodeId>, double> expected = {
      {{1, 2}, model.copy_bytes({0, block2})},
      {{3, 2}, model.copy_bytes({block2, block3})},
      {{5, 3}, model.copy_bytes({block5, all})},
      {{3, 5}, model.copy_bytes({block3, block5})}};
  EXPECT_EQ(moved(false), expected);
  // A device of the group is left; of a single one there is a copy, or what the server has.
  present[1] = false;
  present[3] = false;
  expected = {{{4, 2}, model.copy_bytes({block2, block3})},
              {{5, 3}, model.copy_bytes({block5, all})},
              {{4, 5}, model.copy_bytes({block3, block5})},
              {{server_node, 2}, model.copy_bytes({0, block2})}};
  EXPECT_EQ(moved(true), expected);
  present[3] = true;
  expected[{3, 2}] = model.copy_bytes({0, block3});  // its copy of the first stage as well
  expected[{3, 5}] = model.copy_bytes({block3, block5});
  expected.erase({4, 2});
  expected.erase({4, 5});
  expected.erase({server_node, 2});
  EXPECT_EQ(moved(true), expected);
  // Through the server: each stage once, then to each device all of its stage.
  double up = 0;
  double down = 0;
  for (const NodeMove& move : gathering_moves(model, {from, present, false}, to)) {
    EXPECT_TRUE(move.through_server);
    (move.to == server_node ? up : down) += move.bytes;
  }
  EXPECT_EQ(up, model.copy_bytes({block2, all}));  // nobody has the first stage's
  EXPECT_EQ(down, model.copy_bytes({0, block3}) + 2 * model.copy_bytes({block3, all}));
}

}  // namespace
}  // namespace convoy::sim
