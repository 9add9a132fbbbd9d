// An update that came in, and its node's own state: the agent goes on from what it has learned of
// itself wherever the run has taken the update, whichever link was down and whoever was started
// anew at that moment. The agent's trainer and the coordinator's side of the dialogue, over a link
// that a test cuts; the engine is made up, and counts.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <fstream>
#include <mutex>

#include "hil/agent/trainer.hpp"
#include "hil/bridge/node_dialogue.hpp"
#include "tests/support/files.hpp"
#include "tests/support/idle_engine.hpp"

namespace convoy::hil {
namespace {

using testing::ElementsAre;

// What a node remembers of itself: how many of its tasks counted.
struct Counted : engine::NodeState {
  explicit Counted(int n) : tasks(n) {}
  int tasks;
};
struct Model : engine::Weights {};
struct Change : engine::Update {};

// How many tasks the node had counted when it began each of its tasks.
using Remembered = std::shared_ptr<std::vector<int>>;

class CountingSession : public engine::Session {
 public:
  CountingSession(const engine::TaskInput& input, const Remembered& seen)
      : counted_(input.state ? dynamic_cast<const Counted&>(*input.state).tasks : 0) {
    seen->push_back(counted_);
  }
  std::shared_ptr<const engine::Artifact> run(const engine::Work&,
                                              const std::vector<engine::Input>&) override {
    return std::make_shared<Change>();
  }
  engine::Outcome outcome() override {
    engine::Outcome outcome;
    outcome.result = std::make_shared<Change>();
    outcome.state = std::make_shared<Counted>(counted_ + 1);
    return outcome;
  }
  [[nodiscard]] const engine::Submodel& submodel() const override { return none_; }

 private:
  int counted_;
  engine::Submodel none_;
};

class CountingEngine : public convoy::test::IdleEngine {
 public:
  explicit CountingEngine(Remembered seen) : seen_(std::move(seen)) {}
  std::unique_ptr<engine::Session> open(const engine::TaskInput& input,
                                        std::stop_token) const override {
    return std::make_unique<CountingSession>(input, seen_);
  }
  void save(const engine::NodeState& state, const std::filesystem::path& file) const override {
    std::ofstream(file) << dynamic_cast<const Counted&>(state).tasks;
  }
  void save(const engine::Artifact&, const std::filesystem::path& file) const override {
    std::ofstream(file) << "an update";
  }
  std::shared_ptr<const engine::NodeState> load_state(
      const std::filesystem::path& file) const override {
    int tasks = -1;
    std::ifstream(file) >> tasks;
    if (tasks < 0) throw base::UserError(file.string() + " is not there");
    return std::make_shared<Counted>(tasks);
  }
  std::shared_ptr<const engine::Artifact> load_artifact(
      const std::filesystem::path& file) const override {
    if (!std::filesystem::exists(file)) throw base::UserError(file.string() + " is not there");
    return std::make_shared<Change>();
  }
  engine::Parcel pack(const engine::Outcome&) const override { return {.header = "{}"}; }
  std::unique_ptr<engine::Unpacking> unpack(const std::string&, std::uint64_t,
                                            const std::string&) const override {
    return std::make_unique<convoy::test::EmptyBox>();
  }
  std::shared_ptr<const engine::Weights> unpack_weights(engine::Unpacking&) const override {
    return std::make_shared<Model>();
  }

 private:
  Remembered seen_;
};

class KeptUpdate : public testing::Test, public NodeDialogue::Agent, public NodeDialogue::Reports {
 protected:
  KeptUpdate() {
    const int model = graph_->transfer("download", graph_->artifact("model", 8, 0), 1);
    const int update = graph_->compute({.label = "train", .at = 1, .work = engine::Train{1, {}}},
                                       {model}, {"update", 8});
    graph_->transfer("upload", update, 0);
    start_agent();
    start_coordinator();
    connect();
  }

  void start_agent() {
    trainer_.reset();
    restarted_ = true;
    trainer_ = std::make_unique<Trainer>(
        TrainerOptions{.state = folder_.path(),
                       .open =
                           [this](int, const wire::SetupT&, const NodeData&) {
                             return NodeEngine{std::make_shared<CountingEngine>(seen_), 5, 1000};
                           }},
        events());
  }
  void start_coordinator() {
    dialogue_ = std::make_unique<NodeDialogue>(sim::RealNode(), *this, *this);
  }
  void connect() {
    link_ = true;
    is_ready_ = false;
    (void)dialogue_->connected(trainer_->known(), std::exchange(restarted_, false));
    trainer_->set_up("run", 1, {});
    ASSERT_TRUE(until([&] { return is_ready_; }));
  }
  void cut() {
    link_ = false;
    dialogue_->disconnected();
  }

  // As far as its whole update, which has not been looked at.
  void upload(std::int64_t task) {
    engine::TaskInput input;
    input.node = 1;
    input.task = task;
    input.version = task;
    dialogue_->add(input, graph_);
    for (int activity = 0; activity < 3; ++activity) {
      sim::RealActivity a;
      a.id = 10 * task + activity;
      a.task = task;
      a.activity = activity;
      a.what = &graph_->activities()[static_cast<std::size_t>(activity)];
      a.node = activity == 0 ? 0 : 1;
      a.peer = activity == 0 ? 1 : activity == 1 ? sim::no_node : 0;
      dialogue_->begin(a, sim::wall_now());
      ASSERT_TRUE(until([&] { return ended_ == a.id; })) << "activity " << activity;
    }
  }
  // It is checked, on the disk, and the run has taken it.
  void take(std::int64_t task) {
    EXPECT_TRUE(dialogue_->filed(task, 1, sim::wall_now()));
    dialogue_->taken(task);
  }
  // The agent has nothing left to tell of, and its trainer nothing to write.
  void expect_forgotten() {
    EXPECT_TRUE(until([&] { return trainer_->known().empty(); }));
  }
  void whole_task(std::int64_t task) {
    upload(task);
    take(task);
  }

  std::unique_ptr<NodeDialogue> dialogue_;
  Remembered seen_ = std::make_shared<std::vector<int>>();

 private:
  // What the agent says, in the test's thread; lost where the link is down.
  template <class Said>
  void say(Said said) {
    const std::lock_guard lock(mutex_);
    said_.emplace_back(std::move(said));
    heard_.notify_all();
  }
  TrainerEvents events() {
    TrainerEvents e;
    e.ready = [this](std::int64_t) {
      say([this] {
        is_ready_ = true;
        dialogue_->ready(sim::wall_now());
      });
    };
    e.cannot = [](const std::string& why) { ADD_FAILURE() << why; };
    e.began = [this](wire::BeganT said) {
      say([this, said] {
        hear<wire::Began>(said,
                          [&](const wire::Began& b) { dialogue_->began(b, sim::wall_now(), {}); });
      });
    };
    e.ended = [this](wire::EndedT said) {
      say([this, said] {
        hear<wire::Ended>(said,
                          [&](const wire::Ended& b) { dialogue_->ended(b, sim::wall_now()); });
      });
    };
    e.failed = [](const wire::FailedT& said) { ADD_FAILURE() << said.reason; };
    e.upload = [this](std::int64_t task, std::int32_t attempt, const engine::Parcel&) {
      say([this, task, attempt] {
        if (dialogue_->offered(task, attempt)) dialogue_->arrived(task, attempt, sim::wall_now());
      });
    };
    e.cancelled = [this](wire::CancelledT said) {
      say([this, said] { dialogue_->cancelled(said.task, said.attempt, sim::wall_now()); });
    };
    return e;
  }
  template <class Body, class Said>
  static void hear(const Said& said, const std::function<void(const Body&)>& how) {
    flatbuffers::FlatBufferBuilder builder;
    builder.Finish(Body::Pack(builder, &said));
    how(*flatbuffers::GetRoot<Body>(builder.GetBufferPointer()));
  }
  // Listens until it is so. False, after a time that says that it will not be any more.
  bool until(const std::function<bool()>& so) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!so()) {
      std::function<void()> word;
      {
        std::unique_lock lock(mutex_);
        if (!heard_.wait_until(lock, end, [&] { return !said_.empty(); })) return false;
        word = std::move(said_.front());
        said_.pop_front();
      }
      if (link_) word();
    }
    return true;
  }

  // --- what the coordinator says ----------------------------------------------------------------

  void assign(const engine::TaskInput& input, std::int32_t attempt) override {
    wire::AssignT assign;
    assign.task = input.task;
    assign.attempt = attempt;
    assign.version = input.version;
    assign.brief = engine::to_text(input.brief);
    trainer_->assign(assign);
    trainer_->arrived(input.task, attempt, trainer_->room_for(input.task, attempt, "{}", 0));
    say([this, task = input.task, attempt] {
      dialogue_->received(task, attempt, sim::wall_now());
    });
  }
  void begin(const wire::BeginT& begin) override { trainer_->begin(begin); }
  void cancel(sim::TaskId task, std::int32_t attempt) override { trainer_->cancel(task, attempt); }
  void kept(sim::TaskId task, std::int32_t attempt) override { trainer_->kept(task, attempt); }

  void started(sim::ElasticClock::Id, sim::WallTime, sim::WallSeconds) override {}
  // An upload that is here has ended for this test.
  void stopped(sim::ElasticClock::Id id, sim::WallTime) override { ended_ = id; }
  void ended(sim::ElasticClock::Id id, sim::WallTime) override { ended_ = id; }
  void ended_after(sim::ElasticClock::Id id, sim::WallSeconds) override { ended_ = id; }
  void failed(sim::ElasticClock::Id id, sim::Cause, const std::string& why) override {
    ADD_FAILURE() << id << ": " << why;
  }

  convoy::test::TemporaryFolder folder_;
  std::shared_ptr<sim::TaskGraph> graph_ = std::make_shared<sim::TaskGraph>(2);
  std::mutex mutex_;
  std::condition_variable heard_;
  std::deque<std::function<void()>> said_;
  bool link_ = false;
  bool is_ready_ = false;
  bool restarted_ = false;
  sim::ElasticClock::Id ended_ = 0;
  std::unique_ptr<Trainer> trainer_;  // last: its thread ends first
};

TEST_F(KeptUpdate, OnALinkThatHoldsTheNodeGoesOnFromEachTask) {
  for (const std::int64_t task : {7, 8, 9}) whole_task(task);
  EXPECT_THAT(*seen_, ElementsAre(0, 1, 2));
}

TEST_F(KeptUpdate, TakenWhileTheLinkIsDownItCountsForTheNodeAsWell) {
  upload(7);
  cut();
  take(7);
  connect();
  expect_forgotten();
  whole_task(8);
  EXPECT_THAT(*seen_, ElementsAre(0, 1));
}

TEST_F(KeptUpdate, TakenWhileTheAgentWasStartedAnewItCountsForTheNodeAsWell) {
  upload(7);
  cut();
  take(7);
  start_agent();
  connect();
  expect_forgotten();
  whole_task(8);
  EXPECT_THAT(*seen_, ElementsAre(0, 1));
}

// The word was heard, and perhaps not written down before the end.
TEST_F(KeptUpdate, AnAgentThatEndsWithItsAcknowledgementCountsItOnce) {
  upload(7);
  take(7);
  cut();
  start_agent();
  connect();
  expect_forgotten();
  whole_task(8);
  EXPECT_THAT(*seen_, ElementsAre(0, 1));
}

TEST_F(KeptUpdate, ACoordinatorThatWasKilledSaysWhatItHadTaken) {
  for (const bool agent_as_well : {false, true}) {
    const std::int64_t task = agent_as_well ? 8 : 7;
    upload(task);
    cut();
    if (agent_as_well) start_agent();
    start_coordinator();
    dialogue_->taken(task);  // by the recording of the run
    connect();
    expect_forgotten();
  }
  whole_task(9);
  EXPECT_THAT(*seen_, ElementsAre(0, 1, 2));
}

// The replay comes to it when the agent is there already.
TEST_F(KeptUpdate, ACoordinatorThatWasKilledSaysWhatItFindsOnItsDisk) {
  upload(7);
  cut();
  start_coordinator();
  connect();
  dialogue_->taken(7);
  expect_forgotten();
  whole_task(8);
  EXPECT_THAT(*seen_, ElementsAre(0, 1));
}

TEST_F(KeptUpdate, WhatTheRunHasGivenUpDoesNotCountForTheNode) {
  upload(7);
  EXPECT_TRUE(dialogue_->filed(7, 1, sim::wall_now()));
  dialogue_->give_up(7, sim::wall_now());
  cut();
  connect();
  whole_task(8);
  whole_task(9);
  EXPECT_THAT(*seen_, ElementsAre(0, 0, 1));
}

}  // namespace
}  // namespace convoy::hil
