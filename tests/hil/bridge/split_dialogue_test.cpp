// Tests a split task of one real node: the order of its messages, and that a connection that breaks
// at any point of a batch neither loses nor repeats anything. No sockets, no clocks.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "base/random.hpp"
#include "hil/bridge/node_dialogue.hpp"

namespace convoy::hil {
namespace {

using sim::Cause;
using sim::WallSeconds;
using sim::WallTime;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr int batches = 2;
constexpr std::int64_t task = 7;

std::shared_ptr<sim::TaskGraph> split_graph() {
  auto graph = std::make_shared<sim::TaskGraph>(2);
  const int part = graph->transfer("download", graph->artifact("part", 8, 0), 1);
  const int servers = graph->artifact("server's part", 8, 0);
  int at = part;
  for (int i = 0; i < batches; ++i) {
    const int stash = graph->compute({.label = "forward", .at = 1, .work = engine::Forward{0, 2}},
                                     {at}, {"activation", 8});
    at = graph->transfer("activations", stash, 0);
    at = graph->compute({.label = "server", .at = 0, .work = engine::TrainStage{2, 5}},
                        {at, servers}, {"gradient", 8});
    at = graph->transfer("gradients", at, 1);
    at = graph->compute({.label = "backward", .at = 1, .work = engine::Backward{0, 2, 0, true}},
                        {at, stash}, {"gradient", 8});
  }
  const int taken = graph->compute({.label = "take", .at = 1, .work = engine::TakeStage{0, 2}},
                                   {at, part}, {"update of a part", 8});
  const int there = graph->transfer("upload", taken, 0);
  const int rest = graph->compute({.label = "take", .at = 0, .work = engine::TakeStage{2, 5}},
                                  {there, servers}, {"update of a part", 8});
  graph->compute({.label = "join", .at = 0, .work = engine::JoinStages{}}, {there, rest},
                 {"update", 8});
  return graph;
}

class SplitDialogueTest : public testing::Test, NodeDialogue::Agent, NodeDialogue::Reports {
 protected:
  SplitDialogueTest() : dialogue({}, *this, *this) {
    engine::TaskInput input;
    input.node = 1;
    input.task = task;
    input.version = 4;
    input.brief.batch = 16;
    dialogue.add(input, graph, split);
  }

  void connect(std::vector<wire::KnownTaskT> known = {}, bool restarted = false) {
    whole = dialogue.connected(known, restarted);
    dialogue.ready({});
  }
  void break_off() {
    dialogue.disconnected();
    connect({knows()});
  }
  static wire::KnownTaskT knows() {
    wire::KnownTaskT k;
    k.task = task;
    k.attempt = 1;
    k.version = 4;
    k.input = true;
    return k;
  }
  [[nodiscard]] bool is_servers(int activity) const {
    const sim::Activity& a = graph->activities()[static_cast<std::size_t>(activity)];
    return a.kind == sim::ActivityKind::compute && a.at == 0;
  }
  void begin(int activity) {
    const sim::Activity& what = graph->activities()[static_cast<std::size_t>(activity)];
    sim::RealActivity a;
    a.id = activity;
    a.task = task;
    a.activity = activity;
    a.what = &what;
    a.node = what.at;
    if (what.kind == sim::ActivityKind::transfer) a.peer = what.to;
    dialogue.begin(a, {});
  }
  // What the agent and the server do about an activity.
  void answer(int activity) {
    const sim::Activity& a = graph->activities()[static_cast<std::size_t>(activity)];
    if (a.kind == sim::ActivityKind::compute) {
      wire::BeganT began;
      wire::EndedT ended;
      began.task = ended.task = task;
      began.attempt = ended.attempt = 1;
      began.activity = ended.activity = activity;
      hear<wire::Began>(began, [&](const wire::Began& b) { dialogue.began(b, {}, {}); });
      hear<wire::Ended>(ended, [&](const wire::Ended& e) { dialogue.ended(e, {}); });
    } else if (a.to == 1) {
      dialogue.received(task, 1, {}, split->product(activity));
    } else {
      const auto wanted = dialogue.crosses(task, 1, split->product(activity));
      ASSERT_TRUE(wanted);
      EXPECT_EQ(wanted->activity, activity);
      EXPECT_EQ(wanted->input.brief.batch, 16);
      EXPECT_FALSE(dialogue.crosses(task, 1, split->product(activity))) << "one at a time";
      dialogue.arrived(task, 1, {});
      EXPECT_FALSE(dialogue.crosses(task, 1, split->product(activity))) << "it is here";
      EXPECT_TRUE(dialogue.filed(task, 1, {}));
    }
  }
  template <class Body, class Said>
  void hear(Said said, std::function<void(const Body&)> how) {
    flatbuffers::FlatBufferBuilder builder;
    builder.Finish(Body::Pack(builder, &said));
    how(*flatbuffers::GetRoot<Body>(builder.GetBufferPointer()));
  }
  // Goes on up to an activity that has begun and is not answered.
  void up_to(int activity) {
    for (int i = 0; i < activity; ++i) {
      if (is_servers(i)) continue;
      begin(i);
      answer(i);
    }
    begin(activity);
    ends.clear();
    take();
  }
  std::vector<std::string> take() { return std::exchange(log, {}); }

  std::shared_ptr<sim::TaskGraph> graph = split_graph();
  std::shared_ptr<const sim::SplitTask> split = sim::SplitTask::of(graph);
  NodeDialogue dialogue;
  bool whole = true;
  std::vector<std::string> log;  // messages
  std::vector<sim::ElasticClock::Id> ends;
  std::vector<std::pair<sim::ElasticClock::Id, std::string>> failures;
  std::vector<wire::BeginT> begins;

 private:
  void assign(const engine::TaskInput& input, std::int32_t attempt) override {
    log.push_back(fmt::format("assign {}/{}", input.task, attempt));
  }
  void begin(const wire::BeginT& b) override {
    begins.push_back(b);
    log.push_back(fmt::format("begin {}{}", b.activity, b.kind == wire::Kind::send ? " send" : ""));
  }
  void cross(sim::TaskId, std::int32_t, int artifact) override {
    log.push_back(fmt::format("cross {}", artifact));
  }
  void cancel(sim::TaskId, std::int32_t) override { log.emplace_back("cancel"); }
  void kept(sim::TaskId, std::int32_t) override { log.emplace_back("kept"); }
  void started(sim::ElasticClock::Id, WallTime, WallSeconds) override {}
  void stopped(sim::ElasticClock::Id, WallTime) override {}
  void ended(sim::ElasticClock::Id id, WallTime) override { ends.push_back(id); }
  void ended_after(sim::ElasticClock::Id id, WallSeconds) override { ends.push_back(id); }
  void failed(sim::ElasticClock::Id id, Cause, const std::string& why) override {
    failures.emplace_back(id, why);
  }
};

TEST_F(SplitDialogueTest, TheMessagesOfABatchNameItsArtifacts) {
  ASSERT_TRUE(split);
  ASSERT_EQ(split->why_only_simulated(), "");
  connect();
  up_to(5);
  answer(5);
  // Artifacts: 1 the part, 3 the activation, 5 the gradient of the server, 7 that of the node.
  ASSERT_EQ(begins.size(), 3U);
  EXPECT_THAT(begins[0].inputs, ElementsAre(-1));
  EXPECT_EQ(begins[0].artifact, 3);
  EXPECT_EQ(begins[1].artifact, 3) << "what is sent";
  EXPECT_EQ(begins[1].keep_from, 3);
  EXPECT_THAT(begins[2].inputs, ElementsAre(5, 3));
  EXPECT_EQ(begins[2].artifact, 7);
  EXPECT_FALSE(begins[2].last);
  begin(6);
  EXPECT_THAT(begins.back().inputs, ElementsAre(7));
  EXPECT_EQ(begins.back().keep_from, 7);
}

TEST_F(SplitDialogueTest, TheTaskIsOverWithItsLastUploadAndThenKept) {
  connect();
  const int upload = 12;
  ASSERT_TRUE(split->is_last_upload(upload));
  up_to(upload);
  EXPECT_TRUE(dialogue.knows(task));
  answer(upload);
  EXPECT_FALSE(dialogue.knows(task));
  EXPECT_TRUE(begins[begins.size() - 2].last) << "what the node takes is its last work";
  dialogue.taken(task);
  EXPECT_THAT(take(), ElementsAre("kept"));
}

// A connection that breaks at any point: the order under way is given once more, and only that.
TEST_F(SplitDialogueTest, ABrokenConnectionRepeatsTheOrderUnderWayAlone) {
  connect();
  for (int i = 0; i <= 12; ++i) {
    if (is_servers(i)) continue;
    take();
    begin(i);
    const std::vector<std::string> ordered = take();
    ASSERT_EQ(ordered.size(), 1U) << i;
    break_off();
    EXPECT_TRUE(whole) << i;
    if (i > 0) {  // of the download the agent says that it has got it
      EXPECT_EQ(take(), ordered) << i;
    }
    ends.clear();
    answer(i);
    if (i > 0) {
      EXPECT_THAT(ends, ElementsAre(i));
    }
  }
  EXPECT_FALSE(dialogue.knows(task));
  EXPECT_THAT(failures, IsEmpty());
}

TEST_F(SplitDialogueTest, AReceiptThatComesTwiceEndsNothingElse) {
  connect();
  up_to(4);  // gradients on their way
  answer(4);
  ends.clear();
  answer(4);
  EXPECT_THAT(ends, IsEmpty());
  dialogue.received(task, 2, {}, 5);
  EXPECT_THAT(ends, IsEmpty()) << "of another attempt";
}

TEST_F(SplitDialogueTest, OnlyTheArtifactThatIsWantedIsTaken) {
  connect();
  up_to(2);  // activations on their way
  EXPECT_FALSE(dialogue.crosses(task, 1, 5));
  EXPECT_FALSE(dialogue.crosses(task, 2, 3)) << "of another attempt";
  EXPECT_FALSE(dialogue.crosses(task + 1, 1, 3));
  EXPECT_FALSE(dialogue.offered(task, 1)) << "an update is not wanted";
  EXPECT_TRUE(dialogue.crosses(task, 1, 3));
}

// While the server computes the answer nothing is wanted of the agent, but what it has trained is
// needed: its process is not to be another.
TEST_F(SplitDialogueTest, AnAgentStartedAnewHasLostItsPartAtAnyPoint) {
  connect();
  up_to(2);
  ASSERT_TRUE(dialogue.crosses(task, 1, 3));
  dialogue.arrived(task, 1, {});
  dialogue.disconnected();
  EXPECT_FALSE(dialogue.connected({}, true));
}

TEST_F(SplitDialogueTest, AnAgentStartedAnewWhileNothingIsUnderWayHasLostItsPart) {
  connect();
  up_to(2);
  answer(2);
  dialogue.disconnected();
  EXPECT_FALSE(dialogue.connected({}, true)) << "the server computes";
}

TEST_F(SplitDialogueTest, AnAgentStartedAnewAfterItsLastUploadIsMissedByNobody) {
  connect();
  up_to(12);
  ASSERT_TRUE(dialogue.crosses(task, 1, split->product(12)));
  dialogue.arrived(task, 1, {});
  dialogue.disconnected();
  EXPECT_TRUE(dialogue.connected({}, true));
  EXPECT_TRUE(dialogue.filed(task, 1, {}));
}

// The server's part was in the memory of a process that is gone.
TEST_F(SplitDialogueTest, ATaskThatAnotherProcessHasBegunFails) {
  connect({knows()});
  begin(5);
  ASSERT_EQ(failures.size(), 1U);
  EXPECT_EQ(failures[0].first, 5);
  EXPECT_THAT(failures[0].second, testing::HasSubstr("started again"));
  EXPECT_THAT(take(), IsEmpty());
  dialogue.give_up(task, {});
  EXPECT_THAT(take(), ElementsAre("cancel")) << "the agent is at it still";
}

// An agent that says anything at any time, over a connection that breaks at any time. What it says
// may be true by accident.
class Babble : public SplitDialogueTest {
 public:
  explicit Babble(std::uint64_t seed) : random_({seed}) {}
  void TestBody() override {
    constexpr int last = 12;
    connect();
    for (int at = 0; at <= last; ++at) {
      if (is_servers(at)) continue;
      begin(at);
      while (ends.empty() && failures.empty()) {
        random_.below(4) == 0 ? say_right(at) : say_something(at);
      }
      EXPECT_EQ(ends.size() + failures.size(), 1U) << "activity " << at << " ends more than once";
      if (!failures.empty()) {
        EXPECT_EQ(failures[0].first, at);
        return;
      }
      EXPECT_EQ(ends[0], at) << "another activity than the one under way has ended";
      ends.clear();
      // Late, and again.
      for (int i = 0; i < 3; ++i) say_something(at);
      EXPECT_THAT(ends, IsEmpty()) << "of activity " << at;
      EXPECT_THAT(failures, IsEmpty());
      coming_ = here_ = false;
    }
    EXPECT_FALSE(dialogue.knows(task));
  }

 private:
  int any() { return static_cast<int>(random_.below(16)) - 2; }
  std::int64_t some_task() { return random_.below(8) == 0 ? task + 1 : task; }
  std::int32_t some_attempt() { return random_.below(8) == 0 ? 2 : 1; }

  void say_right(int at) {
    const sim::Activity& a = graph->activities()[static_cast<std::size_t>(at)];
    const bool is_upload = a.kind == sim::ActivityKind::transfer && a.to == 0;
    if (!is_upload) return answer(at);
    offer(at, split->product(at));
    if (std::exchange(coming_, false)) {
      dialogue.arrived(task, 1, {});
      here_ = true;
    }
    if (here_) {
      EXPECT_TRUE(dialogue.filed(task, 1, {}));
    }
  }
  void offer(int at, int artifact) {
    const auto wanted = dialogue.crosses(some_task(), some_attempt(), artifact);
    if (!wanted) return;
    EXPECT_EQ(wanted->activity, at);
    EXPECT_EQ(artifact, split->product(at));
    EXPECT_FALSE(coming_ || here_) << "it is taken twice";
    coming_ = true;
  }
  void say_something(int at) {
    wire::BeganT began;
    wire::EndedT ended;
    began.task = ended.task = some_task();
    began.attempt = ended.attempt = some_attempt();
    began.activity = ended.activity = any();
    began.iteration = ended.iteration = random_.below(6) == 0 ? 1 : 0;
    began.ago_ns = ended.took_ns = static_cast<std::int64_t>(random_.bits());
    switch (random_.below(8)) {
      case 0:
        return hear<wire::Began>(began, [&](const wire::Began& b) { dialogue.began(b, {}, {}); });
      case 1:
        return hear<wire::Ended>(ended, [&](const wire::Ended& e) { dialogue.ended(e, {}); });
      case 2:
        return dialogue.received(some_task(), some_attempt(), {}, any());
      case 3:
        return offer(at, any());
      case 4:
        EXPECT_FALSE(dialogue.offered(some_task(), some_attempt())) << "an update of it all";
        return;
      case 5:
        return dialogue.cancelled(some_task(), some_attempt(), {});
      case 6:
        coming_ = false;
        return break_off();
      default:
        if (random_.below(8) > 0) return;
        return dialogue.failed(some_task(), some_attempt(), any(), 0, Cause::failed, "it says so");
    }
  }

  base::Random random_;
  bool coming_ = false;
  bool here_ = false;
};

TEST(SplitDialogue, WhateverAnAgentSaysEachActivityEndsOnce) {
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    Babble(seed).TestBody();
    if (testing::Test::HasFailure()) FAIL() << "seed " << seed;
  }
}

TEST_F(SplitDialogueTest, ATaskGivenUpIsCancelledAtAnyPoint) {
  connect();
  up_to(4);
  dialogue.give_up(task, {});
  EXPECT_THAT(take(), ElementsAre("cancel"));
  EXPECT_FALSE(dialogue.crosses(task, 1, 3));
  answer(4);  // too late
  EXPECT_THAT(ends, IsEmpty());
}

}  // namespace
}  // namespace convoy::hil
