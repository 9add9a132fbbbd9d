// Tests runs with real agents while strangers crowd the coordinator's port, and agents that break
// the protocol: the run loses no honest agent, and its coordinator stays intact.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <functional>
#include <optional>
#include <sstream>

#include "tests/hil/protocol/support.hpp"
#include "tests/hil/testbed_run.hpp"
#include "tests/support/proxy.hpp"

namespace convoy {
namespace {

namespace asio = boost::asio;
namespace wire = hil::wire;
using hil::test::End;
using test::Output;
using test::TestbedRun;
using testing::HasSubstr;
using testing::Not;
using tcp = asio::ip::tcp;

class AtTheDoor : public testing::Test, protected TestbedRun {
 protected:
  AtTheDoor() {
    // This process needs descriptors for a crowd of a thousand connections, too.
    rlimit files{};
    ::getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = std::min<rlim_t>(files.rlim_max, 8192);
    ::setrlimit(RLIMIT_NOFILE, &files);
    sets.push_back("fleet.nodes.1.backend=sim");
  }
  [[nodiscard]] tcp::endpoint door() const {
    return {asio::ip::address_v4::loopback(), static_cast<std::uint16_t>(port)};
  }
  bool listens() {
    return test::eventually([&] {
      tcp::socket probe(io_);
      boost::system::error_code failure;
      probe.connect(door(), failure);
      return !failure;
    });
  }
  void crowd(int count) {
    for (int i = 0; i < count; ++i) {
      silent_.emplace_back(io_);
      boost::system::error_code failure;
      silent_.back().connect(door(), failure);
    }
  }
  // An agent controlled by the test.
  std::unique_ptr<End> knock(const std::string& name, std::int64_t own_samples = -1,
                             int other_port = 0) {
    tcp::socket socket(io_);
    tcp::endpoint to = door();
    if (other_port != 0) to.port(static_cast<std::uint16_t>(other_port));
    socket.connect(to);
    auto end = std::make_unique<End>(std::move(socket));
    end->start();
    end->trust();
    end->also = [this](const wire::Message& message) {
      const wire::Setup* setup = message.body_as_Setup();
      if (setup != nullptr) part_ = static_cast<std::int64_t>(setup->train()->size());
    };
    wire::HelloT hello;
    hello.protocol_min = hello.protocol_max = hil::protocol_version;
    hello.name = name;
    hello.boot = "this one";
    hello.own_samples = own_samples;
    end->connection->send(std::move(hello));
    return end;
  }
  // An agent that is set up and ready.
  std::unique_ptr<End> ready_agent(const std::string& name, int other_port = 0) {
    auto end = knock(name, -1, other_port);
    EXPECT_TRUE(until([&] { return end->heard("Setup") == 1; }));
    wire::ReadyT ready;
    ready.samples = part_;
    end->connection->send(std::move(ready));
    return end;
  }
  bool until(const std::function<bool()>& so) { return hil::test::run_until(io_, so); }
  // Memory of the coordinator, bytes.
  [[nodiscard]] double memory() const {
    std::ifstream in(fmt::format("/proc/{}/statm", run->id()));
    double pages = 0;
    double resident = 0;
    in >> pages >> resident;
    return resident * 4096;
  }

  // Number of lines in the coordinator's log that contain a text.
  [[nodiscard]] int lines_with(const std::string& text) const {
    std::istringstream log(run->output());
    int lines = 0;
    for (std::string line; std::getline(log, line);) {
      if (line.find(text) != std::string::npos) ++lines;
    }
    return lines;
  }

  asio::io_context io_;
  std::vector<tcp::socket> silent_;
  std::int64_t part_ = 0;  // training samples of the node that the test's agent became
};

class CrowdedRun : public AtTheDoor, public testing::WithParamInterface<int> {};

TEST_P(CrowdedRun, HasItsAgentInAndLosesNobody) {
  test::Proxy link(port);
  agent_port = link.port();
  sets.push_back("training.local_epochs=20");
  sets.push_back("stop.tasks=8");
  sets.push_back("schedule.cos2p.quorum=1.0");
  auto& real = coordinator("real");
  ASSERT_TRUE(listens()) << real.output();
  crowd(GetParam());
  const auto begin = std::chrono::steady_clock::now();
  agent("a");
  ASSERT_TRUE(agents["a"]->says("connected")) << real.output();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  fmt::print("its program begun and in after {:.2f} s\n", took.count());
  ASSERT_TRUE(test::eventually([&] {
    try {
      return query("real", "SELECT COUNT(*) FROM activity WHERE node = 1")[0] != "0";
    } catch (const std::exception&) {
      return false;  // the store does not exist yet
    }
  })) << real.output();
  // The agent's connection breaks, and it must connect again.
  crowd(GetParam());
  link.set(test::Proxy::Link::cut);
  ASSERT_TRUE(agents["a"]->says("not connected"));
  link.set(test::Proxy::Link::up);
  ASSERT_EQ(real.wait(200), 0) << real.output();
  EXPECT_EQ(query("real", "SELECT COUNT(*) FROM journal WHERE kind = 'node_lost'")[0], "0")
      << real.output();
  EXPECT_GT(aggregated("real")["a"], 0);
  // One line per stranger would be thousands.
  EXPECT_LT(lines_with("an unknown agent"), 60) << real.output();
}

INSTANTIATE_TEST_SUITE_P(Sizes, CrowdedRun, testing::Values(64, 200, 1000));

TEST_F(AtTheDoor, ACountOfSamplesIsACount) {
  auto& real = coordinator("real");
  ASSERT_TRUE(listens()) << real.output();
  const auto liar = knock("a", 0);
  ASSERT_TRUE(until([&] { return liar->heard("Setup") == 1; })) << real.output();
  wire::ReadyT ready;
  ready.samples = 100'000'000;
  liar->connection->send(std::move(ready));
  ASSERT_TRUE(until([&] { return liar->is_closed(); }));
  EXPECT_EQ(liar->heard("Refused"), 1);
  EXPECT_NE(real.wait(), 0);
  EXPECT_THAT(real.output(), HasSubstr("it says that it has 100000000 samples of its own"));
  EXPECT_THAT(real.output(), HasSubstr("most_samples"));
}

TEST_F(AtTheDoor, ALargeCountThatIsAllowedTakesNoMemory) {
  folder.write("inventory.toml", fmt::format(R"(
[coordinator]
listen = "127.0.0.1:{}"
insecure = true
[[nodes]]
name = "a"
most_samples = 10000000
)",
                                             port));
  sets.push_back("hil.rejoin_timeout_s=1");
  sets.push_back("stop.tasks=6");
  auto& real = coordinator("real", {"--testbed", in("inventory.toml")});
  ASSERT_TRUE(listens()) << real.output();
  const auto rich = knock("a", 0);
  ASSERT_TRUE(until([&] { return rich->heard("Setup") == 1; })) << real.output();
  const double before = memory();
  wire::ReadyT ready;
  ready.samples = 10'000'000;
  rich->connection->send(std::move(ready));
  ASSERT_TRUE(until([&] { return rich->heard("Assign") == 1; })) << real.output();
  // A list of them would take 80 MB and more. The engine comes in meanwhile.
  EXPECT_LT(memory() - before, 40e6);
  rich->connection->send(wire::ByeT());
  ASSERT_TRUE(until([&] { return rich->is_closed(); }));
  real.wait(100);
  EXPECT_EQ(query("real", "SELECT samples FROM node WHERE name = 'a'")[0], "10000000");
}

// An agent that says good-bye and connects again, repeatedly.
TEST_F(AtTheDoor, ByesAndReadysEndTheConnectionAndFillNoLog) {
  train_long();
  sets.push_back("stop.tasks=100000");
  sets.push_back("hil.rejoin_timeout_s=5");
  auto& real = coordinator("real");
  ASSERT_TRUE(listens()) << real.output();
  auto fickle = ready_agent("a");
  ASSERT_TRUE(until([&] { return fickle->heard("Assign") == 1; })) << real.output();
  fickle->connection->send(wire::ByeT());
  ASSERT_TRUE(until([&] { return fickle->is_closed(); }));
  for (int i = 0; i < 40; ++i) {
    fickle = knock("a");
    ASSERT_TRUE(until([&] { return fickle->heard("Setup") == 1 || fickle->is_closed(); }));
    if (fickle->is_closed()) break;  // the run is over
    wire::ReadyT ready;
    ready.samples = part_;
    for (int k = 0; k < 50; ++k) {
      fickle->connection->send(wire::ReadyT(ready));
      fickle->connection->send(wire::ByeT());
    }
    ASSERT_TRUE(until([&] { return fickle->is_closed(); })) << "Byes do not end it";
  }
  real.signal(SIGINT);
  real.wait(100);
  EXPECT_LT(lines_with("good-bye"), 40) << real.output();
  EXPECT_LE(std::stoi(query("real", "SELECT COUNT(*) FROM journal WHERE kind = 'node_lost'")[0]),
            41);
}

// Does not train; offers an update with a header of 200,000 tensors. The header is refused before
// it is parsed, and the thread of the sockets is not blocked.
TEST_F(AtTheDoor, AHeaderOfManyTensorsIsRefused) {
  sets.push_back("stop.tasks=100000");
  sets.push_back("hil.lost_after_s=60");
  auto& real = coordinator("real");
  ASSERT_TRUE(listens()) << real.output();
  const auto a = ready_agent("a");
  std::optional<wire::OfferT> offered;
  std::string crowded = "{";
  for (int i = 0; i < 200'000; ++i) {
    crowded += fmt::format("{}\"{}\":{{\"dtype\":\"U8\"}}", i == 0 ? "" : ",", i);
  }
  crowded += "}";
  int refusals = 0;
  a->also = [&](const wire::Message& message) {
    if (const wire::Offer* offer = message.body_as_Offer()) {
      offered.emplace();
      offer->UnPackTo(&*offered);
    }
    const wire::Begin* begin = message.body_as_Begin();
    if (begin == nullptr) return;
    wire::BeganT began;
    began.task = begin->task();
    began.attempt = begin->attempt();
    began.activity = begin->activity();
    began.iteration = begin->iteration();
    wire::EndedT ended;
    ended.task = began.task;
    ended.attempt = began.attempt;
    ended.activity = began.activity;
    ended.iteration = began.iteration;
    ended.took_ns = 1000;
    a->connection->send(wire::BeganT(began));
    if (begin->kind() == wire::Kind::compute) {
      a->connection->send(std::move(ended));
      return;
    }
    wire::OfferT update;
    update.transfer = static_cast<std::uint32_t>(++refusals);
    update.task = began.task;
    update.attempt = began.attempt;
    update.header = crowded;
    update.bytes = 8;
    a->connection->send(std::move(update));
  };
  const bool over = until([&] {
    if (offered && a->heard(fmt::format("done {}", offered->transfer)) > 0) {
      wire::ReceivedT received;
      received.transfer = offered->transfer;
      received.task = offered->task;
      received.attempt = offered->attempt;
      a->connection->send(std::move(received));
      offered.reset();
    }
    return refusals > 0 && real.output().find("refused") != std::string::npos;
  });
  EXPECT_TRUE(over) << real.output();
  EXPECT_THAT(real.output(), HasSubstr("has a header of"));
  EXPECT_FALSE(a->is_closed()) << a->why;
  real.signal(SIGINT);
  real.wait(100);
}

// A second run in the same folder is refused; the files of the first stay unchanged.
TEST_F(AtTheDoor, ASecondRunTouchesNothingOfTheFirst) {
  sets.push_back("hil.rejoin_timeout_s=1000");
  sets.push_back("hil.lost_after_s=1000");
  sets.push_back("stop.tasks=1000000");  // so that the first run is still under way
  auto& real = coordinator("real");
  ASSERT_TRUE(listens()) << real.output();
  const auto first = ready_agent("a");
  ASSERT_TRUE(until([&] { return first->heard("Assign") == 1; })) << real.output();
  const std::string sessions = test::read_file(in("real") + "/sessions.json");
  EXPECT_THAT(sessions, HasSubstr("\"a\""));
  const int other = test::free_port();
  std::vector<std::string> arguments = {
      "run",         scenario,     "-o",       in("real"),
      "--overwrite", "--insecure", "--listen", fmt::format("127.0.0.1:{}", other)};
  for (const std::string& set : sets) arguments.insert(arguments.end(), {"--set", set});
  test::Program second(binary, arguments, folder.path() / "second.log");
  ASSERT_TRUE(second.says("waiting for")) << second.output();
  const auto lured = ready_agent("a", other);
  EXPECT_EQ(second.wait(), 2) << second.output();
  EXPECT_EQ(test::read_file(in("real") + "/sessions.json"), sessions);
  EXPECT_FALSE(first->is_closed());
}

// A lost node returns and reports that it cannot take part: the run does not wait for it any
// longer.
TEST_F(AtTheDoor, ARefusalOfALostNodeIsNoticedAtOnce) {
  sets.push_back("hil.rejoin_timeout_s=100000");
  sets.push_back("schedule.kind=fedavg");
  sets.push_back("stop.tasks=1000000");
  sets.push_back("fleet.nodes.2.backend=hil");
  auto& real = coordinator("real");
  ASSERT_TRUE(listens()) << real.output();
  auto a = ready_agent("a");
  auto c = ready_agent("c");
  ASSERT_TRUE(until([&] { return a->heard("Assign") == 1; })) << real.output();
  // Who says good-bye is lost at once; by silence, a slow machine would lose it when it is back, too.
  a->connection->send(wire::ByeT());
  ASSERT_TRUE(until([&] { return real.output().find("node a is lost") != std::string::npos; }))
      << real.output();
  a = knock("a");
  ASSERT_TRUE(until([&] { return a->heard("Setup") == 1; }));
  wire::RefusedT refused;
  refused.reason = "its disk is broken";
  refused.for_good = true;
  a->connection->send(std::move(refused));
  ASSERT_TRUE(until([&] { return a->is_closed(); }));
  EXPECT_TRUE(real.says("lost for good")) << real.output();
  EXPECT_THAT(real.output(), HasSubstr("its disk is broken"));
}

// Times are those of the steady clock: a jump of the wall clock changes nothing.
TEST(Clocks, NobodyAsksTheWallClock) {
  const std::vector<std::string> wall = {
      "system_"
      "clock",
      "system_"
      "timer",
      "deadline_"
      "timer",
      "gettimeof"
      "day",
      "CLOCK_"
      "REALTIME"};
  int files = 0;
  for (const char* place : {"hil/bridge", "hil/protocol", "hil/agent", "analysis/live", "sim/world",
                            "sim/run", "sim/store"}) {
    for (const auto& entry :
         std::filesystem::directory_iterator(std::filesystem::path(CONVOY_SOURCE) / place)) {
      const auto kind = entry.path().extension();
      if (kind != ".cpp" && kind != ".hpp") continue;
      ++files;
      const std::string text = test::read_file(entry.path());
      for (const std::string& clock : wall) {
        EXPECT_EQ(text.find(clock), std::string::npos) << entry.path() << " asks " << clock;
      }
    }
  }
  EXPECT_GT(files, 30);
}

}  // namespace
}  // namespace convoy
