// The report of a large run, and the cost of viewers for a run in progress. Exit status 1 if a
// bound is missed.

#include <fmt/format.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/websocket.hpp>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "bench/child.hpp"
#include "bench/report.hpp"

namespace convoy::bench {
namespace {

namespace fs = std::filesystem;
using boost::asio::ip::tcp;

std::string scenario(bool learn, int tasks) {
  return fmt::format(R"(
name = "live-bench"
[[fleet.nodes]]
device = "jetson-orin-nx-16gb"
link = "wifi6"
count = 40
jitter = 0.3
[[fleet.nodes]]
device = "jetson-nano"
link = "lte"
count = 10
[data]
source = "glyphs"
samples = 3000
test_samples = 500
[model]
architecture = "cnn-small"
[training]
learn = {}
batch = 16
local_epochs = 1
[schedule]
kind = "cos2p"
[stop]
tasks = {}
)",
                     learn, tasks);
}

int free_port() {
  boost::asio::io_context io;
  tcp::acceptor acceptor(io, {boost::asio::ip::address_v4::loopback(), 0});
  return acceptor.local_endpoint().port();
}

// Views a run from its first reachable moment to its end; gives the number of bytes received.
std::size_t look(int port) {
  const std::string host = fmt::format("127.0.0.1:{}", port);
  for (int tries = 0; tries < 2000; ++tries) {
    try {
      boost::asio::io_context io;
      boost::beast::websocket::stream<tcp::socket> socket(io);
      socket.next_layer().connect(
          {boost::asio::ip::address_v4::loopback(), static_cast<std::uint16_t>(port)});
      socket.handshake(host, "/live");
      socket.read_message_max(0);
      std::size_t bytes = 0;
      try {
        for (;;) {
          boost::beast::flat_buffer buffer;
          bytes += socket.read(buffer);
        }
      } catch (const boost::system::system_error&) {
        return bytes;
      }
    } catch (const boost::system::system_error&) {
      ::usleep(5'000);
    }
  }
  return 0;
}

// The run's wall time by its own summary; `watched`: a viewer is connected all the time.
double wall_time(const fs::path& folder, bool watched, std::size_t& told) {
  const int port = watched ? free_port() : 0;
  const std::string serve = watched ? fmt::format("--serve 127.0.0.1:{}", port) : "";
  std::jthread watcher;
  if (watched) watcher = std::jthread([&told, port] { told = look(port); });
  command(fmt::format("{} run {} -o {} --overwrite --quiet --json {} > {} 2> /dev/null",
                      CONVOY_BINARY, (folder / "s.toml").string(), (folder / "run").string(), serve,
                      (folder / "summary.json").string()));
  std::ifstream in(folder / "summary.json");
  return nlohmann::json::parse(in).at("wall_time_s").get<double>();
}

void costs(const fs::path& folder, const char* what, bool learn, int tasks, int pairs) {
  std::ofstream(folder / "s.toml") << scenario(learn, tasks);
  std::vector<double> ratios;
  std::vector<double> alone;
  std::size_t told = 0;
  for (int i = 0; i < pairs; ++i) {
    // In changing order, so that neither variant always comes first.
    double times[2] = {};
    for (const bool watched : {i % 2 == 0, i % 2 != 0}) {
      times[watched ? 1 : 0] = wall_time(folder, watched, told);
    }
    ratios.push_back(times[1] / times[0]);
    alone.push_back(times[0]);
  }
  fmt::print("{}: {:.2f} s alone, {:.1f} MB told to who looks\n", what, median(alone),
             static_cast<double>(told) / 1e6);
  report("  time of a run that is looked at", median(ratios), "x", 1.02);
}

void reports(const fs::path& folder) {
  std::ofstream(folder / "s.toml") << scenario(false, 33'500);
  command(fmt::format("{} run {} -o {} --overwrite --quiet > /dev/null 2>&1", CONVOY_BINARY,
                      (folder / "s.toml").string(), (folder / "run").string()));
  std::vector<double> times;
  times.reserve(5);
  for (int i = 0; i < 5; ++i) {
    times.push_back(
        command(fmt::format("{} report {} -o {} > /dev/null", CONVOY_BINARY,
                            (folder / "run").string(), (folder / "report.html").string()))
            .seconds);
  }
  report("report of 100,000 activities", median(times), "s", 3);
  report("  its size", static_cast<double>(fs::file_size(folder / "report.html")) / 1e6, "MB", 10);
}

}  // namespace
}  // namespace convoy::bench

int main() {
  using namespace convoy::bench;
  return run_all("convoy_live_bench", [](const std::filesystem::path& folder) {
    reports(folder);
    costs(folder, "Timing only, 600,000 tasks", false, 600'000, 9);
    costs(folder, "Learning, 300 tasks", true, 300, 9);
  });
}
