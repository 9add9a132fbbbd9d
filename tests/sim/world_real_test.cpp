// Tests the world with real nodes that have modelled times and randomly late answers: the same
// events at the same times as without real nodes. The wall clock is real; delays are short, and no
// checked result depends on them.

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "base/random.hpp"
#include "sim/world/world.hpp"
#include "tests/support/seed.hpp"

namespace convoy::sim {
namespace {

using Clock = std::chrono::steady_clock;

// Mostly longer than the clock's patience (50 ms).
constexpr double longest_delay_s = 0.16;

// Reports the end of each activity some time after its begin, from a thread of its own.
class Distant : public RealBackend {
 public:
  explicit Distant(std::uint64_t seed) : random_({seed}) {}
  ~Distant() override { detach(); }

  void attach(ElasticClock& clock) override {
    clock_ = &clock;
    thread_ = std::jthread([this](const std::stop_token& stop) { answer(stop); });
  }
  void detach() override {
    if (!thread_.joinable()) return;
    thread_.request_stop();
    wake_.notify_all();
    thread_.join();
  }
  // This node never answers; some time after the begin of its task it is found to be lost.
  void make_silent(NodeId node) { silent_ = node; }

  void begin(const RealActivity& a) override {
    const std::lock_guard lock(mutex_);
    if (a.peer == server_node && a.node == silent_) {
      answers_.emplace(Clock::now() + std::chrono::milliseconds(120), lost);
      wake_.notify_all();
    }
    if (a.node == silent_ || a.peer == silent_) return;
    // One answer in four comes at once, before virtual time has reached the end.
    const double delay = random_.below(4) == 0 ? 0 : longest_delay_s * random_.uniform();
    const auto due = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                        std::chrono::duration<double>(delay));
    answers_.emplace(due, a.id);
    wake_.notify_all();
  }
  void give_up(TaskId) override {}

 private:
  void answer(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    while (!stop.stop_requested()) {
      if (answers_.empty()) {
        wake_.wait(lock, stop, [this] { return !answers_.empty(); });
        continue;
      }
      const auto first = answers_.begin();
      if (first->first > Clock::now()) {
        wake_.wait_until(lock, stop, first->first, [] { return false; });
        continue;
      }
      if (first->second == lost) {
        clock_->happened({.node = silent_, .present = false});
      } else {
        clock_->ended(first->second, clock_->wall());
      }
      answers_.erase(first);
    }
  }

  static constexpr ElasticClock::Id lost = -1;

  base::Random random_;
  NodeId silent_ = no_node;
  ElasticClock* clock_ = nullptr;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::multimap<Clock::time_point, ElasticClock::Id> answers_;
  std::jthread thread_;
};

// A fleet of few kinds, so that many activities end at the same instants.
struct Case {
  WorldConfig config;
  std::vector<bool> real;
  std::vector<std::shared_ptr<const TaskGraph>> graphs;  // by node
  std::size_t quorum = 1;
};

Case drawn(std::uint64_t seed) {
  base::Random random({seed, 0});
  Case c;
  NodeConfig server;
  server.name = "server";
  server.link = {"", "", platforms::Duplex::full, 1e12, 1e12, 0};
  server.concurrent_transfers = 0;
  c.config.nodes.push_back(server);
  c.config.shared_links.push_back({"ap", {"", "", platforms::Duplex::full, 8e6, 8e6, 0}, {}});
  c.graphs.push_back(nullptr);
  c.real.push_back(false);
  const auto workers = 2 + random.below(5);
  for (std::uint64_t i = 0; i < workers; ++i) {
    NodeConfig node;
    node.name = std::to_string(i);
    node.link = {"", "", platforms::Duplex::full, 8e6, 8e6, 0};
    if (random.below(3) == 0) node.shared_link = 0;
    // Much slower than its profile: deadlines must not apply to modelled times.
    if (random.below(4) == 0) node.behaviour.load = BackgroundLoad{0.9};
    if (random.below(5) == 0) node.behaviour.outages = {{2, 1}, {5, 0.5}};
    c.config.nodes.push_back(node);
    c.real.push_back(i == 0 || random.below(3) > 0);
    constexpr double megabytes[] = {0, 0.5, 1};
    auto graph = std::make_shared<TaskGraph>(2);
    const int down = graph->transfer("download", graph->artifact("model", 5e5, 0), 1);
    const int done = graph->compute(
        {.label = "train", .at = 1, .seconds = 0.5 * static_cast<double>(1 + random.below(2))},
        {down}, {"update", 1e6 * megabytes[random.below(3)]});
    const int up = graph->transfer("upload", done, 0);
    if (random.below(3) == 0) graph->limit(down, 2.5e5);
    if (random.below(3) == 0) graph->limit(up, 5e5);
    if (random.below(4) == 0) graph->repeat(2);
    c.graphs.push_back(std::move(graph));
  }
  c.quorum = 1 + random.below((workers + 1) / 2);
  return c;
}

// Makes a version when the quorum has arrived, at the end of an instant; then these nodes get new
// tasks.
class Rounds : public WorldListener {
 public:
  explicit Rounds(const Case& c) : case_(c) {}

  World* world = nullptr;
  std::string log;

  void start_all() {
    for (std::size_t node = 1; node < case_.graphs.size(); ++node) go_on(static_cast<NodeId>(node));
    for (int t = 1; t <= 8; ++t) world->set_timer(t, t);
  }

  void on_instant(std::span<const Event> events) override {
    log += fmt::format("instant {}\n", world->now());
    for (const Event& e : events) {
      log += fmt::format("  {} node {} task {} timer {} {}\n", name_of(e.kind), e.node, e.task,
                         e.timer, name_of(e.cause));
      if (e.kind == EventKind::task_done) done_.insert(e.node);
      if (e.kind == EventKind::node_joined) go_on(e.node);
    }
    if (done_.size() < case_.quorum) return;
    log += fmt::format("  version {} of {}\n", ++version_, done_.size());
    for (const NodeId node : std::exchange(done_, {})) {
      if (world->present(node)) go_on(node);
    }
    if (version_ == 10) world->stop();
  }
  void on_activity(const ActivityRecord& r) override {
    log += fmt::format("  {} of task {}.{} at {}: {} to {} {}\n", r.what->label, r.task,
                       r.iteration, r.node, r.start_s, r.end_s, name_of(r.cause));
  }

 private:
  void go_on(NodeId node) {
    world->start(task_++, case_.graphs[static_cast<std::size_t>(node)], {0, node}, false, 1);
  }

  const Case& case_;
  std::set<NodeId> done_;
  TaskId task_ = 0;
  int version_ = 0;
};

std::string events_of(std::uint64_t seed, bool with_real_nodes) {
  Case c = drawn(seed);
  if (with_real_nodes) {
    for (std::size_t i = 0; i < c.real.size(); ++i) {
      if (!c.real[i]) continue;
      c.config.nodes[i].real = RealNode{.measured_compute = false,
                                        .measured_network = false,
                                        .present = true,
                                        .deadline_min_s = 0.5};
    }
  }
  Rounds rounds(c);
  Distant distant(seed);
  World world(c.config, rounds, with_real_nodes ? &distant : nullptr);
  rounds.world = &world;
  rounds.start_all();
  world.run();
  return rounds.log;
}

// Runs work in a child process, since a process can have one World; several run at a time.
class Child {
 public:
  explicit Child(const std::function<std::string()>& work) {
    int ends[2];
    if (::pipe(ends) != 0) throw std::runtime_error("no pipe");
    process_ = ::fork();
    if (process_ == 0) {
      ::close(ends[0]);
      std::string text;
      try {
        text = work();
      } catch (const std::exception& e) {
        text = std::string("it failed: ") + e.what();
      }
      const char* at = text.data();
      for (std::size_t left = text.size(); left > 0;) {
        const ssize_t n = ::write(ends[1], at, left);
        if (n <= 0) break;
        at += n;
        left -= static_cast<std::size_t>(n);
      }
      ::_exit(0);
    }
    ::close(ends[1]);
    from_ = ends[0];
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() { (void)result(); }

  // The child's result; may be called once.
  std::string result() {
    std::string text;
    if (process_ < 0) return text;
    char buffer[4096];
    for (ssize_t n = 0; (n = ::read(from_, buffer, sizeof buffer)) > 0;) {
      text.append(buffer, static_cast<std::size_t>(n));
    }
    ::close(from_);
    int status = 0;
    ::waitpid(std::exchange(process_, -1), &status, 0);
    if (status != 0) text += fmt::format("\nit ended with {}", status);
    return text;
  }

 private:
  pid_t process_ = -1;
  int from_ = -1;
};

TEST(WorldWithRealNodes, HoweverLateTheirAnswersTheEventsAreTheSimulations) {
  const std::uint64_t seed = test::drawn_seed();
  constexpr std::uint64_t cases = 12;
  std::vector<std::unique_ptr<Child>> simulated;
  std::vector<std::unique_ptr<Child>> real;
  for (std::uint64_t i = 0; i < cases; ++i) {
    simulated.push_back(std::make_unique<Child>([&] { return events_of(seed + i, false); }));
    real.push_back(std::make_unique<Child>([&] { return events_of(seed + i, true); }));
  }
  int at_one_instant = 0;  // number of versions with several updates
  for (std::uint64_t i = 0; i < cases; ++i) {
    const std::string expected = simulated[i]->result();
    const std::string got = real[i]->result();
    EXPECT_EQ(got, expected) << "seed " << seed + i;
    EXPECT_NE(expected.find("version 10 of"), std::string::npos) << expected;
    for (std::size_t at = 0; (at = expected.find(" of 2\n", at)) != std::string::npos; ++at) {
      ++at_one_instant;
    }
  }
  EXPECT_GT(at_one_instant, 0) << "nothing ended at the same instant";
}

// Three equal nodes: one is simulated, one is real or not, and one is real and lost. Activities
// that end at the same instant are delivered at that instant, as if the third node had been lost a
// moment later; the run goes on.
void expect_one_instant_where_one_is_lost(bool second_is_real) {
  Case c = drawn(1);
  c.config.nodes.resize(1);
  c.graphs.resize(1);
  auto graph = std::make_shared<TaskGraph>(2);
  const int down = graph->transfer("download", graph->artifact("model", 1e6, 0), 1);
  const int done = graph->compute({.label = "train", .at = 1, .seconds = 1}, {down}, {"", 1e6});
  graph->transfer("upload", done, 0);
  for (NodeId i = 1; i <= 3; ++i) {
    NodeConfig node;
    node.name = std::to_string(i);
    node.link = {"", "", platforms::Duplex::full, 8e6, 8e6, 0};
    if (i == 3 || (i == 2 && second_is_real)) {
      node.real = RealNode{.measured_compute = false, .measured_network = false, .present = true};
    }
    c.config.nodes.push_back(node);
    c.graphs.push_back(graph);
  }
  Distant distant(1);
  distant.make_silent(3);
  class Once : public WorldListener {
   public:
    std::vector<Event> events;
    void on_instant(std::span<const Event> happened) override {
      events.insert(events.end(), happened.begin(), happened.end());
    }
    void on_activity(const ActivityRecord&) override {}
  } once;
  World world(c.config, once, &distant);
  for (NodeId i = 1; i <= 3; ++i) world.start(i, graph, {0, i}, false, 1);
  world.set_timer(0, 3.5);
  world.run();
  std::vector<std::pair<EventKind, NodeId>> order;
  for (const Event& e : once.events) order.emplace_back(e.kind, e.node);
  using enum EventKind;
  const std::vector<std::pair<EventKind, NodeId>> expected = {
      {run_started, no_node}, {task_done, 1},   {task_done, 2},
      {node_lost, 3},         {task_failed, 3}, {timer_fired, no_node}};
  ASSERT_EQ(order, expected);
  EXPECT_EQ(once.events[1].time, once.events[2].time);
  EXPECT_NEAR(once.events[1].time, 3, 1e-9);
  EXPECT_GT(once.events[3].time, once.events[2].time);
  EXPECT_LT(once.events[3].time, once.events[2].time + 1e-6);
}

TEST(WorldWithRealNodes, WhoIsLostIsNotWaitedForAndTheInstantStays) {
  expect_one_instant_where_one_is_lost(true);
}

TEST(WorldWithRealNodes, AnInstantIsCompleteWhereAllThatIsWaitedForIsLost) {
  expect_one_instant_where_one_is_lost(false);
}

}  // namespace
}  // namespace convoy::sim
