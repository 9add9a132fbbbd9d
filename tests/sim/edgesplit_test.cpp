// Tests the schedule edgesplit: its plans against exhaustive search and against the times of its
// tasks, sums of shares, cuts by hand, new plans, lost nodes, bad input.

#include "sim/schedule/edgesplit.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <set>

#include "base/random.hpp"
#include "engine/model/stage.hpp"
#include "sim/schedule/kinds.hpp"
#include "tests/sim/plan/split_problems.hpp"
#include "tests/support/read_kind.hpp"
#include "tests/support/split_desk.hpp"

namespace convoy::sim {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

std::unique_ptr<Schedule> made(const std::string& keys, const std::shared_ptr<Setting>& setting) {
  return read_kind(schedules::edgesplit(), "[schedule.edgesplit]\n" + keys).make(setting);
}

std::string refused(const std::string& keys, const std::shared_ptr<Setting>& setting) {
  try {
    made(keys, setting);
  } catch (const base::UserError& error) {
    return error.what();
  }
  return "nothing was refused";
}

std::optional<SplitExplanation> explained_by(const Schedule& schedule, bool compare) {
  return std::get<SplitExplanation>(schedule.explain(compare).value());
}

// What the planner's problem of all nodes should be, from the costs of split tasks alone.
SplitProblem problem_by_hand(const Setting& setting, bool server_is_shared) {
  const engine::Trace trace =
      engine::trace(*setting.architecture, engine::full_submodel(*setting.architecture));
  SplitProblem problem{
      .bandwidth_bytes_per_s =
          std::min(setting.nodes.front().link.up_bps, setting.nodes.front().link.down_bps) / 8,
      .server_is_shared = server_is_shared};
  for (std::size_t i = 1; i < setting.nodes.size(); ++i) {
    const NodeSetting& node = setting.nodes[i];
    SplitDevice device{.name = node.name.of(static_cast<NodeId>(i)),
                       .memory_bytes = node.machine->memory,
                       .link_bytes_per_s = std::min(node.link.up_bps, node.link.down_bps) / 8,
                       .latency_s = node.link.latency_s + setting.nodes.front().link.latency_s};
    for (const int cut : engine::cuts(trace)) {
      if (engine::parameters(trace, {0, cut}) == 0) continue;
      LocalWork work{.weight_epochs = setting.local_epochs};
      work.split = SplitWork{.cut = cut};
      const SplitCost cost = split_cost(setting, node, work);
      device.cuts.push_back({.name = std::to_string(cut),
                             .device_s = cost.node_s,
                             .server_s = cost.server_s,
                             .bytes = cost.bytes_up + cost.bytes_down,
                             .messages = cost.messages,
                             .device_bytes = cost.node_memory,
                             .server_bytes = cost.server_memory});
    }
    problem.devices.push_back(std::move(device));
  }
  return problem;
}

double longest(const std::map<NodeId, double>& took) {
  double most = 0;
  for (const auto& [node, seconds] : took) most = std::max(most, seconds);
  return most;
}

double limit_of(const Assign& task) {
  double limit = -1;
  for (const Activity& a : task.graph->activities()) {
    if (a.kind != ActivityKind::transfer) continue;
    EXPECT_TRUE(limit < 0 || a.bytes_per_s == limit) << "one limit for all of a task's transfers";
    limit = a.bytes_per_s;
  }
  return limit;
}

double share_of(const Assign& task) {
  double share = 0;
  for (const Activity& a : task.graph->activities()) {
    if (a.kind == ActivityKind::compute && a.at == 0) share = std::max(share, a.share);
  }
  return share;
}

int cut_of(const Assign& task) {
  for (const Activity& a : task.graph->activities()) {
    if (const auto* forward = std::get_if<engine::Forward>(&a.work); forward && a.at == 1) {
      return forward->last;
    }
  }
  return -1;
}

// All limits and shares of the tasks under way keep within what there is.
void expect_within(const SplitRounds& rounds, double bandwidth) {
  double limits = 0;
  double shares = 0;
  for (const auto& [node, task] : rounds.tasks()) {
    EXPECT_GT(limit_of(task), 0);
    EXPECT_LE(limit_of(task), rounds.truth[node].link_bytes_per_s * (1 + 1e-12));
    limits += limit_of(task);
    shares += share_of(task);
  }
  EXPECT_LE(limits, bandwidth * (1 + 1e-12));
  EXPECT_LE(shares, 1 + 1e-12);
}

// Unequal speeds, links and memories; the first cut fits every node.
std::vector<SplitNode> random_nodes(std::uint64_t seed) {
  base::Random random({seed, 0x6573706cULL});
  std::vector<SplitNode> nodes;
  for (int i = 0; i < 3; ++i) {
    nodes.push_back({"n-" + std::to_string(i), 3e7 * std::exp(6 * random.uniform()),
                     2e5 * std::exp(3 * random.uniform()),
                     (random.below(2) == 0 ? 4.5e5 : 1e9) * (1 + 0.5 * random.uniform())});
  }
  return nodes;
}

TEST(EdgeSplitSchedule, PlansWhatExhaustiveSearchFinds) {
  std::set<int> cuts;
  for (std::uint64_t seed = 0; seed < 12; ++seed) {
    const auto setting = split_setting(random_nodes(seed), 1e6);
    SplitRounds rounds(made("server = \"not\"\n", setting), *setting);
    for (const auto& [node, task] : rounds.tasks()) cuts.insert(cut_of(task));
    expect_within(rounds, 1e6);
    const double round_s = longest(rounds.play());
    double best = std::numeric_limits<double>::infinity();
    const SplitProblem problem = problem_by_hand(*setting, false);
    const std::vector<double> whole(3, 1);
    split_problems::for_each_choice(problem, [&](const std::vector<std::size_t>& choice) {
      best = std::min(best, split_problems::round_of(problem, choice, whole));
    });
    EXPECT_NEAR(round_s / best, 1, 1e-9) << seed;
  }
  EXPECT_GT(cuts.size(), 2U) << "all cases had the same cuts";
}

TEST(EdgeSplitSchedule, SharesTheServerNearlyAsExhaustiveSearch) {
  for (std::uint64_t seed = 0; seed < 3; ++seed) {
    std::vector<SplitNode> nodes = random_nodes(seed);
    for (SplitNode& node : nodes) node.memory = 64e9;
    const auto setting = split_setting(nodes, 1e6, "mlp");
    auto slow_server = std::make_shared<platforms::Machine>(*setting->nodes.front().machine);
    *slow_server = convoy::test::hand_machine(5e9, 1e11);
    setting->nodes.front().machine = slow_server;
    SplitRounds rounds(made("", setting), *setting);
    expect_within(rounds, 1e6);
    const double round_s = longest(rounds.play());
    double best = std::numeric_limits<double>::infinity();
    const SplitProblem problem = problem_by_hand(*setting, true);
    split_problems::for_each_choice(problem, [&](const std::vector<std::size_t>& choice) {
      best = std::min(best, split_problems::round_of_three(problem, choice));
    });
    EXPECT_LE(round_s, 1.02 * best) << seed;
  }
}

TEST(EdgeSplitSchedule, PredictsWhatItsTasksTake) {
  for (const char* keys :
       {"", "server = \"not\"\n", "share = \"equal\"\n", "labels = \"device\"\n",
        "recompute = true\n", "share = { slow-device = 0.2, mid = 0.3, fast-1 = 0.5 }\n",
        "cuts = { slow-1 = \"block1\" }\n", "bandwidth_mbps = 8\n"}) {
    const auto setting = split_setting(three_nodes(), 3e6);
    const auto explained = explained_by(*made(keys, setting), false);
    ASSERT_TRUE(explained);
    SplitRounds rounds(made(keys, setting), *setting);
    expect_within(rounds, std::string(keys).starts_with("bandwidth") ? 1e6 : 3e6);
    ASSERT_EQ(rounds.desk.planned.size(), 1U);
    EXPECT_EQ(rounds.desk.planned[0].cause, "first");
    for (int round = 0; round < 3; ++round) {
      const std::map<NodeId, double> took = rounds.play();
      ASSERT_EQ(explained->plan.rows.size(), took.size()) << keys;
      for (const SplitRow& row : explained->plan.rows) {
        EXPECT_NEAR(took.at(row.node) / row.predicted_s, 1, 1e-9) << keys << row.node;
      }
      EXPECT_NEAR(longest(took) / explained->plan.round_s, 1, 1e-9) << keys;
    }
    EXPECT_EQ(rounds.desk.planned.size(), 1U) << "nothing has changed: " << keys;
  }
}

// Links with unequal directions, of nodes and of the server: every transfer has the rate that the
// plan says for its direction, and with it the task takes what the plan predicts.
TEST(EdgeSplitSchedule, EachDirectionHasTheRateOfThePlan) {
  int different = 0;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    base::Random random({seed, 0x64697265ULL});
    const auto setting = split_setting(random_nodes(seed), 1e6);
    for (std::size_t i = 0; i < setting->nodes.size(); ++i) {
      NodeSetting& node = setting->nodes[i];
      node.link.up_bps *= 0.3 + random.uniform();
      node.link.down_bps *= 0.3 + 2 * random.uniform();
    }
    for (const std::string keys : {"", "hold = \"guarantee\"\n", "share = \"equal\"\n"}) {
      SplitRounds rounds(made(keys, setting), *setting);
      const PlanRecord plan = read_plan(rounds.desk.planned.at(0).plan);
      double up = 0;
      double down = 0;
      double server = 0;
      for (const PlannedNode& node : plan.nodes) {
        const platforms::Link& link = setting->nodes[node.node].link;
        const Assign task = rounds.tasks().at(node.node);
        double seconds = 0;
        for (const Activity& a : task.graph->activities()) {
          const bool is_guarantee = keys.starts_with("hold");
          if (a.kind == ActivityKind::transfer) {
            EXPECT_EQ(a.bytes_per_s, a.to == 0 ? node.up_bytes_per_s : node.down_bytes_per_s);
            EXPECT_EQ(a.at_least, is_guarantee);
            seconds +=
                a.bytes / a.bytes_per_s + link.latency_s + setting->nodes.front().link.latency_s;
          } else {
            EXPECT_EQ(a.at_least, is_guarantee && a.share > 0);
            seconds += a.share > 0 ? a.seconds / a.share : a.seconds;
          }
        }
        if (keys.starts_with("hold")) {
          EXPECT_LE(node.predicted_s, seconds * (1 + 1e-9)) << "at most what is guaranteed";
        } else {
          EXPECT_NEAR(node.predicted_s / seconds, 1, 1e-9) << seed << keys;
        }
        EXPECT_LE(node.up_bytes_per_s, link.up_bps / 8 * (1 + 1e-12));
        EXPECT_LE(node.down_bytes_per_s, link.down_bps / 8 * (1 + 1e-12));
        different += node.up_bytes_per_s != node.down_bytes_per_s ? 1 : 0;
        up += node.up_bytes_per_s;
        down += node.down_bytes_per_s;
        server += node.server_share;
      }
      EXPECT_LE(up, setting->nodes.front().link.down_bps / 8 * (1 + 1e-12));
      EXPECT_LE(down, setting->nodes.front().link.up_bps / 8 * (1 + 1e-12));
      EXPECT_LE(server, 1 + 1e-12);
    }
  }
  EXPECT_GT(different, 100);
}

// Cuts as with guarantees, and tasks without rates and shares; waiting for others is no slow link.
TEST(EdgeSplitSchedule, WhereNothingHoldsCutsAloneArePlanned) {
  const auto setting = split_setting(three_nodes(), 3e6);
  SplitRounds rounds(made("hold = \"nothing\"\n", setting), *setting);
  const SplitRounds guaranteed(made("hold = \"guarantee\"\n", setting), *setting);
  for (const auto& [node, task] : rounds.tasks()) {
    EXPECT_EQ(limit_of(task), 0);
    EXPECT_EQ(share_of(task), 0);
    EXPECT_EQ(cut_of(task), cut_of(guaranteed.tasks().at(node)));
  }
  rounds.truth[1].link_bytes_per_s = 1e5;
  rounds.play();
  EXPECT_EQ(rounds.desk.planned.size(), 1U);
  rounds.truth[1].speed = 0.2;
  rounds.play();
  EXPECT_EQ(rounds.desk.planned.size(), 2U) << "a device's own speed is known";
  for (const PlannedNode& node : read_plan(rounds.desk.planned.back().plan).nodes) {
    EXPECT_EQ(node.up_bytes_per_s, 0);
    EXPECT_EQ(node.server_share, 0);
  }
}

// With guarantees a link that is faster than guaranteed is known to be as fast as it was seen.
TEST(EdgeSplitSchedule, WithGuaranteesALinkThatRecoversIsSeen) {
  const auto setting = split_setting(three_nodes(), 3e6);
  SplitRounds rounds(made("hold = \"guarantee\"\nreplan = { probe_after = 1000 }\n", setting),
                     *setting);
  const double first = limit_of(rounds.tasks().at(1));
  rounds.truth[1].link_bytes_per_s = first / 4;
  rounds.play();
  EXPECT_LE(limit_of(rounds.tasks().at(1)), first / 4 * (1 + 1e-9));
  rounds.truth[1].link_bytes_per_s = 2e6;
  for (int round = 0; round < 3; ++round) rounds.play();
  EXPECT_NEAR(limit_of(rounds.tasks().at(1)), first, 0.25 * first);
}

TEST(EdgeSplitSchedule, TellsTheLayersBytesAndMemoriesOfItsTasks) {
  const auto setting = split_setting(three_nodes(), 3e6);
  const auto explained = explained_by(*made("labels = \"device\"\n", setting), false);
  const engine::Trace trace =
      engine::trace(*setting->architecture, engine::full_submodel(*setting->architecture));
  EXPECT_EQ(explained->layers, engine::whole(trace).last);
  EXPECT_EQ(explained->bandwidth_bytes_per_s, 3e6);
  for (const SplitRow& row : explained->plan.rows) {
    EXPECT_EQ(row.tail, engine::cuts(trace).back());
    EXPECT_LT(row.cut, row.tail);
    EXPECT_EQ(engine::cut_after(trace, row.cut_name), row.cut);
    LocalWork work{.weight_epochs = 1};
    work.split = SplitWork{.cut = row.cut, .tail = row.tail};
    const SplitCost cost = split_cost(*setting, setting->nodes[row.node], work);
    EXPECT_EQ(row.activation_bytes, cost.activation_bytes);
    EXPECT_EQ(row.gradient_bytes, cost.gradient_bytes);
    EXPECT_EQ(row.node_bytes, cost.node_memory);
    EXPECT_EQ(row.server_bytes, cost.server_memory);
    EXPECT_FALSE(row.by_hand);
  }
  EXPECT_LE(*explained->plan.lower_bound_s, explained->plan.round_s);
  EXPECT_FALSE(explained->planned);
  EXPECT_TRUE(explained->alternatives.empty());
}

TEST(EdgeSplitSchedule, ComparesWithOtherWaysToSplit) {
  const auto setting = split_setting(three_nodes(), 3e6);
  const auto explained = explained_by(*made("server = \"not\"\n", setting), true);
  ASSERT_EQ(explained->alternatives.size(), 5U);
  for (const SplitAlternative& other : explained->alternatives) {
    ASSERT_TRUE(other.round_s) << other.name << other.why_not;
    EXPECT_GE(*other.round_s, explained->plan.round_s * (1 - 1e-9)) << other.name;
    EXPECT_EQ(other.cuts.size(), 3U);
  }
  EXPECT_GE(*explained->alternatives[0].round_s, *explained->alternatives[1].round_s);
  EXPECT_EQ(std::set(explained->alternatives[0].cuts.begin(), explained->alternatives[0].cuts.end())
                .size(),
            1U);
}

TEST(EdgeSplitSchedule, KeepsCutsMadeByHand) {
  const auto setting = split_setting(three_nodes(), 3e6);
  const engine::Trace trace =
      engine::trace(*setting->architecture, engine::full_submodel(*setting->architecture));
  const int by_hand = engine::cuts(trace)[1];
  const std::string name = engine::name_of_cut(trace, by_hand);
  for (const std::string& keys :
       {"cuts = { slow-1 = \"" + name + "\" }\n",
        "cuts = { slow = " + std::to_string(by_hand) + " }\n",
        "cuts = { slow-device = \"" + name + "\" }\n", "cuts = \"" + name + "\"\n"}) {
    SplitRounds rounds(made(keys, setting), *setting);
    EXPECT_EQ(cut_of(rounds.tasks().at(1)), by_hand) << keys;
    rounds.truth[1].speed = 0.3;
    rounds.play();
    EXPECT_EQ(rounds.desk.planned.size(), 2U);
    EXPECT_EQ(cut_of(rounds.tasks().at(1)), by_hand) << "in a new plan, too";
    // The shares are those for this cut.
    const PlanRecord planned = read_plan(rounds.desk.planned.back().plan);
    EXPECT_EQ(planned.nodes[0].cut_name, name);
    EXPECT_NEAR(longest(rounds.play()) / planned.round_s, 1, 1e-9) << keys;
    const auto explained = explained_by(*made(keys, setting), false);
    EXPECT_TRUE(explained->plan.rows[0].by_hand);
    ASSERT_TRUE(explained->planned);
    EXPECT_LE(explained->planned->round_s, explained->plan.round_s * (1 + 1e-9));
    EXPECT_FALSE(explained->plan.lower_bound_s);
    EXPECT_TRUE(explained->planned->lower_bound_s);
  }
}

TEST(EdgeSplitSchedule, PlansAnewForANodeThatThrottles) {
  const auto setting = split_setting(three_nodes(), 3e6);
  SplitRounds rounds(made("", setting), *setting);
  rounds.truth[1].speed = 0.9;  // within replan.change
  rounds.play();
  EXPECT_EQ(rounds.desk.planned.size(), 1U);
  rounds.truth[1].speed = 0.4;
  const double before = longest(rounds.play());
  ASSERT_EQ(rounds.desk.planned.size(), 2U);
  EXPECT_EQ(rounds.desk.planned[1].cause, "change");
  expect_within(rounds, 3e6);
  const double after = longest(rounds.play());
  EXPECT_LT(after, before);
  for (int round = 0; round < 4; ++round) rounds.play();
  EXPECT_EQ(rounds.desk.planned.size(), 2U) << "nothing has changed since";
  rounds.truth[1].speed = 1;
  rounds.play();
  EXPECT_EQ(rounds.desk.planned.size(), 3U) << "it is fast again";
}

TEST(EdgeSplitSchedule, SeesALinkThatSlowsDownAndOneThatRecovers) {
  const auto setting = split_setting(three_nodes(), 3e6);
  SplitRounds rounds(made("replan = { probe_after = 3 }\n", setting), *setting);
  const double first = limit_of(rounds.tasks().at(1));
  const double real = first / 4;
  rounds.truth[1].link_bytes_per_s = real;
  const double slow = longest(rounds.play());
  ASSERT_EQ(rounds.desk.planned.size(), 2U);
  EXPECT_LE(limit_of(rounds.tasks().at(1)), real * (1 + 1e-9));
  EXPECT_LT(longest(rounds.play()), slow);
  // It is tried at twice its rate after three tasks, in vain, and again.
  std::vector<double> limits;
  for (int round = 0; round < 8; ++round) {
    limits.push_back(limit_of(rounds.tasks().at(1)));
    rounds.play();
  }
  EXPECT_EQ(std::ranges::count_if(limits, [&](double l) { return l > real * (1 + 1e-9); }), 2);
  rounds.truth[1].link_bytes_per_s = 2e6;
  for (int round = 0; round < 16; ++round) rounds.play();
  EXPECT_NEAR(limit_of(rounds.tasks().at(1)), first, 0.25 * first);
}

TEST(EdgeSplitSchedule, NeverObservesWhereItIsToldNotTo) {
  const auto setting = split_setting(three_nodes(), 3e6);
  SplitRounds rounds(made("replan = { observe = 0 }\n", setting), *setting);
  for (const auto& [node, task] : rounds.tasks()) EXPECT_FALSE(task.report_activities);
  rounds.truth[1].speed = 0.1;
  for (int round = 0; round < 3; ++round) rounds.play();
  EXPECT_EQ(rounds.desk.planned.size(), 1U);
  SplitRounds seldom(made("replan = { observe = 3 }\n", setting), *setting);
  std::vector<bool> reports;
  for (int round = 0; round < 4; ++round) {
    reports.push_back(seldom.tasks().at(1).report_activities);
    seldom.play();
  }
  EXPECT_THAT(reports, ElementsAre(true, false, false, true));
}

TEST(EdgeSplitSchedule, PlansAnewAfterAPeriod) {
  const auto setting = split_setting(three_nodes(), 3e6);
  SplitRounds rounds(made("replan = { period_s = 0.001 }\n", setting), *setting);
  rounds.play();
  ASSERT_EQ(rounds.desk.planned.size(), 2U);
  EXPECT_EQ(rounds.desk.planned[1].cause, "period");
  const PlanRecord first = read_plan(rounds.desk.planned[0].plan);
  EXPECT_FALSE(first.old_round_s);
  const PlanRecord second = read_plan(rounds.desk.planned[1].plan);
  ASSERT_TRUE(second.old_round_s);
  EXPECT_NEAR(*second.old_round_s / first.round_s, 1, 1e-12) << "nothing has changed";
  EXPECT_TRUE(second.adopted);
  EXPECT_NEAR(second.round_s / first.round_s, 1, 1e-12);
  ASSERT_EQ(second.nodes.size(), first.nodes.size());
  for (std::size_t i = 0; i < first.nodes.size(); ++i) {
    EXPECT_EQ(second.nodes[i].cut_name, first.nodes[i].cut_name);
    EXPECT_NEAR(second.nodes[i].up_bytes_per_s / first.nodes[i].up_bytes_per_s, 1, 1e-9);
  }
}

// Of every plan: what the record says is what the tasks get, and what they take.
TEST(EdgeSplitSchedule, RecordsEachPlanAsItsTasksHaveIt) {
  const std::string costs = "replan = { cost = \"weights\", ";
  int kept = 0;
  int adopted = 0;
  for (const std::string& keys :
       {std::string(), costs + "horizon_rounds = 0 }\n", costs + "factor = 1e6 }\n",
        std::string("share = \"equal\"\n"), std::string("server = \"not\"\n")}) {
    const auto setting = split_setting(three_nodes(), 3e6);
    SplitRounds rounds(made(keys, setting), *setting);
    double before = 0;  // the last round
    for (const double speed : {1.0, 0.02, 0.02, 1.0, 1.0}) {
      const std::size_t plans = rounds.desk.planned.size();
      const PlanRecord now = read_plan(rounds.desk.planned.back().plan);
      EXPECT_EQ(now.cause, rounds.desk.planned.back().cause);
      (now.adopted ? adopted : kept) += 1;
      ASSERT_EQ(now.nodes.size(), 3U);
      for (const PlannedNode& node : now.nodes) {
        const Assign task = rounds.tasks().at(node.node);
        EXPECT_EQ(node.cut, cut_of(task));
        EXPECT_EQ(node.up_bytes_per_s, limit_of(task));
        EXPECT_EQ(node.server_share, share_of(task));
      }
      EXPECT_LE(now.best_round_s, now.round_s * (1 + 1e-9));
      EXPECT_TRUE(!now.adopted || now.best_round_s == now.round_s);
      rounds.truth[1].speed = speed;
      const std::map<NodeId, double> took = rounds.play();
      if (rounds.desk.planned.size() == plans) {  // the conditions were those of the plan
        for (const PlannedNode& node : now.nodes) {
          EXPECT_NEAR(took.at(node.node) / node.predicted_s, 1, 1e-9) << keys;
        }
      } else {
        const PlanRecord next = read_plan(rounds.desk.planned.back().plan);
        ASSERT_TRUE(next.old_round_s);
        EXPECT_NEAR(*next.old_round_s / longest(took), 1, 1e-9) << keys;
      }
      before = longest(took);
    }
    EXPECT_GT(before, 0);
  }
  EXPECT_GT(kept, 0);
  EXPECT_GT(adopted, 0);
}

// The cuts of all nodes after the first is known to be much slower.
std::vector<int> cuts_after_throttling(const std::string& keys) {
  const auto setting = split_setting(three_nodes(), 3e6);
  SplitRounds rounds(made(keys, setting), *setting);
  rounds.truth[1].speed = 0.02;
  rounds.play();
  EXPECT_EQ(rounds.desk.planned.size(), 2U);
  std::vector<int> cuts;
  for (const auto& [node, task] : rounds.tasks()) cuts.push_back(cut_of(task));
  return cuts;
}

TEST(EdgeSplitSchedule, MovesCutsOnlyWhereTheGainIsWorthTheirCost) {
  const auto setting = split_setting(three_nodes(), 3e6);
  const SplitRounds rounds(made("", setting), *setting);
  std::vector<int> first;
  for (const auto& [node, task] : rounds.tasks()) first.push_back(cut_of(task));
  const std::vector<int> moved = cuts_after_throttling("");
  EXPECT_NE(moved, first) << "each round brings the whole part: a move costs nothing";
  const std::string costs = "replan = { cost = \"weights\", ";
  EXPECT_EQ(cuts_after_throttling(costs + "horizon_rounds = 0 }\n"), first);
  EXPECT_EQ(cuts_after_throttling(costs + "factor = 1e6 }\n"), first);
  EXPECT_EQ(cuts_after_throttling(costs + "horizon_rounds = 1e9 }\n"), moved);
}

TEST(EdgeSplitSchedule, ALostNodesShareGoesToTheOthersInTheNextRound) {
  const auto setting = split_setting(three_nodes(), 3e6);
  SplitRounds rounds(made("", setting), *setting);
  const std::map<NodeId, Assign> before = rounds.tasks();
  // In the middle of its first batch.
  std::vector<Event> events = rounds.events();
  const auto cut_off =
      std::ranges::find_if(events, [](const Event& e) { return e.node == 3 && e.activity == 3; });
  ASSERT_NE(cut_off, events.end());
  const double lost_at = cut_off->time;
  std::erase_if(events, [&](const Event& e) { return e.node == 3 && e.time >= lost_at; });
  events.push_back({.time = lost_at, .kind = EventKind::node_lost, .node = 3});
  events.push_back({.time = lost_at,
                    .kind = EventKind::task_failed,
                    .node = 3,
                    .task = before.at(3).task,
                    .cause = Cause::node_lost});
  rounds.give(std::move(events));
  rounds.publish();
  EXPECT_EQ(rounds.desk.aggregations.at(0).consumes,
            (std::vector<TaskId>{before.at(1).task, before.at(2).task}));
  ASSERT_EQ(rounds.desk.planned.size(), 2U);
  EXPECT_EQ(rounds.desk.planned[1].cause, "devices");
  ASSERT_EQ(rounds.tasks().size(), 2U);
  expect_within(rounds, 3e6);
  auto two = three_nodes();
  two.pop_back();
  const auto explained = explained_by(*made("", split_setting(two, 3e6)), false);
  EXPECT_NEAR(longest(rounds.play()) / explained->plan.round_s, 1, 1e-9);
  // It comes back, and counts once.
  rounds.desk.give({{.time = rounds.now, .kind = EventKind::node_joined, .node = 3}});
  rounds.play();
  ASSERT_EQ(rounds.tasks().size(), 3U);
  rounds.play();
  std::set<TaskId> taken;
  for (const Assign& aggregation : rounds.desk.aggregations) {
    for (const TaskId task : aggregation.consumes) EXPECT_TRUE(taken.insert(task).second) << task;
  }
  EXPECT_FALSE(taken.contains(before.at(3).task));
}

TEST(EdgeSplitSchedule, ANodeThatMissesTheDeadlineIsKnownToBeSlow) {
  const auto setting = split_setting(three_nodes(), 3e6);
  const double round_s = explained_by(*made("", setting), false)->plan.round_s;
  SplitRounds rounds(made("deadline_s = " + std::to_string(2 * round_s) + "\n", setting), *setting);
  std::vector<Event> events;
  for (const auto& [node, task] : rounds.tasks()) {
    if (node == 1) continue;  // of which nothing is heard after its start
    events.push_back(
        {.time = round_s, .kind = EventKind::task_done, .node = node, .task = task.task});
  }
  rounds.give(events);
  rounds.desk.give({{.time = 2 * round_s, .kind = EventKind::timer_fired, .timer = 1}});
  ASSERT_EQ(rounds.desk.cancelled.size(), 1U);
  Event published = rounds.desk.aggregated();
  published.time = 2 * round_s;
  rounds.desk.give({published});
  EXPECT_EQ(rounds.desk.planned.size(), 2U);
  EXPECT_EQ(rounds.desk.planned.back().cause, "change");
}

// The server's aggregation comes between the deadline and the next plan: no device works then.
TEST(EdgeSplitSchedule, AnAggregationIsNoTimeOfANodeThatMissedTheDeadline) {
  const auto setting = split_setting(three_nodes(), 3e6);
  const double round_s = explained_by(*made("", setting), false)->plan.round_s;
  std::set<std::string> plans;
  for (const double aggregation_s : {0.0, 50 * round_s}) {
    SplitRounds rounds(made("deadline_s = " + std::to_string(2 * round_s) + "\n", setting),
                       *setting);
    std::vector<Event> events;
    for (const auto& [node, task] : rounds.tasks()) {
      if (node == 1) continue;
      events.push_back(
          {.time = round_s, .kind = EventKind::task_done, .node = node, .task = task.task});
    }
    rounds.give(events);
    rounds.desk.give({{.time = 2 * round_s, .kind = EventKind::timer_fired, .timer = 1}});
    Event published = rounds.desk.aggregated();
    published.time = 2 * round_s + aggregation_s;
    rounds.desk.give({published});
    ASSERT_EQ(rounds.desk.planned.size(), 2U);
    plans.insert(rounds.desk.planned.back().plan);
  }
  EXPECT_EQ(plans.size(), 1U) << testing::PrintToString(plans);
}

TEST(EdgeSplitSchedule, LeavesOutNodesThatNoPartFits) {
  auto nodes = three_nodes();
  nodes[1].memory = 1000;
  const auto setting = split_setting(nodes, 3e6);
  SplitRounds rounds(made("", setting), *setting);
  EXPECT_EQ(rounds.tasks().size(), 2U);
  EXPECT_FALSE(rounds.tasks().contains(2));
  const auto spec = read_kind(schedules::edgesplit(), "unfit = \"error\"\n");
  EXPECT_THROW(spec.make(setting), base::UserError);
}

TEST(EdgeSplitSchedule, SharesAreThoseThatAreGiven) {
  const auto setting = split_setting(three_nodes(), 3e6);
  const auto limits = [&](const std::string& keys) {
    const SplitRounds rounds(made(keys, setting), *setting);
    std::vector<double> all;
    for (const auto& [node, task] : rounds.tasks()) all.push_back(limit_of(task));
    return all;
  };
  EXPECT_THAT(limits("share = \"equal\"\n"), ElementsAre(1e6, 1e6, 1e6));
  EXPECT_THAT(limits("share = { slow = 0.25, mid = 0.5, fast = 0.25 }\n"),
              ElementsAre(7.5e5, 1e6, 7.5e5));  // the second: its own link's
}

TEST(EdgeSplitSchedule, RefusesWhatCannotBe) {
  const auto setting = split_setting(three_nodes(), 3e6);
  EXPECT_THAT(
      refused("cuts = { slow-1 = \"blok1\" }\n", setting),
      AllOf(HasSubstr("schedule.edgesplit.cuts.slow-1"), HasSubstr("did you mean \"block1\"")));
  EXPECT_THAT(refused("cuts = \"blok1\"\n", setting), HasSubstr("schedule.edgesplit.cuts: "));
  EXPECT_THAT(
      refused("cuts = \"stem\"\n", split_setting(three_nodes(), 3e6, "mlp")),
      AllOf(HasSubstr("nothing to train"), HasSubstr("the nearest cut is \"block0.linear\"")));
  EXPECT_THAT(refused("labels = \"device\"\ncuts = \"exit4.pool\"\n", setting),
              HasSubstr("nothing would be left for the server"));
  EXPECT_THAT(refused("cuts = 9999\n", setting), HasSubstr("the nearest cut is"));
  EXPECT_THAT(refused("cuts = { slwo = \"block1\" }\n", setting),
              AllOf(HasSubstr("\"slwo\""), HasSubstr("did you mean \"slow\"")));
  EXPECT_THAT(refused("share = { slow = 0.5, mid = 0.5, fast = 0.5 }\n", setting),
              AllOf(HasSubstr("the shares of 3 nodes sum to 1.5, and may sum to at most 1"),
                    HasSubstr("lower them")));
  // Only so many have theirs at a time.
  made("participants = 2\nshare = { slow = 0.5, mid = 0.5, fast = 0.5 }\n", setting);
  EXPECT_THAT(refused("participants = 2\nshare = { slow = 0.4, mid = 0.7, fast = 0.5 }\n", setting),
              HasSubstr("the shares of 2 nodes sum to 1.2"));
  EXPECT_THAT(refused("share = { slow = 0.5, mid = 0.5 }\n", setting),
              HasSubstr("node fast-1 has none"));
  EXPECT_THAT(refused("bandwidth_mbps = 25\n", setting),
              HasSubstr("more than the server's link has (24 Mbit/s)"));
  std::string problems;
  read_kind(schedules::edgesplit(), "[schedule.edgesplit]\nshare = { slow = 1.5 }\n", &problems);
  EXPECT_THAT(problems, HasSubstr("schedule.edgesplit.share.slow"));
  // A cut that no device can hold.
  const SplitProblem problem = problem_by_hand(*setting, true);
  const std::vector<Cut>& cuts = problem.devices.front().cuts;
  const auto largest = std::ranges::max_element(cuts, {}, &Cut::device_bytes);
  auto small = three_nodes();
  for (SplitNode& node : small) node.memory = largest->device_bytes - 1;
  const auto tight = split_setting(small, 3e6);
  const std::string said = refused("cuts = " + largest->name + "\n", tight);
  EXPECT_THAT(said, AllOf(HasSubstr("device slow-1"), HasSubstr("the nearest that fits is")));
}

TEST(EdgeSplitSchedule, TheServersMemoryBindsThoseOfARound) {
  const auto setting = split_setting(three_nodes(), 3e6);
  const auto explained = explained_by(*made("", setting), false);
  double all = 0;
  for (const SplitRow& row : explained->plan.rows) all += row.server_bytes;
  auto server = std::make_shared<platforms::Machine>(*setting->nodes.front().machine);
  server->memory = 0.999 * all;
  setting->nodes.front().machine = server;
  const auto tight = explained_by(*made("", setting), false);
  double fits = 0;
  for (const SplitRow& row : tight->plan.rows) fits += row.server_bytes;
  EXPECT_LE(fits, 0.999 * all);
  EXPECT_GE(tight->plan.round_s, explained->plan.round_s * (1 - 1e-12));
  server = std::make_shared<platforms::Machine>(*server);
  server->memory = 1000;
  setting->nodes.front().machine = server;
  EXPECT_THAT(refused("", setting), HasSubstr("the server has"));
}

}  // namespace
}  // namespace convoy::sim
