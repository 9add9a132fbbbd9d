// Benchmarks of hardware in the loop: tensors over our protocol against a bare copy over the same
// sockets, with TLS and without; the time from an assignment to the agent's start; one version for
// sixteen agents; the elastic clock while the simulation is blocked. Compared variants alternate in
// one run. Exit status 1 if a bound is missed.

#include <fmt/format.h>
#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <filesystem>
#include <fstream>
#include <functional>
#include <numeric>
#include <thread>

#include "bench/report.hpp"
#include "engine/api/engine.hpp"
#include "hil/agent/agent.hpp"
#include "hil/protocol/connection.hpp"
#include "hil/protocol/listener.hpp"
#include "hil/protocol/tls.hpp"
#include "sim/run/open_engine.hpp"
#include "sim/world/world.hpp"
#include "testbed/setup.hpp"

namespace convoy::bench {
namespace {

using namespace std::chrono_literals;
using hil::Connection;
using hil::Stream;
using hil::asio::ip::tcp;

// --- a model over loopback ----------------------------------------------------------------------

constexpr std::size_t model_bytes = 350'000'000;
constexpr std::size_t tensors = 200;

// Memory as large as ViT-B/16, in the same number of pieces.
struct Memory : engine::Unpacking {
  Memory() : bytes(model_bytes) {
    for (std::size_t i = 0; i < tensors; ++i) {
      const std::size_t from = model_bytes / tensors * i;
      all.emplace_back(bytes.data() + from, model_bytes / tensors);
    }
  }
  [[nodiscard]] const std::vector<std::span<std::byte>>& pieces() const override { return all; }
  std::vector<std::byte> bytes;
  std::vector<std::span<std::byte>> all;
};

struct Ends {
  std::unique_ptr<Stream> near;
  std::unique_ptr<Stream> far;
};

// A connected pair, each with an io_context and, later, a thread of its own.
Ends connect(hil::asio::io_context& a, hil::asio::io_context& b,
             const std::shared_ptr<hil::asio::ssl::context>& server,
             const std::shared_ptr<hil::asio::ssl::context>& client) {
  tcp::acceptor acceptor(a, tcp::endpoint(hil::asio::ip::address_v4::loopback(), 0));
  tcp::socket near(a);
  tcp::socket far(b);
  far.connect(acceptor.local_endpoint());
  acceptor.accept(near);
  Ends ends{std::make_unique<Stream>(std::move(near), server),
            std::make_unique<Stream>(std::move(far), client)};
  int done = 0;
  ends.near->handshake(testbed::Role::coordinator, [&](const std::string& why) {
    if (!why.empty()) throw std::runtime_error(why);
    ++done;
  });
  ends.far->handshake(testbed::Role::node, [&](const std::string& why) {
    if (!why.empty()) throw std::runtime_error(why);
    ++done;
  });
  while (done < 2) {
    a.poll();
    b.poll();
  }
  a.restart();
  b.restart();
  return ends;
}  // NOLINT(clang-analyzer-cplusplus.NewDeleteLeaks): Asio's handlers own it

// Each end of a copy runs on its own core if there are two. Otherwise the kernel sometimes puts
// both threads of one variant on one core, which halves its speed and makes the ratio meaningless.
// On one core a copy with checksums costs a fifth to a quarter more than a bare one.
std::vector<int> cores_to_use() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  ::pthread_getaffinity_np(::pthread_self(), sizeof allowed, &allowed);
  std::vector<int> cores;
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (CPU_ISSET(core, &allowed)) cores.push_back(core);
  }
  return cores;
}

void on_core(int core) {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  CPU_SET(core, &cores);
  if (::pthread_setaffinity_np(::pthread_self(), sizeof cores, &cores) != 0) {
    throw std::runtime_error(fmt::format("nothing may run on core {}", core));
  }
}

// Runs both until b has no more work; then `end` stops a.
void run_both(hil::asio::io_context& a, hil::asio::io_context& b,
              const std::function<void()>& end) {
  cpu_set_t before;
  ::pthread_getaffinity_np(::pthread_self(), sizeof before, &before);
  const std::vector<int> cores = cores_to_use();
  {
    const std::jthread other([&] {
      on_core(cores.front());
      a.run();
    });
    on_core(cores[cores.size() > 1 ? 1 : 0]);
    b.run();
    end();
  }
  ::pthread_setaffinity_np(::pthread_self(), sizeof before, &before);
}

// Copies the same bytes without a protocol, in chunks of the same size.
double bare_copy(const std::shared_ptr<hil::asio::ssl::context>& server,
                 const std::shared_ptr<hil::asio::ssl::context>& client, const Memory& from,
                 Memory& to) {
  hil::asio::io_context a(1);
  hil::asio::io_context b(1);
  const Ends ends = connect(a, b, server, client);
  const double start = hil::steady_seconds();
  std::function<void(std::size_t)> write = [&](std::size_t at) {
    if (at >= model_bytes) return;
    const std::size_t n = std::min(hil::chunk_bytes, model_bytes - at);
    ends.near->write(hil::asio::buffer(from.bytes.data() + at, n),
                     [&, at, n](const hil::error_code&, std::size_t) { write(at + n); });
  };
  std::function<void(std::size_t)> read = [&](std::size_t at) {
    if (at >= model_bytes) return;
    const std::size_t n = std::min(hil::chunk_bytes, model_bytes - at);
    ends.far->read(hil::asio::buffer(to.bytes.data() + at, n), hil::asio::transfer_all(),
                   [&, at, n](const hil::error_code&, std::size_t) { read(at + n); });
  };
  write(0);
  read(0);
  double done = 0;
  run_both(a, b, [&] { done = hil::steady_seconds() - start; });
  return done;
}

double through_the_protocol(const std::shared_ptr<hil::asio::ssl::context>& server,
                            const std::shared_ptr<hil::asio::ssl::context>& client,
                            const Memory& from, const std::shared_ptr<Memory>& to) {
  hil::asio::io_context a(1);
  hil::asio::io_context b(1);
  Ends ends = connect(a, b, server, client);
  const auto near = std::make_shared<Connection>(std::move(ends.near));
  const auto far = std::make_shared<Connection>(std::move(ends.far));
  double done = 0;
  const auto closed = [](const std::string&) {};
  near->start({[](const hil::wire::Message&) {}, closed}, 1s, 15s);
  far->start({[&](const hil::wire::Message& message) {
                if (const auto* offer = message.body_as_Offer()) {
                  far->take(*offer, to, [&] {
                    done = hil::steady_seconds();
                    far->close("done");
                  });
                }
              },
              closed},
             1s, 15s);
  near->trust(hil::Limits::coordinator(), 1s, 15s, false);
  far->trust(hil::Limits::coordinator(), 1s, 15s, false);
  engine::Parcel parcel;
  parcel.header = "{}";
  for (const auto& piece : from.all) parcel.pieces.emplace_back(piece.data(), piece.size());
  const double start = hil::steady_seconds();
  near->send_parcel(1, 1, std::move(parcel));
  run_both(a, b, [&] { hil::asio::post(a, [&] { near->close("done"); }); });
  return done - start;
}

void speed(const char* what, const std::shared_ptr<hil::asio::ssl::context>& server,
           const std::shared_ptr<hil::asio::ssl::context>& client) {
  Memory from;
  std::iota(reinterpret_cast<std::uint32_t*>(from.bytes.data()),
            reinterpret_cast<std::uint32_t*>(from.bytes.data()) + model_bytes / 4, 0U);
  const auto to = std::make_shared<Memory>();
  constexpr int pairs = 15;
  bare_copy(server, client, from, *to);  // not timed: touches the memory for the first time
  std::vector<double> bare;
  std::vector<double> ours;
  std::vector<double> ratios;  // of consecutive runs, since the machine's speed varies
  for (int i = 0; i < pairs; ++i) {
    bare.push_back(bare_copy(server, client, from, *to));
    std::fill(to->bytes.begin(), to->bytes.end(), std::byte{0});
    ours.push_back(through_the_protocol(server, client, from, to));
    ratios.push_back(bare.back() / ours.back());
    if (to->bytes != from.bytes) throw std::runtime_error("what came is not what was sent");
  }
  fmt::print("{}: bare {:.2f} GB/s, ours {:.2f} GB/s\n", what, 1e-9 * model_bytes / median(bare),
             1e-9 * model_bytes / median(ours));
  report_at_least(fmt::format("{}: 350 MB, of the bare copy's speed", what), median(ratios), "x",
                  cores_to_use().size() > 1 ? 0.9 : 0.7);
}

// --- the elastic clock while the simulation is blocked ------------------------------------------

// Activities that only sleep; threads report them to the clock, as a bridge does.
class Sleepers : public sim::RealBackend {
 public:
  void attach(sim::ElasticClock& clock) override { clock_ = &clock; }
  void begin(const sim::RealActivity& a) override {
    const double seconds = a.what->flops;  // time to sleep
    threads_.emplace_back([clock = clock_, id = a.id, seconds] {
      clock->started(id, sim::wall_now());
      std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
      clock->ended(id, sim::wall_now());
    });
  }
  void give_up(sim::TaskId) override {}

 private:
  sim::ElasticClock* clock_ = nullptr;
  std::vector<std::jthread> threads_;
};

class Blocked : public sim::WorldListener {
 public:
  void on_instant(std::span<const sim::Event> events) override {
    for (const sim::Event& e : events) {
      if (e.kind == sim::EventKind::timer_fired) std::this_thread::sleep_for(500ms);
      if (e.kind == sim::EventKind::task_done && e.node == 2 && ++short_ones < 20) next();
    }
  }
  void on_activity(const sim::ActivityRecord& r) override {
    worst = std::max(worst, std::abs(r.end_s - r.start_s - r.what->flops));
  }
  void next() { world->start(10 + short_ones, task(0.05), {0, 2}); }
  static std::shared_ptr<sim::TaskGraph> task(double seconds) {
    auto graph = std::make_shared<sim::TaskGraph>(2);
    graph->compute({.label = "sleep", .at = 1, .seconds = seconds, .flops = seconds}, {},
                   {"nothing", 0});
    return graph;
  }
  sim::World* world = nullptr;
  int short_ones = 0;
  double worst = 0;
};

void clock_while_blocked() {
  sim::WorldConfig config;
  for (const char* name : {"server", "long", "short"}) {
    sim::NodeConfig node;
    node.name = name;
    node.link = {name, "", platforms::Duplex::full, 1e9, 1e9, 0};
    if (!config.nodes.empty()) {
      node.real.emplace();
      node.real->present = true;
    }
    config.nodes.push_back(node);
  }
  Sleepers sleepers;
  Blocked listener;
  sim::World world(config, listener, &sleepers);
  listener.world = &world;
  world.start(0, Blocked::task(2.5), {0, 1});
  listener.next();
  for (const double at : {0.12, 0.9, 1.7}) world.set_timer(static_cast<std::int64_t>(10 * at), at);
  world.run();
  report("elastic clock: worst error of a duration, blocked for 0.5 s three times",
         1e3 * listener.worst, "ms", 20);
  report("elastic clock: delivered late at most", 1e3 * world.max_lag_s(), "ms", 1e-3);
}

// --- from an assignment to the agent's start ----------------------------------------------------

// A scenario whose tasks end at once.
sim::Scenario small_scenario(const std::filesystem::path& file) {
  std::ofstream(file) << "[fleet]\n[[fleet.nodes]]\ndevice = \"jetson-nano\"\n[model]\n"
                         "architecture = \"mlp\"\n[data]\nsamples = 40\ntest_samples = 10\n"
                         "[training]\nlearn = true\nbatch = 4\n[stop]\nrounds = 1\n";
  base::Diagnostics problems;
  auto scenario = sim::read_scenario(file.string(), {}, problems);
  if (!scenario) throw std::runtime_error(problems.str());
  return std::move(*scenario);
}

// A small coordinator in this process: assigns tasks one after another to the connected agent and
// measures the time until the agent reports the begin, including the way back.
class OneAgentsTasks {
 public:
  static constexpr std::size_t tasks = 500;

  OneAgentsTasks(const sim::Scenario& scenario, const engine::Engine& engine,
                 engine::TaskInput input, const testbed::Inventory& inventory)
      : scenario_(scenario),
        engine_(engine),
        input_(std::move(input)),
        listener_(
            io_, inventory,
            [this](const std::shared_ptr<Connection>& agent, const hil::wire::HelloT&) {
              welcome(agent);
            },
            [](const std::string&, const std::string&, const std::string& why) {
              fmt::print("turned away: {}\n", why);
            }) {}

  void run() { io_.run_for(60s); }
  // In rising order, s. Throws if the agent did not answer.
  std::vector<double> delays() {
    if (delays_.size() < tasks) throw std::runtime_error("the agent did not answer");
    std::sort(delays_.begin(), delays_.end());
    return delays_;
  }

 private:
  void welcome(const std::shared_ptr<Connection>& agent) {
    agent_ = agent;
    agent_->handlers({[this](const hil::wire::Message& m) { hear(m); }, [](const std::string&) {}});
    hil::wire::WelcomeT welcome;
    welcome.protocol = hil::protocol_version;
    welcome.session = "bench";
    welcome.run = "bench";
    welcome.node = 1;
    welcome.heartbeat_ms = 1000;
    welcome.lost_after_ms = 15000;
    agent_->send(std::move(welcome));
    agent_->trust(hil::Limits::agent(), 1s, 15s, false);
    hil::wire::SetupT setup;
    setup.toml = engine::to_toml(sim::engine_setup(scenario_));
    setup.train = scenario_.parts[1].train;
    setup.data_signature = engine::data_signature(*scenario_.source);
    agent_->send(std::move(setup));
  }

  void assign() {
    input_.task = static_cast<std::int64_t>(delays_.size());
    engine::Parcel parcel = engine_.pack(input_);
    hil::wire::AssignT order;
    order.task = input_.task;
    order.attempt = 1;
    order.brief = engine::to_text(engine::TaskBrief{.batch = 4});
    hil::wire::BeginT begin;
    begin.task = input_.task;
    begin.attempt = 1;
    begin.activity = 1;
    begin.work = engine::to_text(engine::Work(engine::Train{}));
    sent_ = hil::steady_seconds();
    agent_->send(order);
    agent_->send_parcel(input_.task, 1, std::move(parcel));
    agent_->send(begin);
  }

  void hear(const hil::wire::Message& message) {
    if (message.body_as_Ready() != nullptr) assign();
    if (message.body_as_Began() != nullptr) {
      delays_.push_back(hil::steady_seconds() - sent_);
    } else if (message.body_as_Ended() != nullptr) {
      if (delays_.size() < tasks) {
        assign();
      } else {
        agent_->close("done");
        io_.stop();
      }
    }
  }

  const sim::Scenario& scenario_;
  const engine::Engine& engine_;
  engine::TaskInput input_;
  std::vector<double> delays_;
  double sent_ = 0;
  hil::asio::io_context io_{1};
  std::shared_ptr<Connection> agent_;
  hil::Listener listener_;
};

// One version for sixteen agents: parcels of the full model share its memory.
void memory_of_sixteen(const engine::Engine& engine, const engine::TaskInput& input) {
  std::vector<engine::Parcel> parcels;
  parcels.reserve(16);
  for (int i = 0; i < 16; ++i) parcels.push_back(engine.pack(input));
  // Each parcel has its own lists of kept members only, about a thousandth of its bytes.
  double own = 0;
  for (std::size_t p = 0; p < parcels[0].pieces.size(); ++p) {
    if (parcels[0].pieces[p].data() != parcels[1].pieces[p].data()) {
      own += static_cast<double>(parcels[0].pieces[p].size());
    }
  }
  const double total = static_cast<double>(parcels[0].bytes());
  report("sending one version to 16 agents: memory, in copies of it",
         (total - own + 16 * own) / total, "x", 1.05);
}

void assignments(const std::filesystem::path& folder) {
  const sim::Scenario scenario = small_scenario(folder / "scenario.toml");
  const auto schedule = scenario.schedule.make(scenario.setting);
  const auto engine = sim::open_engine(scenario, *schedule, "cpu");
  engine::TaskInput input;
  input.node = 1;
  input.brief.batch = 4;
  input.received = engine->initial();

  testbed::Inventory inventory;
  inventory.listen = {"127.0.0.1", 17'731};
  inventory.insecure = true;
  hil::AgentConfig config;
  config.connect = inventory.listen;
  config.name = "bench";
  config.insecure = true;
  config.retry_s = 0.1;
  hil::Agent agent(config, "bench");
  std::jthread beside([&] { agent.run(); });
  OneAgentsTasks coordinator(scenario, *engine, input, inventory);
  coordinator.run();
  agent.stop();
  beside.join();
  const std::vector<double> delays = coordinator.delays();
  constexpr std::size_t tasks = OneAgentsTasks::tasks;
  report("from Assign to the agent's start, median", 1e3 * delays[tasks / 2], "ms", 0);
  report("from Assign to the agent's start, 99th percentile", 1e3 * delays[tasks * 99 / 100], "ms",
         2);
  memory_of_sixteen(*engine, input);
}

void copies(const std::filesystem::path& folder) {
  testbed::InitRequest request;
  request.folder = folder;
  request.nodes = {{"a", ""}};
  request.listen = {"127.0.0.1", 7700};
  testbed::init_testbed(request);
  const auto server =
      hil::tls_context({folder / "coordinator/certificate.pem", folder / "coordinator/key.pem",
                        folder / "authority/certificate.pem", folder / "authority/crl.pem"},
                       testbed::Role::coordinator);
  const auto client = hil::tls_context({folder / "nodes/a/certificate.pem",
                                        folder / "nodes/a/key.pem",
                                        folder / "nodes/a/authority.pem",
                                        {}},
                                       testbed::Role::node);
  speed("TCP", nullptr, nullptr);
  speed("TLS 1.3", server, client);
}

}  // namespace
}  // namespace convoy::bench

int main() {
  using namespace convoy::bench;
  return run_all("convoy_hil_bench", [](const std::filesystem::path& folder) {
    copies(folder / "testbed");
    clock_while_blocked();
    assignments(folder);
  });
}
