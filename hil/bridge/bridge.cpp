#include "hil/bridge/bridge.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cmath>
#include <condition_variable>
#include <future>
#include <mutex>
#include <thread>

#include "base/text.hpp"
#include "engine/model/parameters.hpp"
#include "hil/bridge/listener.hpp"
#include "hil/bridge/peer.hpp"
#include "hil/bridge/sessions.hpp"
#include "hil/protocol/random_id.hpp"
#include "sim/run/open_engine.hpp"
#include "sim/run/update_folder.hpp"

namespace convoy::hil {
namespace {

using sim::Cause;
using sim::ElasticClock;
using sim::NodeId;
using sim::TaskId;
using std::chrono::milliseconds;

// Beyond the jitter that was seen, the notice of an end may be as late as this.
constexpr double notice_s = 0.002;
// What an update may be larger than the model, for its lists of kept members.
constexpr std::uint64_t update_margin = 16 << 20;

milliseconds in_ms(double seconds) {
  return milliseconds(static_cast<milliseconds::rep>(std::ceil(1e3 * seconds)));
}

double model_bytes(const engine::Architecture& architecture) {
  double bytes = 0;
  for (const engine::ParameterTensor& p : engine::parameter_tensors(architecture)) {
    bytes += 4.0 * static_cast<double>(p.elements());
  }
  return bytes;
}

std::optional<double> figure(double value) {
  return std::isfinite(value) ? std::optional<double>(value) : std::nullopt;
}

}  // namespace

class Bridge::Impl {
 public:
  Impl(const sim::Scenario& scenario, BridgeOptions options)
      : scenario_(scenario),
        options_(std::move(options)),
        setup_(engine::to_toml(sim::engine_setup(scenario))),
        signature_(engine::data_signature(*scenario.source)),
        largest_update_(static_cast<std::uint64_t>(model_bytes(*scenario.setting->architecture)) +
                        update_margin),
        heartbeat_timer_(io_) {
    if (!options_.folder.empty()) {
      updates_.emplace(options_.folder);
      std::error_code ignored;
      std::filesystem::create_directories(options_.folder, ignored);
    }
    if (options_.resume && !options_.folder.empty()) {
      sessions_ = read_sessions(options_.folder);
    } else {
      sessions_.run = random_id();
    }
    for (std::size_t i = 1; i < scenario.world.nodes.size(); ++i) {
      const auto node = static_cast<NodeId>(i);
      if (is_candidate(node)) peers_[node].node = node;
    }
    listener_.emplace(
        io_, options_.inventory,
        [this](const std::shared_ptr<Connection>& c, const wire::HelloT& h) { met(c, h); },
        [](const std::string& name, const std::string& from, const std::string& why) {
          spdlog::warn("{} ({}): {}", name.empty() ? "an unknown agent" : name, from,
                       base::printable(why));
        });
    watch();
    thread_ = std::jthread([this] { io_.run(); });
  }

  ~Impl() {
    on_io([this] {
      listener_->close();
      heartbeat_timer_.cancel();
      for (auto& [node, peer] : peers_) {
        if (peer.connection) peer.connection->close("the coordinator ends");
        peer.lost_timer.reset();
        peer.gone_timer.reset();
      }
    });
    desk_.join();
    io_.stop();
  }

  // --- before the run ---------------------------------------------------------------------------

  void gather(const std::atomic<bool>& interrupted,
              const std::function<void(const std::string&)>& progress) {
    const auto until = std::chrono::steady_clock::now() + in_ms(scenario_.hil.join_timeout_s);
    std::string told;
    for (;;) {
      std::vector<std::string> missing;
      std::string trouble;
      on_io([&] {
        missing = still_missing();
        for (const auto& [node, peer] : peers_) {
          if (!peer.trouble.empty() && is_wanted(node)) {
            trouble = fmt::format("node {}: {}", name_of(node), peer.trouble);
          }
        }
      });
      const bool must_be_there = scenario_.hil.missing == sim::HilOptions::Missing::fail;
      if (!trouble.empty() && must_be_there) throw base::UserError(trouble);
      if (missing.empty() || interrupted) return;
      if (std::chrono::steady_clock::now() >= until) {
        if (!must_be_there || !options_.real_before.empty()) return;
        const bool any = std::any_of(peers_.begin(), peers_.end(),
                                     [&](const auto& p) { return is_wanted(p.first); });
        if (!any) return;
        throw base::UserError(fmt::format(
            "after {} (hil.join_timeout_s) these nodes have not come: {}; start convoy-node on "
            "them, or set hil.missing to \"absent\" or \"simulate\"",
            base::human_seconds(scenario_.hil.join_timeout_s), base::list_of(missing, "and")));
      }
      const std::string waiting = "waiting for " + base::list_of(missing, "and");
      if (progress && waiting != told) progress(waiting);
      told = waiting;
      std::this_thread::sleep_for(milliseconds(20));
    }
  }

  void adopt(sim::Scenario& scenario) {
    auto setting = std::make_shared<sim::Setting>(*scenario.setting);
    on_io([&] {
      for (auto& [node, peer] : peers_) {
        const auto i = static_cast<std::size_t>(node);
        sim::NodeConfig& config = scenario.world.nodes[i];
        const bool wanted = is_wanted(node);
        const bool simulate =
            scenario.hil.missing == sim::HilOptions::Missing::simulate && options_.real_before.empty();
        if (!peer.ready && (!wanted || simulate)) {
          if (config.real) spdlog::warn("node {} has not come: it is simulated", config.name);
          config.real.reset();
          continue;
        }
        config.real = scenario.identities[i].real;
        config.real->present = peer.ready;
        if (peer.ready && peer.samples > 0 && peer.samples != setting->nodes[i].samples) {
          // It trains on data of its own.
          setting->nodes[i].samples = peer.samples;
          scenario.parts[i].train.assign(static_cast<std::size_t>(peer.samples), 0);
          scenario.parts[i].test.clear();
        }
      }
      std::erase_if(peers_, [&](const auto& p) {
        return !scenario.world.nodes[static_cast<std::size_t>(p.first)].real;
      });
      keep_sessions();
    });
    scenario.setting = std::move(setting);
  }

  // --- the run, from the simulation's thread ----------------------------------------------------

  void attach(ElasticClock& clock) {
    on_io([&] {
      clock_ = &clock;
      for (auto& [node, peer] : peers_) {
        peer.lost = !peer.ready;
        clock_->happened({node, peer.ready, peer.gone});
        if (!peer.ready) wait_for_return(peer);
      }
      say_expected();
    });
  }

  void detach() {
    on_io([this] { clock_ = nullptr; });
  }

  void use(std::shared_ptr<const engine::Engine> engine) {
    on_io([&] { engine_ = std::move(engine); });
  }

  void assigned(const engine::TaskInput& input, std::shared_ptr<const sim::TaskGraph> graph) {
    outbox_.emplace_back([this, input, graph = std::move(graph)] {
      Peer& peer = peers_.at(input.node);
      RealTask& task = peer.tasks[input.task];
      task.input = input;
      task.graph = graph;
      node_of_[input.task] = input.node;
      recognize(peer, task);
    });
  }

  void begin(const sim::RealActivity& a) {
    Command command;
    command.id = a.id;
    command.begin.task = a.task;
    command.begin.activity = a.activity;
    command.begin.iteration = a.iteration;
    if (a.peer == sim::no_node) {
      const sim::Work& work = a.what->work;
      command.kind = Command::Kind::compute;
      command.begin.work = work.kind == sim::Work::Kind::learn_masks ? wire::Work::learn_masks
                           : work.kind == sim::Work::Kind::train     ? wire::Work::train
                                                                     : wire::Work::nothing;
      command.begin.epochs = work.epochs;
      command.begin.steps = work.steps.value_or(-1);
    } else if (a.node == sim::server_node) {
      command.kind = Command::Kind::download;
    } else {
      command.kind = Command::Kind::upload;
      command.begin.work = wire::Work::upload;
    }
    outbox_.emplace_back([this, command, task = a.task]() mutable { start(task, command); });
  }

  void give_up(TaskId task) {
    outbox_.emplace_back([this, task] { drop(task); });
  }

  void settled() {
    if (outbox_.empty()) return;
    asio::post(io_, [this, box = std::exchange(outbox_, {})] {
      for (const auto& work : box) work();
    });
  }

  engine::Outcome outcome(TaskId task) {
    const std::lock_guard lock(mutex_);
    auto result = results_.extract(task);
    if (result.empty()) {
      throw base::UserError(fmt::format("the result of task {} is not here", task));
    }
    return std::move(result.mapped());
  }

  std::vector<sim::ReadingRow> readings() {
    const std::lock_guard lock(mutex_);
    return std::exchange(readings_, {});
  }

  void farewell(const std::string& why) {
    on_io([&] {
      for (auto& [node, peer] : peers_) {
        if (!peer.connection) continue;
        wire::ByeT bye;
        bye.reason = why;
        peer.connection->send(std::move(bye));
        peer.connection->finish(why);
      }
    });
  }

 private:
  // --- who is who -------------------------------------------------------------------------------

  [[nodiscard]] std::string name_of(NodeId node) const {
    return scenario_.world.nodes[static_cast<std::size_t>(node)].name;
  }
  [[nodiscard]] const sim::RealNode& real(NodeId node) const {
    return scenario_.identities[static_cast<std::size_t>(node)].real;
  }
  [[nodiscard]] bool is_wanted(NodeId node) const {
    if (!options_.real_before.empty()) return is_candidate(node);
    return scenario_.identities[static_cast<std::size_t>(node)].backend == sim::Backend::hil;
  }
  [[nodiscard]] bool is_candidate(NodeId node) const {
    const auto& before = options_.real_before;
    if (!before.empty()) return std::find(before.begin(), before.end(), node) != before.end();
    return options_.all_present || is_wanted(node);
  }

  std::vector<std::string> still_missing() {
    std::vector<std::string> missing;
    for (const auto& [node, peer] : peers_) {
      if (is_wanted(node) && !peer.ready) missing.push_back(name_of(node));
    }
    if (!options_.all_present) return missing;
    for (const InventoryNode& n : options_.inventory.nodes) {
      const bool there = std::any_of(peers_.begin(), peers_.end(), [&](const auto& p) {
        return p.second.name == n.name && p.second.ready;
      });
      const bool has_place = std::any_of(peers_.begin(), peers_.end(), [&](const auto& p) {
        return p.second.name.empty() || p.second.name == n.name;
      });
      const bool named = std::find(missing.begin(), missing.end(), n.name) != missing.end();
      if (!there && has_place && !named) missing.push_back(n.name);
    }
    return missing;
  }

  // By name, or by its type of device; null: there is no place for it.
  Peer* place_for(const wire::HelloT& hello) {
    for (auto& [node, peer] : peers_) {
      if (peer.name == hello.name || name_of(node) == hello.name) return &peer;
    }
    const InventoryNode* listed = options_.inventory.find(hello.name);
    const std::string type = listed != nullptr && !listed->device.empty() ? listed->device
                                                                          : hello.device;
    for (auto& [node, peer] : peers_) {
      const auto& identity = scenario_.identities[static_cast<std::size_t>(node)];
      if (peer.name.empty() && !type.empty() && identity.device == type) return &peer;
    }
    return nullptr;
  }

  void met(const std::shared_ptr<Connection>& connection, const wire::HelloT& hello) {
    Peer* found = place_for(hello);
    const auto nobody = Connection::Handlers{[](const wire::Message&) {}, [](const std::string&) {}};
    if (found == nullptr) {
      if (homeless_.insert(hello.name).second) {
        spdlog::warn("{}: the scenario has no node of that name, nor a free one of its type",
                     hello.name);
      }
      connection->handlers(nobody);
      refuse(*connection, "the scenario has no node of that name or type of device", false);
      return;
    }
    Peer& peer = *found;
    const std::string& known = sessions_.ids[hello.name];
    const bool same = !known.empty() && hello.session == known && hello.run == sessions_.run;
    if (peer.connection && peer.connection->is_open() && !same) {
      connection->handlers(nobody);
      refuse(*connection, "another agent of that name is connected", false);
      return;
    }
    if (peer.gone) {
      connection->handlers(nobody);
      refuse(*connection, "the run has gone on without it", false);
      return;
    }
    if (peer.connection) peer.connection->close("it has come again");
    const bool restarted = !peer.boot.empty() && peer.boot != hello.boot;
    peer.name = hello.name;
    peer.boot = hello.boot;
    if (!same) sessions_.ids[hello.name] = random_id();
    peer.session = sessions_.ids[hello.name];
    peer.connection = connection;
    ++peer.connections;
    peer.draining.clear();
    peer.known.clear();
    for (const auto& k : hello.known) {
      if (hello.run == sessions_.run) peer.known.push_back(*k);
    }
    keep_sessions();
    spdlog::info("{} is node {} ({}{})", hello.name, name_of(peer.node),
                 connection->stream().remote(), restarted ? ", started anew" : "");
    connection->handlers({[this, node = peer.node](const wire::Message& m) { handle(node, m); },
                          [this, node = peer.node, number = peer.connections](
                              const std::string& why) { closed(node, number, why); }});
    welcome(peer);
    if (restarted) restart(peer);
  }

  void welcome(Peer& peer) {
    wire::WelcomeT welcome;
    welcome.protocol = protocol_version;
    welcome.session = peer.session;
    welcome.run = sessions_.run;
    welcome.node = peer.node;
    welcome.heartbeat_ms = static_cast<std::uint32_t>(in_ms(scenario_.hil.heartbeat_s).count());
    welcome.lost_after_ms = static_cast<std::uint32_t>(in_ms(scenario_.hil.lost_after_s).count());
    welcome.compress = scenario_.hil.compress;
    peer.connection->send(std::move(welcome));
    peer.connection->trust(in_ms(scenario_.hil.heartbeat_s), in_ms(scenario_.hil.lost_after_s),
                           scenario_.hil.compress);
    const engine::LocalSplit& part = scenario_.parts[static_cast<std::size_t>(peer.node)];
    wire::SetupT setup;
    setup.toml = setup_;
    setup.train = part.train;
    setup.test = part.test;
    setup.data_signature = signature_;
    setup.local_test_share = scenario_.data.local_test_share;
    peer.connection->send(std::move(setup));
  }

  // The agent's process is another one: what was under way there is gone, but for results that it
  // has kept.
  void restart(Peer& peer) {
    bool anything_gone = false;
    for (auto& [id, task] : peer.tasks) {
      task.told = false;
      task.has_input = false;
      recognize(peer, task);
      anything_gone = anything_gone || (!task.told && !task.open.empty());
    }
    if (!anything_gone || peer.lost) return;
    spdlog::warn("node {}: the agent was started anew in the middle of a task",
                 name_of(peer.node));
    declare_lost(peer);
  }

  // The agent may know a task from before this connection, or from before this coordinator.
  void recognize(Peer& peer, RealTask& task) {
    for (const wire::KnownTaskT& k : peer.known) {
      if (k.task != task.input.task || k.version != task.input.version) continue;
      if (task.told && k.attempt != task.attempt) continue;
      task.attempt = k.attempt;
      task.told = true;
      task.has_input = k.input || k.done;
      return;
    }
  }

  void keep_sessions() const {
    if (options_.folder.empty()) return;
    try {
      write_sessions(options_.folder, sessions_);
    } catch (const std::exception& e) {
      spdlog::warn("{}", e.what());
    }
  }

  // --- connections ------------------------------------------------------------------------------

  void closed(NodeId node, int number, const std::string& why) {
    const auto found = peers_.find(node);
    if (found == peers_.end()) return;
    Peer& peer = found->second;
    if (peer.connections != number) return;  // there is another one already
    spdlog::warn("node {} ({}): {}", name_of(node), peer.name, base::printable(why));
    peer.connection.reset();
    peer.ready = false;
    for (auto& [id, task] : peer.tasks) {
      for (auto& [key, command] : task.open) command.sent = false;
    }
    if (peer.lost) return;
    peer.lost_timer = std::make_unique<asio::steady_timer>(io_, in_ms(scenario_.hil.lost_after_s));
    peer.lost_timer->async_wait([this, node](const error_code& cancelled) {
      const auto there = peers_.find(node);
      if (cancelled || there == peers_.end()) return;
      if (!there->second.ready) declare_lost(there->second);
    });
  }

  void declare_lost(Peer& peer) {
    if (peer.lost) return;
    peer.lost = true;
    for (const auto& [id, task] : peer.tasks) node_of_.erase(id);
    for (const auto& [id, task] : peer.tasks) {
      if (task.told) let_go(peer, id, task.attempt);
    }
    peer.tasks.clear();
    if (clock_) clock_->happened({peer.node, false, peer.gone});
    wait_for_return(peer);
  }

  void wait_for_return(Peer& peer) {
    say_expected();
    if (peer.gone) return;
    peer.gone_timer =
        std::make_unique<asio::steady_timer>(io_, in_ms(scenario_.hil.rejoin_timeout_s));
    peer.gone_timer->async_wait([this, node = peer.node](const error_code& cancelled) {
      const auto there = peers_.find(node);
      if (cancelled || there == peers_.end() || !there->second.lost) return;
      there->second.gone = true;
      if (clock_) clock_->happened({node, false, true});
      say_expected();
    });
  }

  void say_expected() {
    if (!clock_) return;
    clock_->expect(std::any_of(peers_.begin(), peers_.end(), [](const auto& p) {
      return p.second.lost && !p.second.gone;
    }));
  }

  // --- commands ---------------------------------------------------------------------------------

  RealTask* task_of(TaskId id, Peer*& peer) {
    const auto node = node_of_.find(id);
    if (node == node_of_.end()) return nullptr;
    peer = &peers_.at(node->second);
    const auto found = peer->tasks.find(id);
    return found == peer->tasks.end() ? nullptr : &found->second;
  }

  void start(TaskId id, Command& command) {
    Peer* peer = nullptr;
    RealTask* task = task_of(id, peer);
    if (task == nullptr) return;  // lost meanwhile: the run will hear of it
    command.begin.last = is_last(*task, command);
    // A transfer begins when it is ordered, whatever the network makes of it.
    if (command.kind == Command::Kind::download && clock_) {
      clock_->started(command.id, steady_seconds());
    }
    const RealTask::Key key(command.begin.activity, command.begin.iteration);
    task->open[key] = command;
    send_open(*peer);
  }

  // No other activity of the task computes after it.
  static bool is_last(const RealTask& task, const Command& command) {
    if (command.kind != Command::Kind::compute) return false;
    if (command.begin.iteration + 1 < task.graph->repeat()) return false;
    const auto& all = task.graph->activities();
    for (std::size_t i = static_cast<std::size_t>(command.begin.activity) + 1; i < all.size(); ++i) {
      if (all[i].work.kind != sim::Work::Kind::none) return false;
    }
    return true;
  }

  // Tells the agent whatever it has not been told.
  void send_open(Peer& peer) {
    if (!peer.ready || !peer.draining.empty()) return;
    for (auto& [id, task] : peer.tasks) {
      if (task.open.empty()) continue;
      if (!task.told) {
        send_assignment(peer, task);
      } else {
        end_downloads(task);
      }
      for (auto& [key, command] : task.open) {
        if (command.sent) continue;
        command.sent = true;
        command.sent_s = steady_seconds();
        if (command.kind == Command::Kind::download) continue;
        command.begin.attempt = task.attempt;
        peer.connection->send(wire::BeginT(command.begin));
      }
    }
  }

  void send_assignment(Peer& peer, RealTask& task) {
    task.told = true;
    wire::AssignT assign;
    assign.task = task.input.task;
    assign.attempt = task.attempt;
    assign.version = task.input.version;
    assign.rate = task.input.rate;
    assign.batch = task.input.batch;
    assign.choose_masks = task.input.choose_masks;
    assign.test_locally = task.input.test_locally;
    peer.connection->send(std::move(assign));
    peer.connection->send_parcel(task.input.task, task.attempt, engine_->pack(task.input));
  }

  // The agent has what it needs: whatever was to bring it has ended.
  void end_downloads(RealTask& task) {
    if (!task.has_input) return;
    for (auto it = task.open.begin(); it != task.open.end();) {
      if (it->second.kind != Command::Kind::download) {
        ++it;
        continue;
      }
      if (clock_) clock_->ended(it->second.id, steady_seconds());
      it = task.open.erase(it);
    }
  }

  void drop(TaskId id) {
    Peer* peer = nullptr;
    RealTask* task = task_of(id, peer);
    if (task == nullptr) return;
    if (task->told) let_go(*peer, id, task->attempt);
    peer->tasks.erase(id);
    node_of_.erase(id);
    const std::lock_guard lock(mutex_);
    results_.erase(id);
  }

  void let_go(Peer& peer, TaskId task, std::int32_t attempt) {
    if (!peer.connection) return;  // it hears of another task when it is back
    peer.connection->drop_parcels(task);
    wire::CancelT cancel;
    cancel.task = task;
    cancel.attempt = attempt;
    peer.connection->send(std::move(cancel));
    peer.draining[{task, attempt}] = steady_seconds();
  }

  // --- what agents say --------------------------------------------------------------------------

  void handle(NodeId node, const wire::Message& message) {
    Peer& peer = peers_.at(node);
    const double stamp = steady_seconds();
    if (const auto* ready = message.body_as_Ready()) {
      is_ready(peer, ready->samples());
    } else if (const auto* received = message.body_as_Received()) {
      if (RealTask* task = said_of(peer, *received)) {
        task->has_input = true;
        end_downloads(*task);
      }
    } else if (const auto* began = message.body_as_Began()) {
      if (Command* command = command_of(peer, *began)) {
        command->began = true;
        command->connection = peer.connections;
        const double since = stamp - 1e-9 * static_cast<double>(began->ago_ns());
        const bool by_its_clock =
            command->kind == Command::Kind::compute && !real(node).measured_network;
        const double allowance = by_its_clock ? peer.connection->jitter_s() + notice_s : 0;
        if (clock_) clock_->started(command->id, since, allowance);
      }
    } else if (const auto* ended = message.body_as_Ended()) {
      has_ended(peer, *ended, stamp);
    } else if (const auto* failed = message.body_as_Failed()) {
      has_failed(peer, *failed);
    } else if (const auto* offer = message.body_as_Offer()) {
      offered(peer, *offer);
    } else if (const auto* cancelled = message.body_as_Cancelled()) {
      peer.draining.erase({cancelled->task(), cancelled->attempt()});
      send_open(peer);
    } else if (const auto* readings = message.body_as_Readings()) {
      note(node, *readings, stamp);
    } else if (const auto* refused = message.body_as_Refused()) {
      const auto* reason = refused->reason();
      peer.trouble = reason == nullptr ? "it cannot take part" : base::printable(reason->str());
      peer.gone = refused->for_good();
      spdlog::warn("node {}: {}", name_of(node), peer.trouble);
      if (peer.gone) declare_lost(peer);
    } else if (message.body_as_Bye() != nullptr) {
      spdlog::warn("node {}: the agent says good-bye", name_of(node));
      declare_lost(peer);
    } else {
      throw ProtocolError("a message that coordinators are not sent");
    }
  }

  template <class Said>
  RealTask* said_of(Peer& peer, const Said& said) {
    const auto found = peer.tasks.find(said.task());
    const bool ours = found != peer.tasks.end() && found->second.attempt == said.attempt();
    return ours ? &found->second : nullptr;
  }

  template <class Said>
  Command* command_of(Peer& peer, const Said& said) {
    RealTask* task = said_of(peer, said);
    if (task == nullptr) return nullptr;
    const auto found = task->open.find({said.activity(), said.iteration()});
    return found == task->open.end() ? nullptr : &found->second;
  }

  void is_ready(Peer& peer, std::int64_t samples) {
    const auto part = scenario_.parts[static_cast<std::size_t>(peer.node)].train.size();
    if (samples < 1 || samples > (std::int64_t{1} << 40)) {
      throw ProtocolError("it claims to have an absurd number of samples");
    }
    if (clock_ && samples != static_cast<std::int64_t>(part)) {
      peer.trouble = fmt::format("it has {} samples, the run began with {}", samples, part);
      peer.gone = true;
      refuse(*peer.connection, peer.trouble, true);
      return;
    }
    peer.samples = samples;
    peer.ready = true;
    peer.lost_timer.reset();
    peer.gone_timer.reset();
    acknowledge_again(peer);
    if (std::exchange(peer.lost, false) && clock_) {
      clock_->happened({peer.node, true, false});
    }
    say_expected();
    send_open(peer);
  }

  // Updates that are safe here, but whose acknowledgement may have been lost.
  void acknowledge_again(Peer& peer) {
    for (const wire::KnownTaskT& k : peer.known) {
      if (!k.done || !updates_ || !updates_->has(k.task)) continue;
      const auto task = peer.tasks.find(k.task);
      const bool asked_for = task != peer.tasks.end() && !task->second.open.empty();
      if (!asked_for) keep(peer, k.task, k.attempt);
    }
  }

  void has_ended(Peer& peer, const wire::Ended& ended, double stamp) {
    Command* command = command_of(peer, ended);
    if (command == nullptr || command->kind != Command::Kind::compute) return;
    const double took = 1e-9 * static_cast<double>(ended.took_ns());
    if (!(took >= 0) || took > 1e9) throw ProtocolError("an activity that took an absurd time");
    // By this clock, notices included, as the network is measured too; by the node's own where it
    // is not, and where it was out of sight in between.
    const bool in_sight = command->began && command->connection == peer.connections;
    if (clock_ && real(peer.node).measured_network && in_sight) {
      clock_->ended(command->id, stamp);
    } else if (clock_) {
      clock_->ended_after(command->id, took);
    }
    said_of(peer, ended)->open.erase({ended.activity(), ended.iteration()});
  }

  void has_failed(Peer& peer, const wire::Failed& failed) {
    Command* command = command_of(peer, failed);
    if (command == nullptr) return;
    const auto* reason = failed.reason();
    const Cause cause = failed.trouble() == wire::Trouble::out_of_memory ? Cause::out_of_memory
                                                                         : Cause::failed;
    give_up_command(peer, failed.task(), *command, cause,
                    reason == nullptr ? "" : base::printable(reason->str()));
  }

  // The run hears of it, and gives the task up in its turn.
  void give_up_command(Peer& peer, TaskId task, const Command& command, Cause cause,
                       const std::string& why) {
    if (clock_) clock_->failed(command.id, cause, why);
    peer.tasks.at(task).open.erase({command.begin.activity, command.begin.iteration});
  }

  void offered(Peer& peer, const wire::Offer& offer) {
    RealTask* task = said_of(peer, offer);
    if (task == nullptr) return;
    const auto upload =
        std::find_if(task->open.begin(), task->open.end(), [](const auto& entry) {
          return entry.second.kind == Command::Kind::upload;
        });
    if (upload == task->open.end()) return;
    const Command command = upload->second;
    const std::string from = fmt::format("node {} ({})", name_of(peer.node), peer.name);
    std::shared_ptr<engine::Unpacking> box;
    const std::string header = offer.header()->str();
    try {
      if (offer.bytes() > largest_update_) {
        throw base::UserError(fmt::format("{}: an update of {}, the model has {}", from,
                                          base::human_bytes(static_cast<double>(offer.bytes())),
                                          base::human_bytes(static_cast<double>(largest_update_))));
      }
      box = engine_->unpack(header, offer.bytes(), from);
    } catch (const base::UserError& e) {
      give_up_command(peer, offer.task(), command, Cause::refused, base::printable(e.what()));
      return;
    }
    peer.connection->take(offer, box, [this, node = peer.node, box, header, command,
                                       input = task->input, attempt = task->attempt] {
      const double stamp = steady_seconds();
      if (clock_) clock_->stopped(command.id, stamp);
      asio::post(desk_, [this, node, box, header, command, input, attempt, stamp] {
        file_away(node, box, header, command, input, attempt, stamp);
      });
    });
  }

  // At the desk: an update is checked and written down before anybody relies on it.
  void file_away(NodeId node, const std::shared_ptr<engine::Unpacking>& box,
                 const std::string& header, const Command& command,
                 const engine::TaskInput& input, std::int32_t attempt, double stamp) {
    std::string trouble;
    Cause cause = Cause::refused;
    try {
      if (updates_) updates_->write(input.task, header, box->pieces());
      engine::Outcome outcome = engine_->unpack_update(*box, input);
      const std::lock_guard lock(mutex_);
      results_[input.task] = std::move(outcome);
    } catch (const std::exception& e) {
      trouble = base::printable(e.what());
    }
    asio::post(io_, [this, node, command, id = input.task, attempt, stamp, trouble, cause] {
      const auto there = peers_.find(node);
      if (there == peers_.end()) return;
      Peer& peer = there->second;
      const auto task = peer.tasks.find(id);
      if (task == peer.tasks.end() || task->second.attempt != attempt) {
        const std::lock_guard lock(mutex_);
        results_.erase(id);
        return;
      }
      if (!trouble.empty()) {
        give_up_command(peer, id, command, cause, trouble);
        return;
      }
      task->second.open.erase({command.begin.activity, command.begin.iteration});
      if (clock_) clock_->ended(command.id, stamp);
      keep(peer, id, attempt);
      // Nothing more is asked of the agent for it.
      peer.tasks.erase(task);
      node_of_.erase(id);
    });
  }

  static void keep(Peer& peer, TaskId task, std::int32_t attempt) {
    if (!peer.connection) return;
    wire::KeptT kept;
    kept.task = task;
    kept.attempt = attempt;
    peer.connection->send(std::move(kept));
  }

  void note(NodeId node, const wire::Readings& r, double stamp) {
    const std::lock_guard lock(mutex_);
    readings_.push_back({stamp - begun_, 0, node, figure(r.power_w()), figure(r.temperature_c()),
                         figure(r.cpu_load()), figure(r.gpu_load()),
                         figure(r.memory_used_bytes()), figure(r.memory_total_bytes())});
  }

  // --- watchdogs --------------------------------------------------------------------------------

  // Virtual time stands still until a node says that it has begun: that must not be for ever.
  void watch() {
    const double now = steady_seconds();
    for (auto& [node, peer] : peers_) {
      if (!peer.ready) continue;
      const double patience = real(node).deadline_min_s;
      for (const auto& [key, since] : peer.draining) {
        if (now - since <= patience) continue;
        peer.connection->close(fmt::format("it does not let go of task {}", key.first));
        break;
      }
      if (!peer.connection) continue;
      std::vector<std::pair<TaskId, Command>> late;
      for (const auto& [id, task] : peer.tasks) {
        for (const auto& [key, command] : task.open) {
          const bool waits = command.sent && !command.began;
          const double longest = task.has_input ? patience : 10 * patience;
          if (waits && now - command.sent_s > longest) late.emplace_back(id, command);
        }
      }
      for (const auto& [id, command] : late) {
        give_up_command(peer, id, command, Cause::timed_out,
                        fmt::format("it has not begun within {}",
                                    base::human_seconds(now - command.sent_s)));
      }
    }
    heartbeat_timer_.expires_after(in_ms(std::max(0.05, scenario_.hil.heartbeat_s)));
    heartbeat_timer_.async_wait([this](const error_code& cancelled) {
      if (!cancelled) watch();
    });
  }

  // Runs in the bridge's thread, and waits for it.
  template <class Work>
  void on_io(Work work) {
    std::promise<void> done;
    asio::post(io_, [&] {
      try {
        work();
        done.set_value();
      } catch (...) {
        done.set_exception(std::current_exception());
      }
    });
    done.get_future().get();
  }

  asio::io_context io_{1};  // first: everything below may refer to it when it goes
  const sim::Scenario scenario_;
  const BridgeOptions options_;
  const std::string setup_;
  const std::string signature_;
  const std::uint64_t largest_update_;
  const double begun_ = steady_seconds();
  std::optional<sim::UpdateFolder> updates_;
  Sessions sessions_;

  // The bridge's thread only.
  std::map<NodeId, Peer> peers_;
  std::map<TaskId, NodeId> node_of_;
  std::set<std::string> homeless_;  // agents without a node, named once
  std::shared_ptr<const engine::Engine> engine_;
  ElasticClock* clock_ = nullptr;  // null: no run is on

  std::vector<std::function<void()>> outbox_;  // the simulation's thread only

  std::mutex mutex_;
  std::map<TaskId, engine::Outcome> results_;
  std::vector<sim::ReadingRow> readings_;

  asio::steady_timer heartbeat_timer_;
  asio::executor_work_guard<asio::io_context::executor_type> work_ = asio::make_work_guard(io_);
  std::optional<Listener> listener_;
  asio::thread_pool desk_{1};
  std::jthread thread_;  // last: it ends first
};

Bridge::Bridge(const sim::Scenario& scenario, BridgeOptions options)
    : impl_(std::make_unique<Impl>(scenario, std::move(options))) {}
Bridge::~Bridge() = default;
void Bridge::gather(const std::atomic<bool>& interrupted,
                    const std::function<void(const std::string&)>& progress) {
  impl_->gather(interrupted, progress);
}
void Bridge::adopt(sim::Scenario& scenario) const { impl_->adopt(scenario); }
void Bridge::attach(sim::ElasticClock& clock) { impl_->attach(clock); }
void Bridge::detach() { impl_->detach(); }
void Bridge::begin(const sim::RealActivity& activity) { impl_->begin(activity); }
void Bridge::give_up(sim::TaskId task) { impl_->give_up(task); }
void Bridge::use(std::shared_ptr<const engine::Engine> engine) { impl_->use(std::move(engine)); }
void Bridge::assigned(const engine::TaskInput& input, std::shared_ptr<const sim::TaskGraph> graph) {
  impl_->assigned(input, std::move(graph));
}
engine::Outcome Bridge::outcome(sim::TaskId task) { return impl_->outcome(task); }
void Bridge::settled() { impl_->settled(); }
std::vector<sim::ReadingRow> Bridge::readings() { return impl_->readings(); }
void Bridge::farewell(const std::string& why) { impl_->farewell(why); }

}  // namespace convoy::hil
