// Tests `convoy sweep --serve` as its user sees it: what a viewer is told, and that stopping in the
// browser stops the sweep.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/support/files.hpp"
#include "tests/support/live_client.hpp"
#include "tests/support/programs.hpp"

namespace convoy {
namespace {

namespace asio = boost::asio;
namespace fs = std::filesystem;
using nlohmann::json;
using test::LiveClient;
using testing::HasSubstr;

// Points of timing alone. `rounds`: so many that they do not end by themselves, or few.
std::string scenario(std::int64_t rounds) {
  return fmt::format(R"(
name = "live"
[[fleet.nodes]]
device = "jetson-orin-nano-8gb"
count = 4
jitter = 0.2
[model]
architecture = "mlp"
[schedule]
kind = "fedavg"
[stop]
rounds = {}
[sweep]
seed = [1, 2, 3, 4]
)",
                     rounds);
}
constexpr std::int64_t endless = 50'000'000;

class LiveSweep : public testing::Test {
 protected:
  [[nodiscard]] std::string in(const std::string& name) const {
    return (folder_.path() / name).string();
  }
  [[nodiscard]] std::string authority() const { return fmt::format("127.0.0.1:{}", port_); }

  std::vector<std::string> arguments(std::int64_t rounds,
                                     const std::vector<std::string>& more = {}) {
    std::vector<std::string> all = {
        "sweep", folder_.write("s.toml", scenario(rounds)), "-o", in("out"), "-j", "1"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  std::vector<std::string> served(std::int64_t rounds, std::vector<std::string> more = {}) {
    more.insert(more.end(), {"--serve", authority()});
    return arguments(rounds, more);
  }

  // Connects with the token that the program prints.
  LiveClient viewer(test::Program& sweep) {
    EXPECT_TRUE(sweep.says("token=")) << sweep.output();
    const std::string said = sweep.output();
    const std::string token = said.substr(said.find("token=") + 6, 32);
    return {io_,
            {asio::ip::make_address("127.0.0.1"), static_cast<std::uint16_t>(port_)},
            authority(),
            "/live?token=" + token};
  }
  // Exit status of a sweep that a viewer stops while a point is running.
  int stop(test::Program& sweep) {
    LiveClient client = viewer(sweep);
    while (client.next("now").at("running").at("point").empty()) {
    }
    client.say("{\"do\": \"stop\"}");
    const json end = client.next("end");
    EXPECT_EQ(end.at("status"), "stopped");
    EXPECT_EQ(end.at("now").at("running").at("point").size(), 0U) << "the last state is told";
    EXPECT_GE(end.at("now").at("stopped"), 1);
    return sweep.wait();
  }

  test::TemporaryFolder folder_;
  const int port_ = test::free_port();
  asio::io_context io_;
};

TEST_F(LiveSweep, StoppedInTheBrowserItGoesOnLater) {
  {
    test::Program sweep(CONVOY_BINARY, served(endless), in("log"));
    EXPECT_EQ(stop(sweep), 3) << sweep.output();
    EXPECT_THAT(sweep.output(), HasSubstr("stopped; continue with the same command"));
  }
  // Not the same settings, but nothing is done yet.
  test::Program again(CONVOY_BINARY, arguments(3), in("log"));
  EXPECT_EQ(again.wait(), 0) << again.output();
  EXPECT_THAT(again.output(), HasSubstr("4 of 4 points are done"));
}

TEST_F(LiveSweep, AStopReachesAllRanksOfMpi) {
  if (std::system("mpirun --version > /dev/null 2>&1") != 0) GTEST_SKIP() << "no mpirun here";
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers do not load a library that finds its own symbols first";
#endif
  std::vector<std::string> ranks = {"--allow-run-as-root", "--oversubscribe", "-n", "3",
                                    CONVOY_BINARY};
  const std::vector<std::string> sweep = served(endless);
  ranks.insert(ranks.end(), sweep.begin(), sweep.end());
  test::Program job("mpirun", ranks, in("log"));
  EXPECT_EQ(stop(job), 3) << job.output();
}

TEST_F(LiveSweep, WithoutStoresPointsHaveNoPages) {
  test::Program sweep(CONVOY_BINARY, served(endless, {"--no-store"}), in("log"));
  LiveClient client = viewer(sweep);
  EXPECT_EQ(client.next("sweep").at("with_stores"), false);
  const json report = client.next("report");
  EXPECT_EQ(report.at("data").at("sweeps").at(0).at("points").size(), 4U);
  client.say("{\"do\": \"stop\"}");
  EXPECT_EQ(client.next("end").at("status"), "stopped");
  EXPECT_EQ(sweep.wait(), 3);
}

TEST_F(LiveSweep, WhatFailedBeforeAndRunsAgainHasNotFailed) {
  {
    test::Program sweep(CONVOY_BINARY, served(endless), in("log"));
    EXPECT_EQ(stop(sweep), 3) << sweep.output();
  }
  for (const json& point : json::parse(test::read_file(in("out") + "/sweep.json")).at("points")) {
    folder_.write("out/points/" + point.at("hash").get<std::string>() + "/failure.txt", "once\n");
  }
  test::Program sweep(CONVOY_BINARY, served(endless), in("log"));
  LiveClient client = viewer(sweep);
  const json report = client.next("report");
  for (const json& point : report.at("data").at("sweeps").at(0).at("points")) {
    EXPECT_EQ(point.at("status"), "missing");
    EXPECT_EQ(point.at("cause"), "");
  }
  client.say("{\"do\": \"stop\"}");
  EXPECT_EQ(client.next("end").at("status"), "stopped");
}

TEST_F(LiveSweep, WhereNothingIsLeftItSaysSo) {
  test::Program first(CONVOY_BINARY, arguments(3), in("log"));
  ASSERT_EQ(first.wait(), 0);
  test::Program again(CONVOY_BINARY, served(3), in("log"));
  EXPECT_EQ(again.wait(), 0) << again.output();
  EXPECT_THAT(again.output(), HasSubstr("all points are finished; `convoy report"));
}

TEST_F(LiveSweep, WhereItCannotListenNothingIsLost) {
  test::Program first(CONVOY_BINARY, arguments(3), in("log"));
  ASSERT_EQ(first.wait(), 0);
  const std::string before = test::read_file(in("out") + "/results.csv");
  asio::ip::tcp::acceptor taken(
      io_, {asio::ip::make_address("127.0.0.1"), static_cast<std::uint16_t>(port_)});
  const auto refused = [&](const std::string& address, const std::string& why) {
    test::Program sweep(CONVOY_BINARY, arguments(3, {"--overwrite", "--serve", address}),
                        in("log"));
    EXPECT_EQ(sweep.wait(), 2);
    EXPECT_THAT(sweep.output(), HasSubstr(why));
  };
  refused(authority(), "choose another port");
  refused("127.0.0.1:0", "choose a port, 1 to 65535");
  refused("192.0.2.1:8080", "an address of this machine");
  refused("nowhere", "expected ADDRESS:PORT");
  EXPECT_EQ(test::read_file(in("out") + "/results.csv"), before);
  int points = 0;
  for (const auto& point : fs::directory_iterator(in("out") + "/points")) {
    points += fs::exists(point.path() / "summary.json") ? 1 : 0;
  }
  EXPECT_EQ(points, 4);
}

}  // namespace
}  // namespace convoy
