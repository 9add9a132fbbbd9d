// A run of pipelines as its store tells it: idle times by cause, critical paths, memory over time,
// and the arrows of the Perfetto export.

#include "analysis/pipeline.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <random>
#include <sstream>

#include "analysis/perfetto.hpp"
#include "analysis/report/data.hpp"
#include "tests/support/files.hpp"
#include "tests/support/hand_made_store.hpp"
#include "tests/support/hand_pipeline.hpp"
#include "tests/support/pipeline_store.hpp"
#include "tests/support/seed.hpp"

namespace convoy::analysis {
namespace {

using nlohmann::json;
using sim::PipelineGraph;
using sim::PipelineLabel;
using sim::PipelineOrder;
using test::HandCosts;
using test::PipelineStore;
using test::TemporaryFolder;
using testing::ElementsAre;

constexpr double close_s = 1e-9;

double sum_of(const PipelineDevice& device) {
  return std::accumulate(device.waiting_s.begin(), device.waiting_s.end(), device.computing_s);
}

double waiting(const PipelineDevice& device, PipelineWait cause) {
  return device.waiting_s[static_cast<std::size_t>(cause)];
}

// --- by hand -------------------------------------------------------------------------------------

std::string text_of(const Bubble& b) {
  return fmt::format("{} {:g}-{:g} {}", b.node, b.begin_s, b.end_s,
                     name_of(pipeline_wait_words, b.cause));
}

std::string text_of(const RunTables& run, const PathPiece& piece) {
  const std::string label =
      piece.activity < 0
          ? "nothing"
          : run.labels[run.activities[static_cast<std::size_t>(piece.activity)].label];
  return fmt::format("{}{} {:g}-{:g}", label, piece.waits ? " waits" : "", piece.begin_s,
                     piece.end_s);
}

// Two stages of 1 s forward and 2 s backward, two micro-batches, and links that take 0.5 s.
PipelineGraph by_hand(PipelineOrder order, const sim::PipelineOptions& options = {}) {
  static HandCosts costs;
  costs.forward = {1, 1};
  costs.backward = {2, 2};
  costs.ahead = costs.back = 500'000;
  costs.stash = 1000;
  costs.weights = 100;
  return make_pipeline(test::hand_problem(costs, 2),
                       test::straight(2, 2, test::Windows::remaining, order), options);
}

TEST(Pipeline, BubblesAndPathByHand) {
  const TemporaryFolder folder;
  PipelineStore store(folder.path() / "run");
  store.add(by_hand(PipelineOrder::gpipe), {test::worker(1e6)});
  const RunTables run = read_tables(store.write());
  ASSERT_TRUE(has_pipeline(run));
  const PipelineTables found = read_pipeline(run);
  ASSERT_EQ(found.rounds.size(), 1);
  EXPECT_NEAR(found.rounds[0].end_s, 10, close_s);
  std::vector<std::string> bubbles;
  for (const Bubble& bubble : found.bubbles) bubbles.push_back(text_of(bubble));
  EXPECT_THAT(bubbles, ElementsAre("1 2-5.5 gradient", "1 5.5-6 link", "2 0-1 activation",
                                   "2 1-1.5 link", "2 7.5-10 done"));
  std::vector<std::string> path;
  for (const PathPiece& piece : found.path) path.push_back(text_of(run, piece));
  EXPECT_THAT(path, ElementsAre("F0@0 0-1", "F1@0 1-2", "F1@0>1 2-2.5", "F1@1 2.5-3.5",
                                "B0@1 3.5-5.5", "B1@1 5.5-7.5", "B1@1>0 7.5-8", "B1@0 8-10"));
  ASSERT_EQ(found.devices.size(), 2);
  EXPECT_EQ(found.devices[0].stage, 0);
  EXPECT_EQ(found.devices[1].stage, 1);
  EXPECT_NEAR(waiting(found.devices[0], PipelineWait::gradient), 3.5, close_s);
  EXPECT_NEAR(found.devices[0].computing_s, 6, close_s);
  // Two stashes of 1000 bytes, and three times the weights.
  std::vector<std::string> memory;
  for (const sim::MemoryRow& row : run.memory) {
    if (row.node == 1) memory.push_back(fmt::format("{:g} s: {:g}", row.time_s, row.bytes));
  }
  EXPECT_THAT(memory, ElementsAre("0 s: 1300", "1 s: 2300", "8 s: 1300", "10 s: 0"));
}

TEST(Pipeline, ARunWithoutItsLabelsHasNone) {
  const TemporaryFolder folder;
  test::HandMadeStore store(folder.path() / "run");
  store.node(0, "server").node(1, "a");
  store.compute(1, "train", 0, 1);
  store.transfer(1, 0, "upload", 1, 1);
  const RunTables run = read_tables(store.write());
  EXPECT_FALSE(has_pipeline(run));
  EXPECT_TRUE(run_json(run, "run")["pipeline"].is_null());
  std::stringstream text;
  export_perfetto(folder.path() / "run", text);
  for (const json& event : json::parse(text)["traceEvents"]) EXPECT_NE(event["ph"], "s");
}

// What a killed or hostile run has: a part of a round, numbers that fit nothing, no times.
TEST(Pipeline, AnythingWithSuchLabelsIsRead) {
  std::mt19937_64 random(test::drawn_seed());
  const auto pick = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  const TemporaryFolder folder;
  for (int round = 0; round < 12; ++round) {
    test::HandMadeStore store(folder.path() / std::to_string(round));
    store.node(0, "server").node(1, "a").node(2, "b").node(3, "c");
    constexpr std::array kinds = {"F", "B", "take", "all-reduce", "add", "step", "give", "join"};
    for (int i = 0; i < 60; ++i) {
      std::string label = kinds[static_cast<std::size_t>(pick(8))];
      if (pick(3) > 0) label += std::to_string(pick(4));
      label += "@" + std::to_string(pick(3));
      if (pick(2) == 0) label += ">" + std::to_string(pick(3));
      sim::ActivityRow& row = pick(2) == 0 ? store.compute(pick(4), label, pick(9), pick(4))
                                           : store.transfer(pick(4), pick(4), label, pick(9), 1);
      row.task = pick(2);
      row.iteration = pick(2);
      row.activity = i;
      row.ready_s = std::max(0, static_cast<int>(*row.start_s) - pick(3));
      if (pick(8) == 0) row.start_s.reset();
    }
    const RunTables run = read_tables(store.write());
    const PipelineTables found = read_pipeline(run);
    for (const PipelineDevice& device : found.devices) {
      EXPECT_NEAR(sum_of(device), device.rounds_s, close_s);
    }
    EXPECT_FALSE(run_json(run, "run")["pipeline"].is_null());
    std::stringstream text;
    export_perfetto(folder.path() / std::to_string(round), text);
    EXPECT_TRUE(json::accept(text));
  }
}

// --- at random -----------------------------------------------------------------------------------

class RandomPipelines {
 public:
  explicit RandomPipelines(std::uint64_t seed) : random_(seed) {}

  void add_to(PipelineStore& store) {
    HandCosts& costs = *costs_.emplace_back(std::make_unique<HandCosts>());
    const int stages = 1 + pick(4);
    sim::PipelineProblem problem{.costs = &costs, .devices = {}, .bandwidth_bytes_per_s = {}};
    sim::PipelinePlan plan{.stages = {}, .planner = ""};
    plan.microbatch = 1 + pick(4);
    plan.microbatches = 1 + pick(6);
    plan.order = std::array{PipelineOrder::one_f_one_b, PipelineOrder::gpipe,
                            PipelineOrder::gpipe_reverse}[static_cast<std::size_t>(pick(3))];
    plan.stashes_weights = plan.order == PipelineOrder::one_f_one_b && pick(3) == 0;
    const bool doubled = pick(2) == 0;
    for (int p = 0; p < stages; ++p) {
      costs.forward.push_back(seconds());
      costs.backward.push_back(seconds());
      sim::PipelineStage& stage = plan.stages.emplace_back();
      stage.layers = {p, p + 1};
      const int left = stages - p;
      stage.window = std::min(plan.microbatches, doubled ? 2 * left - 1 : left);
      int samples = plan.microbatch;
      while (samples > 0) {
        const int own = 1 + pick(samples);
        stage.members.push_back({static_cast<int>(problem.devices.size()), own});
        problem.devices.push_back({.name = "d", .kind = pick(3)});
        samples -= own;
      }
    }
    costs.step = pick(2) * 0.3;
    costs.ahead = pick(3) * 1e5 * seconds();
    costs.back = pick(3) * 1e5 * seconds();
    costs.weights = pick(3) * 1e5 * seconds();
    costs.stash = 1000;
    sim::PipelineOptions options;
    options.rounds = plan.stashes_weights ? 1 : 1 + pick(3);
    options.overlaps = pick(2) == 0;
    options.add_s = pick(2) * 1e-7;
    if (pick(3) == 0) options.collect_at = 0;
    const sim::NodeConfig like = test::worker(1e6, pick(2) * 0.01, pick(2));
    store.add(make_pipeline(problem, plan, options), {like});
  }

 private:
  int pick(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }
  double seconds() { return std::uniform_real_distribution(0.1, 2.0)(random_); }

  std::mt19937_64 random_;
  std::vector<std::unique_ptr<HandCosts>> costs_;
};

class RandomRun : public testing::Test {
 protected:
  RandomRun() : store_(folder_.path() / "run"), pipelines_(test::drawn_seed()) {
    for (int i = 0; i < 40; ++i) pipelines_.add_to(store_);
    run_ = read_tables(store_.write());
    found_ = read_pipeline(run_);
  }

  TemporaryFolder folder_;
  PipelineStore store_;
  RandomPipelines pipelines_;
  RunTables run_;
  PipelineTables found_;
};

using RandomPipelineRun = RandomRun;

// Whatever the pipeline: computing and idle times by cause are all of a round's time, bubbles are
// where nothing is computed, and no cause is unknown, as each device has one task.
TEST_F(RandomPipelineRun, IdleTimesByCauseAreTheIdleTime) {
  std::map<std::pair<std::int32_t, std::int32_t>, double> until;  // round, node
  std::map<std::int32_t, double> idle;
  for (const Bubble& bubble : found_.bubbles) {
    const PipelineRound& round = found_.rounds[static_cast<std::size_t>(bubble.round)];
    EXPECT_LT(bubble.begin_s, bubble.end_s);
    EXPECT_GE(bubble.begin_s, round.begin_s);
    EXPECT_LE(bubble.end_s, round.end_s);
    double& last = until.try_emplace({bubble.round, bubble.node}, round.begin_s).first->second;
    EXPECT_GE(bubble.begin_s, last);
    last = bubble.end_s;
    idle[bubble.node] += bubble.end_s - bubble.begin_s;
  }
  ASSERT_FALSE(found_.devices.empty());
  for (const PipelineDevice& device : found_.devices) {
    EXPECT_NEAR(sum_of(device), device.rounds_s, close_s);
    EXPECT_NEAR(device.rounds_s - device.computing_s, idle[device.node], close_s);
    const auto node = static_cast<std::size_t>(device.node);
    EXPECT_NEAR(device.computing_s, store_.usage[node].busy_s, close_s);
    EXPECT_NEAR(waiting(device, PipelineWait::other), 0, close_s) << "node " << device.node;
  }
  for (const Activity& a : run_.activities) {
    if (a.is_transfer()) continue;
    for (const Bubble& bubble : found_.bubbles) {
      if (bubble.node != a.node) continue;
      const double both = std::min(bubble.end_s, a.end_s) - std::max(bubble.begin_s, a.start_s);
      EXPECT_LE(both, close_s);
    }
  }
}

// The path leads through a round without a gap, over activities of which each made the next ready.
TEST_F(RandomPipelineRun, CriticalPathsLeadThroughTheRounds) {
  std::vector<double> until;
  std::size_t through = 0;  // pieces that go from a stage to another
  for (const PipelineRound& round : found_.rounds) until.push_back(round.begin_s);
  const PathPiece* before = nullptr;
  for (const PathPiece& piece : found_.path) {
    double& last = until[static_cast<std::size_t>(piece.round)];
    EXPECT_EQ(piece.begin_s, last);
    last = piece.end_s;
    ASSERT_GE(piece.activity, 0) << "all that it waits for is recorded";
    const Activity& a = run_.activities[static_cast<std::size_t>(piece.activity)];
    EXPECT_NEAR(piece.begin_s, piece.waits ? a.ready_s : a.start_s, close_s);
    EXPECT_NEAR(piece.end_s, piece.waits ? a.start_s : a.end_s, close_s);
    const bool follows = before != nullptr && before->round == piece.round && !before->waits;
    if (follows && !piece.waits) {
      const Activity& p = run_.activities[static_cast<std::size_t>(before->activity)];
      // What it has is there: a chain of hands, not of times. What takes no time is no piece.
      const bool in_no_time = std::ranges::any_of(run_.activities, [&](const Activity& z) {
        return z.task == a.task && z.end_s - z.start_s < close_s &&
               std::abs(z.end_s - a.ready_s) < close_s;
      });
      EXPECT_TRUE(p.node == a.node || p.peer == a.node || a.peer == p.node || in_no_time)
          << run_.labels[p.label] << " then " << run_.labels[a.label];
      const auto& label = found_.labels[static_cast<std::size_t>(a.label)];
      through += label && label->to_stage >= 0 ? 1 : 0;
    }
    before = &piece;
  }
  for (std::size_t i = 0; i < until.size(); ++i) EXPECT_EQ(until[i], found_.rounds[i].end_s);
  EXPECT_GT(through, 0);
}

TEST_F(RandomPipelineRun, MemoryOverTimeHasTheNodesPeaks) {
  std::map<std::int64_t, double> most;
  std::map<std::int64_t, double> last;
  double time = 0;
  for (const sim::MemoryRow& row : run_.memory) {
    EXPECT_GE(row.time_s, time);
    time = row.time_s;
    most[row.node] = std::max(most[row.node], row.bytes);
    last[row.node] = row.bytes;
  }
  for (std::size_t node = 1; node < store_.usage.size(); ++node) {
    const auto id = static_cast<std::int64_t>(node);
    EXPECT_GT(most[id], 0);
    EXPECT_DOUBLE_EQ(most[id], store_.usage[node].peak_memory);
    EXPECT_EQ(last[id], 0) << "all is given back";
  }
}

// The trace event format: each flow has one begin and one end, in the order of time, and each of
// its points is within a slice of its track, which says what it is.
TEST_F(RandomPipelineRun, PerfettosArrowsGoFromWhoMadeItToWhoTakesIt) {
  std::stringstream text;
  export_perfetto(folder_.path() / "run", text);
  const json trace = json::parse(text);
  using Track = std::pair<int, int>;
  std::map<Track, std::vector<json>> slices;
  std::map<std::int64_t, std::vector<json>> flows;
  for (const json& event : trace["traceEvents"]) {
    const std::string ph = event["ph"];
    EXPECT_THAT(ph, testing::AnyOf("M", "X", "i", "C", "s", "t", "f"));
    ASSERT_TRUE(event.contains("pid") && event.contains("name"));
    if (ph == "M") continue;
    EXPECT_GE(event["ts"].get<double>(), 0);
    if (ph == "C") continue;
    const Track track{event["pid"], event["tid"]};
    if (ph == "X") {
      EXPECT_GE(event["dur"].get<double>(), 0);
      slices[track].push_back(event);
    }
    if (ph == "s" || ph == "t" || ph == "f")
      flows[event["id"].get<std::int64_t>()].push_back(event);
  }
  std::size_t moved = 0;
  for (const Activity& a : run_.activities) moved += a.is_transfer() && a.end_s > a.start_s ? 1 : 0;
  EXPECT_GE(flows.size(), moved);  // a transfer that takes no time is no slice, but has an arrow
  for (const auto& [id, points] : flows) {
    ASSERT_GE(points.size(), 2);
    std::vector<std::string> through;
    for (std::size_t i = 0; i < points.size(); ++i) {
      const json& point = points[i];
      EXPECT_EQ(point["ph"], i == 0 ? "s" : i + 1 == points.size() ? "f" : "t");
      EXPECT_EQ(point["cat"], "flow");
      EXPECT_EQ(point["name"], points[0]["name"]);
      if (i > 0) {
        EXPECT_GE(point["ts"].get<double>(), points[i - 1]["ts"].get<double>());
      }
      const double ts = point["ts"];
      for (const json& slice : slices[{point["pid"], point["tid"]}]) {
        const double begin = slice["ts"];
        if (begin < ts && ts < begin + slice["dur"].get<double>()) {
          through.push_back(slice["name"]);
        }
      }
    }
    EXPECT_EQ(points.back()["bp"], "e");
    EXPECT_EQ(through.size(), points.size()) << "one slice at each point";
    const auto label = sim::read_pipeline_label(points[0]["name"].get<std::string>());
    ASSERT_TRUE(label);
    if (label->to_stage < 0) continue;
    PipelineLabel from = *label;
    from.to_stage = -1;
    PipelineLabel to = from;
    to.stage = label->to_stage;
    if (through.size() == 2) {
      EXPECT_THAT(through, ElementsAre(to_text(from), to_text(to)));
    } else {
      const std::string name = points[0]["name"];
      EXPECT_THAT(through, ElementsAre(to_text(from), name, name, to_text(to)));
    }
  }
}

TEST_F(RandomPipelineRun, ThePageHasItAndSumsStayWhenItIsThinnedOut) {
  const Json whole = run_json(run_, "run")["pipeline"];
  EXPECT_EQ(whole["labels"]["kind"].size(), run_.labels.all().size());
  EXPECT_EQ(whole["bubbles"]["node"].size(), found_.bubbles.size());
  EXPECT_EQ(whole["path"]["label"].size(), found_.path.size());
  EXPECT_EQ(whole["memory"]["node"].size(), run_.memory.size());
  EXPECT_EQ(whole["bubbles_from_s"], 0);
  double path_s = 0;
  double rounds_s = 0;
  for (const Json& s : whole["path_sums"]["s"]) path_s += s.get<double>();
  for (const PipelineRound& round : found_.rounds) rounds_s += round.end_s - round.begin_s;
  EXPECT_NEAR(path_s, rounds_s, 1e-9 * rounds_s);
  PageLimits limits;
  limits.pipeline_rows = 100;
  const Json thin = run_json(run_, "run", limits)["pipeline"];
  for (const char* table : {"bubbles", "path", "memory"}) {
    const std::size_t rows = thin[table]["node"].size();
    EXPECT_GT(rows, 10) << table;
    EXPECT_LE(rows, std::max<std::size_t>(100, store_.usage.size())) << table;
  }
  for (const char* sums : {"devices", "path_sums"}) EXPECT_EQ(thin[sums], whole[sums]);
  // No peak is lost.
  const auto peaks = [](const Json& memory) {
    std::map<int, double> most;
    for (std::size_t i = 0; i < memory["node"].size(); ++i) {
      double& peak = most[memory["node"][i].get<int>()];
      peak = std::max(peak, memory["bytes"][i].get<double>());
    }
    return most;
  };
  EXPECT_EQ(peaks(thin["memory"]), peaks(whole["memory"]));
}

}  // namespace
}  // namespace convoy::analysis
