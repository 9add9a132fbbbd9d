// Tests the live view's server: access, and its messages.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "analysis/live/access.hpp"
#include "analysis/live/server.hpp"
#include "analysis/live/shown_run.hpp"
#include "analysis/live/shown_sweep.hpp"
#include "base/diagnostics.hpp"
#include "sim/sweep/folder.hpp"
#include "tests/support/files.hpp"
#include "tests/support/hand_made_store.hpp"
#include "tests/support/live_client.hpp"
#include "tests/support/programs.hpp"

namespace convoy::analysis {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace fs = std::filesystem;
using nlohmann::json;
using test::HandMadeStore;
using test::TemporaryFolder;
using testing::HasSubstr;

// --- who may ------------------------------------------------------------------------------------

TEST(LiveAccess, OnlyRequestsThatNameThisServer) {
  const Access here("127.0.0.1", 8080, true, "secret");
  for (const char* host : {"127.0.0.1:8080", "localhost:8080", "[::1]:8080"}) {
    EXPECT_TRUE(here.is_this_server(host)) << host;
  }
  for (const char* host : {"", "127.0.0.1", "127.0.0.1:80801", "evil.example:8080", "10.0.0.1:8080",
                           "localhost.evil.example:8080", "127.0.0.1:8081", ":8080"}) {
    EXPECT_FALSE(here.is_this_server(host)) << host;
  }
  const Access everywhere("0.0.0.0", 8080, false, "secret");
  for (const char* host : {"10.0.0.1:8080", "[fe80::1]:8080", "192.168.1.7:8080"}) {
    EXPECT_TRUE(everywhere.is_this_server(host)) << host;
  }
  for (const char* host : {"evil.example:8080", "localhost:8080", ":8080", "10.0.0.1"}) {
    EXPECT_FALSE(everywhere.is_this_server(host)) << host;
  }
  for (const char* host : {"[::1]", "localhost", "[::1]:80"}) {
    EXPECT_TRUE(Access("::1", 80, true, "").is_this_server(host)) << host;
  }
  EXPECT_FALSE(Access("::1", 80, true, "").is_this_server("evil.example"));
  EXPECT_EQ(Access("::", 80, false, "x").url("fe80::1"), "http://[fe80::1]:80/?token=x");
}

TEST(LiveAccess, OnlyOurOwnPage) {
  EXPECT_TRUE(Access::is_own_page("", "127.0.0.1:8080"));
  EXPECT_TRUE(Access::is_own_page("http://127.0.0.1:8080", "127.0.0.1:8080"));
  for (const char* origin : {"null", "https://127.0.0.1:8080", "http://127.0.0.1:8081",
                             "http://evil.example", "http://localhost:8080"}) {
    EXPECT_FALSE(Access::is_own_page(origin, "127.0.0.1:8080")) << origin;
  }
}

TEST(LiveAccess, TheTokenIsNeededForMoreThanReadingAndFromElsewhere) {
  const Access here("127.0.0.1", 8080, true, "secret");
  EXPECT_TRUE(here.may_read(""));
  EXPECT_FALSE(here.may_control(""));
  EXPECT_FALSE(here.may_control("secre"));
  EXPECT_FALSE(here.may_control("secret2"));
  EXPECT_TRUE(here.may_control("secret"));
  const Access everywhere("0.0.0.0", 8080, false, "secret");
  EXPECT_FALSE(everywhere.may_read(""));
  EXPECT_TRUE(everywhere.may_read("secret"));
  EXPECT_EQ(token_in("/live?a=1&token=abc&b=2"), "abc");
  EXPECT_EQ(token_in("/live?xtoken=abc"), "");
  EXPECT_EQ(token_in("/live"), "");
  EXPECT_EQ(token_in("/?token="), "");
  EXPECT_EQ(new_token().size(), 32);
  EXPECT_NE(new_token(), new_token());
}

TEST(LiveState, ARunThatIsPausedWaits) {
  LiveState state;
  std::atomic<bool> interrupted = false;
  state.wait_while_paused(interrupted);  // returns, since nobody has paused the run
  state.set_paused(true);
  std::atomic<bool> went_on = false;
  std::jthread run([&] {
    state.wait_while_paused(interrupted);
    went_on = true;
  });
  for (int i = 0; i < 20; ++i) test::nap();
  EXPECT_FALSE(went_on);
  state.set_paused(false);
  EXPECT_TRUE(test::eventually([&] { return went_on.load(); }));
  state.set_paused(true);
  interrupted = true;
  state.wait_while_paused(interrupted);  // returns, since the run is to stop
}

// --- the server ---------------------------------------------------------------------------------

class LiveServerTest : public testing::Test {
 protected:
  LiveServerTest() {
    HandMadeStore store(folder_.path() / "run");
    store.node(0, "server").node(1, "<script>alert(1)</script>");
    store.compute(1, "train", 0, 2).task = 0;
    store.task(0, 1, 0, 2, 1);
    store.aggregation(1, 2, 2);
    store.end.virtual_time_s = 2;
    store.write();
    options_.host = "127.0.0.1";
    options_.port = static_cast<std::uint16_t>(test::free_port());
    options_.version = "1.2.3";
    options_.stop = [this] { stopped_ = true; };
  }

  void begin() {
    LiveStatus status;
    status.virtual_time_s = 1;
    status.nodes.push_back({1, "train", 0.5, false});
    state_.put(status);
  }

  [[nodiscard]] std::string authority() const {
    return "127.0.0.1:" + std::to_string(options_.port);
  }

  using Headers = std::vector<std::pair<http::field, std::string>>;
  http::response<http::string_body> get(const std::string& target, const Headers& headers = {}) {
    http::request<http::empty_body> request(http::verb::get, target, 11);
    request.set(http::field::host, authority());
    for (const auto& [field, value] : headers) request.set(field, value);
    return send(request);
  }
  http::response<http::string_body> send(const http::request<http::empty_body>& request) {
    beast::tcp_stream stream(io_);
    stream.connect(endpoint());
    http::write(stream, request);
    beast::flat_buffer buffer;
    http::response<http::string_body> response;
    http::read(stream, buffer, response);
    return response;
  }
  [[nodiscard]] asio::ip::tcp::endpoint endpoint() const {
    return {asio::ip::make_address("127.0.0.1"), options_.port};
  }

  TemporaryFolder folder_;
  asio::io_context io_;
  LiveOptions options_;
  LiveState state_;
  ShownRun run_{state_, folder_.path() / "run", true};
  std::atomic<bool> stopped_ = false;
};

using Client = test::LiveClient;

std::string token_of(const LiveServer& server) {
  const std::string url = server.url();
  return url.substr(url.find("token=") + 6);
}

TEST_F(LiveServerTest, GivesThePage) {
  const LiveServer server(options_, run_);
  const auto response = get("/");
  EXPECT_EQ(response.result_int(), 200);
  EXPECT_EQ(response[http::field::content_type], "text/html; charset=utf-8");
  EXPECT_EQ(response["Referrer-Policy"], "no-referrer");
  EXPECT_THAT(response.body(), HasSubstr("\"live\":\"run\""));
  EXPECT_THAT(response.body(), HasSubstr("1.2.3"));
  EXPECT_EQ(get("/etc/passwd").result_int(), 404);
  EXPECT_EQ(get("/live").result_int(), 404) << "no WebSocket";
}

TEST_F(LiveServerTest, RefusesForeignRequests) {
  const LiveServer server(options_, run_);
  EXPECT_EQ(get("/", {{http::field::host, "evil.example:80"}}).result_int(), 403);
  EXPECT_EQ(get("/", {{http::field::origin, "http://evil.example"}}).result_int(), 403);
  http::request<http::empty_body> request(http::verb::post, "/", 11);
  request.set(http::field::host, authority());
  EXPECT_EQ(send(request).result_int(), 405);
  request.method(http::verb::head);
  request.set(http::field::connection, "close");
  beast::tcp_stream stream(io_);
  stream.connect(endpoint());
  http::write(stream, request);
  beast::flat_buffer buffer;
  http::response_parser<http::empty_body> head;
  head.skip(true);
  http::read(stream, buffer, head);
  EXPECT_EQ(head.get().result_int(), 200);
}

TEST_F(LiveServerTest, BeyondLoopbackNothingWithoutTheToken) {
  options_.loopback = false;  // treated as if the host were not loopback
  const LiveServer server(options_, run_);
  EXPECT_EQ(get("/").result_int(), 403);
  EXPECT_EQ(get("/?token=guess").result_int(), 403);
  EXPECT_EQ(get("/?token=" + token_of(server)).result_int(), 200);
  EXPECT_THROW(Client(io_, endpoint(), authority(), "/live"), boost::system::system_error);
}

TEST_F(LiveServerTest, TellsTheRunItsRowsAndItsEnd) {
  LiveServer server(options_, run_);
  Client client(io_, endpoint(), authority(), "/live");
  begin();
  const json run = client.next();
  ASSERT_EQ(run.at("type"), "run");
  EXPECT_EQ(run.at("may_control"), false);
  EXPECT_EQ(run.at("run").at("nodes").at("name").at(1), "<script>alert(1)</script>");
  EXPECT_EQ(run.at("run").at("timeline").at("activities").at("end_s").at(0), 2);
  const json now = client.next("now");
  EXPECT_EQ(now.at("virtual_time_s"), 1);
  EXPECT_EQ(now.at("nodes").at("label").at(0), "train");
  EXPECT_EQ(now.at("paused"), false);
  client.say("{\"do\": \"pause\"}");
  EXPECT_THAT(client.next("refused").at("why"), HasSubstr("token"));
  EXPECT_FALSE(state_.is_paused());
  std::jthread over([&server] { server.is_over(); });
  EXPECT_EQ(client.next("end").at("run").at("status"), "done");
  EXPECT_TRUE(client.is_closed());
}

TEST_F(LiveServerTest, TheTokenPausesAndStops) {
  const LiveServer server(options_, run_);
  begin();
  Client client(io_, endpoint(), authority(), "/live?token=" + token_of(server));
  EXPECT_EQ(client.next("run").at("may_control"), true);
  client.say("{\"do\": \"pause\"}");
  EXPECT_TRUE(test::eventually([&] { return state_.is_paused(); }));
  while (client.next("now").at("paused") != true) {
  }
  client.say("{\"do\": \"resume\"}");
  EXPECT_TRUE(test::eventually([&] { return !state_.is_paused(); }));
  for (const char* nonsense : {"{\"do\": \"dance\"}", "{}", "[1", "", "{\"do\": 3}"}) {
    client.say(nonsense);
    EXPECT_THAT(client.next("refused").at("why"), HasSubstr("expected")) << nonsense;
  }
  client.say("{\"do\": \"stop\"}");
  EXPECT_TRUE(test::eventually([&] { return stopped_.load(); }));
  EXPECT_TRUE(client.is_closed_after(std::string(100'000, ' '))) << "nobody needs to say as much";
}

TEST_F(LiveServerTest, WhoDoesNotAnswerTheFarewellIsNotWaitedFor) {
  LiveServer server(options_, run_);
  begin();
  Client silent(io_, endpoint(), authority(), "/live");
  EXPECT_EQ(silent.next().at("type"), "run");
  server.is_over();  // returns, although the viewer does not read
  EXPECT_THROW(get("/"), boost::system::system_error);
}

// Many half-open requests do not keep a page request out.
TEST_F(LiveServerTest, HalfRequestsKeepNobodyOut) {
  const LiveServer server(options_, run_);
  begin();
  for (const int count : {70, 200, 400}) {
    std::vector<asio::ip::tcp::socket> halves;
    for (int i = 0; i < count; ++i) {
      halves.emplace_back(io_);
      halves.back().connect(endpoint());
      if (i % 2 == 0) asio::write(halves.back(), asio::buffer(std::string("GET / HTTP/1.1\r\nHo")));
    }
    EXPECT_EQ(get("/").result_int(), 200) << count;
    Client client(io_, endpoint(), authority(), "/live");
    EXPECT_EQ(client.next().at("type"), "run") << count;
  }
}

// Unfinished connections do not push out a viewer.
TEST_F(LiveServerTest, HalfRequestsPushNobodyOut) {
  const LiveServer server(options_, run_);
  begin();
  Client client(io_, endpoint(), authority(), "/live?token=" + token_of(server));
  EXPECT_EQ(client.next("run").at("may_control"), true);
  std::vector<asio::ip::tcp::socket> halves;
  for (int i = 0; i < 200; ++i) {
    halves.emplace_back(io_);
    halves.back().connect(endpoint());
  }
  EXPECT_EQ(get("/").result_int(), 200);
  client.say("{\"do\": \"pause\"}");
  EXPECT_TRUE(test::eventually([&] { return state_.is_paused(); }));
}

// Viewers without the token do not keep out a viewer with the token.
TEST_F(LiveServerTest, LookersKeepNobodyOutWhoHasTheToken) {
  const LiveServer server(options_, run_);
  begin();
  std::vector<std::unique_ptr<Client>> lookers;
  for (int i = 0; i < 16; ++i) {
    lookers.push_back(std::make_unique<Client>(io_, endpoint(), authority(), "/live"));
    EXPECT_EQ(lookers.back()->next().at("type"), "run");
  }
  Client one_more(io_, endpoint(), authority(), "/live");
  EXPECT_EQ(one_more.next().at("type"), "refused");
  Client owner(io_, endpoint(), authority(), "/live?token=" + token_of(server));
  EXPECT_EQ(owner.next("run").at("may_control"), true);
  owner.say("{\"do\": \"pause\"}");
  EXPECT_TRUE(test::eventually([&] { return state_.is_paused(); }));
}

// A viewer that reads nothing while more is sent than the sockets' buffers hold: the run's end does
// not wait for it, although it would wait for a viewer that reads.
TEST_F(LiveServerTest, WhoTakesNothingIsNotWaitedFor) {
  HandMadeStore store(folder_.path() / "large");
  store.node(0, "server");
  for (int node = 1; node < 2000; ++node) store.node(node, std::string(4000, 'x'));
  store.end.virtual_time_s = 2;
  store.write();
  options_.patience = std::chrono::hours(1);
  ShownRun run(state_, folder_.path() / "large", true);
  LiveServer server(options_, run);
  begin();
  const Client silent(io_, endpoint(), authority(), "/live");
  // Wait until the server counts it as a viewer.
  ASSERT_TRUE(test::eventually([&] { return state_.wants_status(); }));
  server.is_over();  // returns
}

// A slow viewer gets everything.
TEST_F(LiveServerTest, WhoReadsSlowlyIsToldTheEnd) {
  HandMadeStore store(folder_.path() / "large");
  store.node(0, "server");
  for (int node = 1; node < 2000; ++node) store.node(node, std::string(4000, 'x'));
  store.end.virtual_time_s = 2;
  store.write();
  ShownRun run(state_, folder_.path() / "large", true);
  LiveServer server(options_, run);
  begin();
  Client slow(io_, endpoint(), authority(), "/live");
  EXPECT_EQ(slow.next().at("type"), "run");
  std::jthread over([&server] { server.is_over(); });
  const json end = slow.next("end");
  const json& names = end.at("run").at("nodes").at("name");
  EXPECT_EQ(names.size(), 2000U);
  EXPECT_EQ(names.at(1999).get<std::string>().size(), 4000U);
}

TEST_F(LiveServerTest, NobodyNeedsToLook) {
  LiveServer server(options_, run_);
  server.is_over();
  EXPECT_THROW(get("/"), boost::system::system_error);
}

TEST_F(LiveServerTest, RealDevicesDoNotPause) {
  ShownRun run(state_, folder_.path() / "run", false);
  const LiveServer server(options_, run);
  begin();
  Client client(io_, endpoint(), authority(), "/live?token=" + token_of(server));
  EXPECT_EQ(client.next("run").at("pausable"), false);
  client.say("{\"do\": \"pause\"}");
  EXPECT_THAT(client.next("refused").at("why"), HasSubstr("real devices"));
}

// --- a sweep
// --------------------------------------------------------------------------------------

class LiveSweepTest : public LiveServerTest {
 protected:
  LiveSweepTest() {
    fs::create_directories(sweep_folder() / "points");
    sim::SweepFolder(sweep_folder())
        .write_index({"s", "s.toml", "1.2.3", {"quorum"}, {{{".5"}, "a"}, {{"1"}, "b"}}});
  }
  [[nodiscard]] fs::path sweep_folder() const { return folder_.path() / "sweep"; }

  // The point is finished; its store is that of the run.
  void finish(const std::string& hash) const {
    const fs::path point = sweep_folder() / "points" / hash;
    fs::create_directories(point);
    fs::copy_file(folder_.path() / "run" / "run.sqlite", point / "run.sqlite");
    json summary;
    for (const char* column : sim::result_columns) summary[column] = 3;
    summary["curve"] = json::array();
    std::ofstream(point / "summary.json") << summary;
  }

  ShownSweep sweep_{sweep_folder(), true, "1.2.3"};
};

TEST_F(LiveSweepTest, TellsItsPointsAsTheyEnd) {
  LiveServer server(options_, sweep_);
  EXPECT_THAT(get("/").body(), HasSubstr("\"live\":\"sweep\""));
  Client client(io_, endpoint(), authority(), "/live?token=" + token_of(server));
  SweepStatus status;
  status.points = 2;
  status.running = {{1, 0.25}};
  status.wall_time_s = 7;
  sweep_.put(status);

  EXPECT_EQ(client.next("sweep").at("may_control"), true);
  const auto points = [](const json& report) {
    return report.at("data").at("sweeps").at(0).at("points");
  };
  EXPECT_EQ(points(client.next("report")).at(0).at("status"), "missing");
  const json now = client.next("now");
  EXPECT_EQ(now.at("points"), 2);
  EXPECT_EQ(now.at("running").at("point").at(0), 1);
  EXPECT_EQ(now.at("running").at("share").at(0), 0.25);
  EXPECT_EQ(now.at("left_s"), nullptr);
  EXPECT_EQ(get("/point/0").result_int(), 404) << "it is not finished";

  finish("a");
  sweep_.point_ended();
  const json report = client.next("report");
  EXPECT_EQ(points(report).at(0).at("status"), "done");
  EXPECT_EQ(points(report).at(1).at("status"), "missing");
  EXPECT_EQ(report.at("data").at("live"), "");
  client.say("{\"do\": \"pause\"}");
  EXPECT_THAT(client.next("refused").at("why"), HasSubstr("cannot be paused"));
  client.say("{\"do\": \"stop\"}");
  EXPECT_TRUE(test::eventually([&] { return stopped_.load(); }));

  sweep_.set_end("stopped");
  std::jthread over([&server] { server.is_over(); });
  const json end = client.next("end");
  EXPECT_EQ(end.at("status"), "stopped");
  EXPECT_EQ(points(end), points(report));
  EXPECT_TRUE(client.is_closed());
}

TEST_F(LiveSweepTest, APointThatIsDoneHasAReport) {
  finish("b");
  const LiveServer server(options_, sweep_);
  const auto page = get("/point/1");
  EXPECT_EQ(page.result_int(), 200);
  EXPECT_THAT(page.body(), HasSubstr("\"activities\""));
  for (const char* other : {"/point/0", "/point/2", "/point/", "/point/-1", "/point/1x",
                            "/point/1/", "/point/99999999999999999999", "/point/../../run"}) {
    EXPECT_EQ(get(other).result_int(), 404) << other;
  }
  // A picture in a page of somebody else would make the server work.
  http::request<http::empty_body> foreign(http::verb::get, "/point/1", 11);
  foreign.set(http::field::host, authority());
  foreign.set("Sec-Fetch-Site", "cross-site");
  EXPECT_EQ(send(foreign).result_int(), 403);
  fs::remove(sweep_folder() / "points" / "b" / "run.sqlite");
  EXPECT_EQ(get("/point/1").result_int(), 404) << "it has no store";
}

// A store that cannot be read is no reason to end.
TEST_F(LiveSweepTest, AStoreThatCannotBeReadIsNotFound) {
  finish("a");
  std::ofstream(sweep_folder() / "points" / "a" / "run.sqlite") << "no store";
  const LiveServer server(options_, sweep_);
  EXPECT_EQ(get("/point/0").result_int(), 404);
  EXPECT_EQ(get("/").result_int(), 200);
}

// A run whose status cannot be asked for, once.
class FaultyRun : public ShownRun {
 public:
  using ShownRun::ShownRun;
  void ask_for_status() override {
    if (++asked == 2) throw std::runtime_error("it fails once");  // 1: when a viewer comes
    ShownRun::ask_for_status();
  }
  std::atomic<int> asked = 0;
};

TEST_F(LiveServerTest, ATimerOutlivesAnException) {
  FaultyRun run(state_, folder_.path() / "run", true);
  const LiveServer server(options_, run);
  begin();
  Client client(io_, endpoint(), authority(), "/live");
  EXPECT_EQ(client.next().at("type"), "run");
  while (run.asked < 5) client.next("now");
}

TEST_F(LiveServerTest, APortThatIsTaken) {
  const LiveServer server(options_, run_);
  EXPECT_THROW(LiveServer(options_, run_), base::UserError);
}

}  // namespace
}  // namespace convoy::analysis
