// The world with real nodes whose times are modelled and whose answers come late, by delays drawn
// at random: the same events at the same times as without them. The wall clock is the real one;
// delays are short, and nothing that is looked at depends on how long they are.

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

// Longer than the clock's patience (50 ms) in most cases.
constexpr double longest_delay_s = 0.16;

// Says of each activity that it ended, some time after it was asked to, from a thread of its own.
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
  void begin(const RealActivity& a) override {
    const std::lock_guard lock(mutex_);
    // One in four at once: before virtual time is there.
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
      clock_->ended(first->second, clock_->wall());
      answers_.erase(first);
    }
  }

  base::Random random_;
  ElasticClock* clock_ = nullptr;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::multimap<Clock::time_point, ElasticClock::Id> answers_;
  std::jthread thread_;
};

// A fleet of few kinds, so that much ends at the same instants.
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
    if (random.below(5) == 0) node.behaviour.outages = {{2, 1}, {5, 0.5}};
    c.config.nodes.push_back(node);
    c.real.push_back(i == 0 || random.below(3) > 0);
    constexpr double megabytes[] = {0, 0.5, 1};
    auto graph = std::make_shared<TaskGraph>(2);
    const int down = graph->transfer("download", graph->artifact("model", 5e5, 0), 1);
    const int done = graph->compute(
        {.label = "train", .at = 1, .seconds = 0.5 * static_cast<double>(1 + random.below(2))},
        {down}, {"update", 1e6 * megabytes[random.below(3)]});
    graph->transfer("upload", done, 0);
    if (random.below(4) == 0) graph->repeat(2);
    c.graphs.push_back(std::move(graph));
  }
  c.quorum = 1 + random.below((workers + 1) / 2);
  return c;
}

// As many as the quorum make a version, at the end of an instant; then they go on from it.
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
      c.config.nodes[i].real =
          RealNode{.measured_compute = false, .measured_network = false, .present = true};
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

// Work in a process of its own, since there is one World a process; several at a time.
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

  // What it gave, once.
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
  int at_one_instant = 0;  // versions of several
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

}  // namespace
}  // namespace convoy::sim
