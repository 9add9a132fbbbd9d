// Tests the protocol between a run and one real node, with breaks of the connection at every point.
// No sockets, no clocks; messages and reports are compared as text.

#include "hil/bridge/node_dialogue.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace convoy::hil {
namespace {

using sim::Cause;
using sim::WallSeconds;
using sim::WallTime;
using testing::ElementsAre;
using testing::IsEmpty;

WallTime at(double seconds) { return WallTime(WallSeconds(seconds)); }
double seconds(WallTime stamp) { return stamp.time_since_epoch().count(); }

class NodeDialogueTest : public testing::Test, NodeDialogue::Agent, NodeDialogue::Reports {
 protected:
  NodeDialogueTest() : dialogue(options(), *this, *this) {
    model = graph->transfer("download", graph->artifact("model", 8, 0), 1);
    masks = graph->compute({.label = "mask", .at = 1, .work = engine::LearnMasks{1}}, {model},
                           {"submodel", 8});
    update = graph->compute({.label = "train", .at = 1, .work = engine::Train{2, {}}}, {masks},
                            {"update", 8});
    graph->transfer("upload", update, 0);
  }

  static sim::RealNode options() {
    sim::RealNode real;
    real.deadline_min_s = 30;
    return real;
  }

  void connect(std::vector<wire::KnownTaskT> known = {}, bool restarted = false) {
    whole = dialogue.connected(known, restarted);
    dialogue.ready(now);
  }
  void add(std::int64_t task) {
    engine::TaskInput input;
    input.node = 1;
    input.task = task;
    input.version = 4;
    dialogue.add(input, graph);
  }
  // Activities: 0 download, 1 mask, 2 train, 3 upload; their ids at the clock are 10 x task +
  // activity.
  void begin(std::int64_t task, int activity) {
    sim::RealActivity a;
    a.id = 10 * task + activity;
    a.task = task;
    a.activity = activity;
    a.what = &graph->activities()[static_cast<std::size_t>(activity)];
    const bool transfer = a.what->kind == sim::ActivityKind::transfer;
    a.node = activity == 0 ? 0 : 1;
    a.peer = transfer ? (activity == 0 ? 1 : 0) : sim::no_node;
    a.predicted_s = 5;
    dialogue.begin(a, now);
  }
  template <class Body, class Said>
  void hear(Said said, std::function<void(const Body&)> how) {
    flatbuffers::FlatBufferBuilder builder;
    builder.Finish(Body::Pack(builder, &said));
    how(*flatbuffers::GetRoot<Body>(builder.GetBufferPointer()));
  }
  void began(std::int64_t task, int activity, double ago = 0, int attempt = 1) {
    wire::BeganT said;
    said.task = task;
    said.attempt = attempt;
    said.activity = activity;
    said.ago_ns = static_cast<std::int64_t>(1e9 * ago);
    hear<wire::Began>(said, [&](const wire::Began& b) { dialogue.began(b, now, {}); });
  }
  void ended(std::int64_t task, int activity, double took, int attempt = 1) {
    wire::EndedT said;
    said.task = task;
    said.attempt = attempt;
    said.activity = activity;
    said.took_ns = static_cast<std::int64_t>(1e9 * took);
    hear<wire::Ended>(said, [&](const wire::Ended& e) { dialogue.ended(e, now); });
  }
  static wire::KnownTaskT knows(std::int64_t task, bool input, bool done = false, int attempt = 1) {
    wire::KnownTaskT k;
    k.task = task;
    k.attempt = attempt;
    k.version = 4;
    k.input = input;
    k.done = done;
    return k;
  }
  // Goes on until the training of task 7 begins.
  void train() {
    connect();
    add(7);
    begin(7, 0);
    dialogue.received(7, 1, now);
    begin(7, 1);
    began(7, 1);
    ended(7, 1, 1);
    begin(7, 2);
    began(7, 2);
    take();
  }
  // Up to the complete update of task 7.
  void upload() {
    train();
    ended(7, 2, 1);
    begin(7, 3);
    began(7, 3);
    ASSERT_TRUE(dialogue.offered(7, 1));
    dialogue.arrived(7, 1, now);
    take();
  }
  // The last order to compute or to send, as sent to the agent.
  wire::BeginT last_begin;
  // Messages and reports since the last call.
  std::vector<std::string> take() { return std::exchange(log, {}); }

  std::shared_ptr<sim::TaskGraph> graph = std::make_shared<sim::TaskGraph>(2);
  int model = 0;
  int masks = 0;
  int update = 0;
  WallTime now = at(100);
  bool whole = true;
  std::vector<std::string> log;
  NodeDialogue dialogue;

 private:
  void assign(const engine::TaskInput& input, std::int32_t attempt) override {
    log.push_back(fmt::format("assign {}/{}", input.task, attempt));
  }
  void begin(const wire::BeginT& b) override {
    last_begin = b;
    log.push_back(fmt::format("begin {}.{}{}", b.task, b.activity, b.last ? " last" : ""));
  }
  void cancel(sim::TaskId task, std::int32_t) override {
    log.push_back(fmt::format("cancel {}", task));
  }
  void kept(sim::TaskId task, std::int32_t attempt) override {
    log.push_back(fmt::format("kept {}/{}", task, attempt));
  }
  void started(sim::ElasticClock::Id id, WallTime stamp, WallSeconds) override {
    log.push_back(fmt::format("{} started {}", id, seconds(stamp)));
  }
  void stopped(sim::ElasticClock::Id id, WallTime stamp) override {
    log.push_back(fmt::format("{} stopped {}", id, seconds(stamp)));
  }
  void ended(sim::ElasticClock::Id id, WallTime stamp) override {
    log.push_back(fmt::format("{} ended {}", id, seconds(stamp)));
  }
  void ended_after(sim::ElasticClock::Id id, WallSeconds duration) override {
    log.push_back(fmt::format("{} took {}", id, duration.count()));
  }
  void failed(sim::ElasticClock::Id id, Cause cause, const std::string& why) override {
    log.push_back(fmt::format("{} {} {}", id, name_of(cause), why));
  }
};

TEST_F(NodeDialogueTest, ATaskFromItsDownloadToItsUpload) {
  connect();
  add(7);
  begin(7, 0);
  EXPECT_THAT(take(), ElementsAre("70 started 100", "assign 7/1"));
  now = at(101);
  dialogue.received(7, 1, now);
  EXPECT_THAT(take(), ElementsAre("70 ended 101"));
  begin(7, 1);
  now = at(102);
  began(7, 1);
  now = at(103);
  ended(7, 1, 0.9);
  EXPECT_THAT(take(), ElementsAre("begin 7.1", "71 started 102", "71 ended 103"));
  begin(7, 2);
  began(7, 2);
  ended(7, 2, 0.9);
  EXPECT_THAT(take(), ElementsAre("begin 7.2 last", "72 started 103", "72 ended 103"));
  begin(7, 3);
  began(7, 3);
  ASSERT_TRUE(dialogue.offered(7, 1));
  EXPECT_FALSE(dialogue.offered(7, 1)) << "one at a time";
  now = at(105);
  dialogue.arrived(7, 1, now);
  EXPECT_TRUE(dialogue.filed(7, 1, now));
  EXPECT_THAT(take(), ElementsAre("begin 7.3", "73 started 103", "73 stopped 105", "73 ended 105"));
  EXPECT_TRUE(dialogue.empty());
  dialogue.taken(7);
  EXPECT_THAT(take(), ElementsAre("kept 7/1"));
}

TEST_F(NodeDialogueTest, WhatIsOrderedBeforeTheConnectionIsThereGoesOutWithIt) {
  add(7);
  begin(7, 0);
  EXPECT_THAT(take(), ElementsAre("70 started 100"));
  connect();
  EXPECT_THAT(take(), ElementsAre("assign 7/1"));
}

TEST_F(NodeDialogueTest, ADownloadThatBrokeIsSentAnew) {
  connect();
  add(7);
  begin(7, 0);
  take();
  dialogue.disconnected();
  connect({knows(7, false)});
  EXPECT_TRUE(whole);
  EXPECT_THAT(take(), ElementsAre("assign 7/1")) << "the parcel is on its way again";
  dialogue.disconnected();
  connect();  // not even the assignment has arrived
  EXPECT_THAT(take(), ElementsAre("assign 7/1"));
}

TEST_F(NodeDialogueTest, AReceiptThatWasLostIsMadeUpFor) {
  connect();
  add(7);
  begin(7, 0);
  take();
  dialogue.disconnected();
  now = at(108);
  connect({knows(7, true)});
  EXPECT_THAT(take(), ElementsAre("70 ended 108"));
}

TEST_F(NodeDialogueTest, TrainingGoesOnOverABrokenLinkAndCountsByTheNodesClock) {
  train();
  dialogue.disconnected();
  now = at(110);
  connect({knows(7, true)});
  EXPECT_TRUE(whole);
  EXPECT_THAT(take(), ElementsAre("begin 7.2 last")) << "asked again, and answered from memory";
  began(7, 2, 8);
  ended(7, 2, 8);
  EXPECT_THAT(take(), ElementsAre("72 took 8"));
}

TEST_F(NodeDialogueTest, AnAgentStartedAnewInTheMiddleOfTrainingHasLostItsWork) {
  train();
  dialogue.disconnected();
  whole = dialogue.connected({}, true);
  EXPECT_FALSE(whole);
  EXPECT_THAT(dialogue.clear(), ElementsAre(7));
  dialogue.ready(now);
  EXPECT_THAT(take(), IsEmpty());
}

TEST_F(NodeDialogueTest, AnAgentStartedAnewBeginsAnotherAttempt) {
  connect();
  add(7);
  begin(7, 0);
  EXPECT_THAT(take(), ElementsAre("70 started 100", "assign 7/1"));
  dialogue.disconnected();
  connect({}, true);
  EXPECT_TRUE(whole) << "nothing had been computed";
  EXPECT_THAT(take(), ElementsAre("assign 7/2"));
  now = at(105);
  dialogue.received(7, 1, now);
  EXPECT_THAT(take(), IsEmpty()) << "of the attempt before";
  dialogue.received(7, 2, now);
  EXPECT_THAT(take(), ElementsAre("70 ended 105"));
}

TEST_F(NodeDialogueTest, AResultThatWasKeptIsAskedForAgain) {
  train();
  ended(7, 2, 1);
  begin(7, 3);
  take();
  dialogue.disconnected();
  connect({knows(7, true, true)}, true);
  EXPECT_TRUE(whole);
  EXPECT_THAT(take(), ElementsAre("begin 7.3"));
}

TEST_F(NodeDialogueTest, AnUpdateThatIsHereIsNotAskedForAgain) {
  train();
  ended(7, 2, 1);
  begin(7, 3);
  began(7, 3);
  ASSERT_TRUE(dialogue.offered(7, 1));
  dialogue.arrived(7, 1, now);
  take();
  dialogue.disconnected();
  connect({knows(7, true, true)});
  EXPECT_THAT(take(), IsEmpty());
  EXPECT_FALSE(dialogue.offered(7, 1));
  EXPECT_TRUE(dialogue.filed(7, 1, now));
  EXPECT_THAT(take(), ElementsAre("73 ended 100"));
  EXPECT_FALSE(dialogue.filed(7, 1, now)) << "twice";
}

// Its agent had no folder to keep its result in.
TEST_F(NodeDialogueTest, AnUpdateThatIsHereCountsWhateverItsAgentHasForgotten) {
  upload();
  dialogue.disconnected();
  connect({}, true);
  EXPECT_TRUE(whole);
  EXPECT_TRUE(dialogue.filed(7, 1, now));
  dialogue.taken(7);
  EXPECT_THAT(take(), ElementsAre("73 ended 100", "kept 7/1")) << "the agent knows nothing of it";
}

TEST_F(NodeDialogueTest, AnUpdateThatIsTakenWhileTheLinkIsDownIsAcknowledgedWithTheNext) {
  upload();
  dialogue.disconnected();
  EXPECT_TRUE(dialogue.filed(7, 1, now));
  dialogue.taken(7);
  EXPECT_THAT(take(), ElementsAre("73 ended 100"));
  add(8);
  begin(8, 0);
  take();
  connect({knows(7, true, true)});
  EXPECT_THAT(take(), ElementsAre("kept 7/1", "assign 8/1")) << "before the next task replaces it";
}

TEST_F(NodeDialogueTest, AnUpdateThatIsTakenBetweenHelloAndReadyIsAcknowledged) {
  upload();
  dialogue.disconnected();
  (void)dialogue.connected({knows(7, true, true)}, false);
  EXPECT_TRUE(dialogue.filed(7, 1, now));
  dialogue.taken(7);
  EXPECT_THAT(take(), ElementsAre("73 ended 100"));
  dialogue.ready(now);
  EXPECT_THAT(take(), ElementsAre("kept 7/1"));
}

TEST_F(NodeDialogueTest, AnAcknowledgementThatWasLostIsRepeatedUntilTheAgentHasForgotten) {
  upload();
  dialogue.filed(7, 1, now);
  dialogue.taken(7);
  EXPECT_THAT(take(), ElementsAre("73 ended 100", "kept 7/1"));
  for (const bool restarted : {false, true}) {
    dialogue.disconnected();
    connect({knows(7, true, true)}, restarted);
    EXPECT_THAT(take(), ElementsAre("kept 7/1"));
  }
  dialogue.disconnected();
  connect();
  EXPECT_THAT(take(), IsEmpty());
}

// A task that is done with modelled times may be given up before the run comes to its end: the
// agent goes on from the state before, as a simulated node does.
TEST_F(NodeDialogueTest, WhatTheRunHasNotTakenIsNotAcknowledged) {
  upload();
  dialogue.filed(7, 1, now);
  dialogue.give_up(7, now);
  take();
  dialogue.disconnected();
  connect({knows(7, true, true)});
  EXPECT_THAT(take(), IsEmpty());
}

TEST_F(NodeDialogueTest, AnUpdateOfANodeThatWasLostMeanwhileIsNotAcknowledged) {
  upload();
  dialogue.disconnected();
  EXPECT_THAT(dialogue.clear(), ElementsAre(7));
  EXPECT_FALSE(dialogue.filed(7, 1, now));
  connect({knows(7, true, true)});
  EXPECT_THAT(take(), IsEmpty());
}

TEST_F(NodeDialogueTest, OnlyTheAttemptThatCameInIsAcknowledged) {
  upload();
  dialogue.filed(7, 1, now);
  dialogue.taken(7);
  take();
  dialogue.disconnected();
  connect({knows(7, true, true, 2)});
  EXPECT_THAT(take(), IsEmpty());
  dialogue.disconnected();
  connect({knows(7, true, false)});
  EXPECT_THAT(take(), IsEmpty()) << "there is no result to forget";
}

TEST_F(NodeDialogueTest, ACoordinatorThatWasKilledAcknowledgesWhatItHadTaken) {
  dialogue.taken(7);  // by the recording
  connect({knows(7, true, true, 3)});
  EXPECT_THAT(take(), ElementsAre("kept 7/3"));
  dialogue.disconnected();
  connect({knows(8, true, true)});
  EXPECT_THAT(take(), IsEmpty()) << "of another task";
}

TEST_F(NodeDialogueTest, ACoordinatorThatWasKilledAcknowledgesWhatItFindsOnItsDisk) {
  connect({knows(7, true, true, 2)});
  EXPECT_THAT(take(), IsEmpty());
  dialogue.taken(7);
  EXPECT_THAT(take(), ElementsAre("kept 7/2"));
}

TEST_F(NodeDialogueTest, AnUploadThatBrokeIsTakenFromItsStart) {
  train();
  ended(7, 2, 1);
  begin(7, 3);
  began(7, 3);
  ASSERT_TRUE(dialogue.offered(7, 1));
  dialogue.disconnected();
  connect({knows(7, true, true)});
  EXPECT_TRUE(dialogue.offered(7, 1));
}

TEST_F(NodeDialogueTest, ACoordinatorThatWasKilledGoesOnWithWhatTheAgentKnows) {
  connect({knows(7, true, false, 3)});
  add(7);
  begin(7, 2);  // earlier activities are in the recording
  EXPECT_THAT(take(), ElementsAre("begin 7.2 last"));
  began(7, 2, 0, 1);
  EXPECT_THAT(take(), IsEmpty()) << "of another attempt";
  began(7, 2, 0, 3);
  EXPECT_THAT(take(), ElementsAre("72 started 100"));
}

TEST_F(NodeDialogueTest, ATaskThatTheAgentHasForgottenFailsAndIsNotTrainedWithoutItsMasks) {
  connect();
  add(7);
  begin(7, 2);
  EXPECT_THAT(take(), ElementsAre("72 failed the agent knows nothing of the task any more"));
}

TEST_F(NodeDialogueTest, WhoIsGivenUpIsLetGoBeforeAnythingElseBegins) {
  train();
  dialogue.give_up(7, now);
  add(8);
  begin(8, 0);
  EXPECT_THAT(take(), ElementsAre("cancel 7", "80 started 100"));
  ended(7, 2, 3);
  EXPECT_THAT(take(), IsEmpty()) << "a result of what was given up";
  EXPECT_GT(dialogue.draining(now + WallSeconds(2)), WallSeconds(1));
  dialogue.cancelled(7, 1, now);
  EXPECT_THAT(take(), ElementsAre("assign 8/1"));
  EXPECT_EQ(dialogue.draining(now + WallSeconds(2)), WallSeconds(0));
}

TEST_F(NodeDialogueTest, ANodeThatSaysNothingIsNotWaitedForForEver) {
  train();
  dialogue.watch(now + WallSeconds(29), false);
  EXPECT_THAT(take(), IsEmpty());
  dialogue.watch(now + WallSeconds(31), false);
  EXPECT_THAT(take(), ElementsAre("72 timed_out no answer for 31.00 s"));
}

TEST_F(NodeDialogueTest, ATransferThatMovesIsWaitedForButNotForEver) {
  connect();
  add(7);
  begin(7, 0);
  take();
  for (WallTime t = now; t < now + WallSeconds(290); t += WallSeconds(20)) dialogue.watch(t, true);
  EXPECT_THAT(take(), IsEmpty());
  dialogue.watch(now + WallSeconds(301), true);
  EXPECT_EQ(take().size(), 1U);
}

TEST_F(NodeDialogueTest, NoticesCannotLieInTheFuture) {
  connect();
  add(7);
  begin(7, 0);
  dialogue.received(7, 1, now);
  begin(7, 1);
  take();
  now = at(104);
  began(7, 1, -1e6);
  EXPECT_THAT(take(), ElementsAre("71 started 104"));
  begin(7, 2);
  take();
  began(7, 2, 1e6);
  EXPECT_THAT(take(), ElementsAre("72 started 104")) << "nor before it was asked to";
}

TEST_F(NodeDialogueTest, AFailureEndsWhateverIsUnderWay) {
  train();
  dialogue.failed(7, 1, -1, 0, Cause::out_of_memory, "too much");
  EXPECT_THAT(take(), ElementsAre("72 out_of_memory too much"));
  dialogue.failed(7, 1, 2, 0, Cause::failed, "again");
  EXPECT_THAT(take(), IsEmpty());
}

// With modelled times the run may be ahead of the agent: it ignores activities that have ended by
// the model, and would wait for the update.
TEST_F(NodeDialogueTest, AFailureOfWhatTheModelHasEndedIsToldOfWhateverFollows) {
  train();
  begin(7, 3);
  take();
  dialogue.failed(7, 1, 2, 0, Cause::out_of_memory, "too much");
  EXPECT_THAT(take(), ElementsAre("72 out_of_memory too much", "73 out_of_memory too much"));

  add(8);
  begin(8, 0);
  begin(8, 1);
  dialogue.failed(8, 1, -1, 0, Cause::failed, "it cannot be unpacked");
  take();
  begin(8, 2);
  EXPECT_THAT(take(), ElementsAre("82 failed it cannot be unpacked"));
  dialogue.give_up(8, now);
  EXPECT_THAT(take(), ElementsAre("cancel 8"));
  EXPECT_FALSE(dialogue.knows(8));
}

TEST_F(NodeDialogueTest, ARepeatedTaskIsNotOverBeforeItsLastPass) {
  graph->repeat(2);
  connect();
  add(7);
  for (int pass = 0; pass < 2; ++pass) {
    const auto step = [&](int activity) {
      sim::RealActivity a;
      a.id = 100 * pass + activity;
      a.task = 7;
      a.activity = activity;
      a.iteration = pass;
      a.what = &graph->activities()[static_cast<std::size_t>(activity)];
      a.node = activity == 0 ? 0 : 1;
      const bool transfer = a.what->kind == sim::ActivityKind::transfer;
      a.peer = transfer ? (activity == 0 ? 1 : 0) : sim::no_node;
      dialogue.begin(a, now);
    };
    step(0);
    dialogue.received(7, 1, now);  // a repeated answer: the agent has the input already
    for (const int compute : {1, 2}) {
      step(compute);
      EXPECT_EQ(last_begin.last, compute == 2);
      EXPECT_EQ(last_begin.goes_on, pass == 0);
      wire::EndedT said;
      said.task = 7;
      said.attempt = 1;
      said.activity = compute;
      said.iteration = pass;
      hear<wire::Ended>(said, [&](const wire::Ended& e) { dialogue.ended(e, now); });
    }
    step(3);
    ASSERT_TRUE(dialogue.offered(7, 1));
    EXPECT_EQ(dialogue.goes_on(7), pass == 0);
    dialogue.arrived(7, 1, now);
    take();
    EXPECT_TRUE(dialogue.filed(7, 1, now));
    EXPECT_EQ(dialogue.knows(7), pass == 0);
    EXPECT_EQ(log.size(), 1);  // the end
  }
  dialogue.taken(7);
  EXPECT_EQ(log.back(), "kept 7/1");
}

TEST_F(NodeDialogueTest, WhatTheOtherRolesComputeDoesNotKeepANodesResultBack) {
  graph->compute({.label = "aggregate", .at = 0, .work = engine::Aggregate{}}, {}, {"model", 8});
  const int time_only = graph->compute({.label = "wait", .at = 1}, {update}, {"update", 8});
  (void)time_only;
  connect();
  add(7);
  begin(7, 0);
  dialogue.received(7, 1, now);
  begin(7, 1);
  EXPECT_FALSE(last_begin.last);
  begin(7, 2);
  EXPECT_TRUE(last_begin.last);
  begin(7, 5);
  EXPECT_FALSE(last_begin.last);
}

}  // namespace
}  // namespace convoy::hil
