#include "hil/bridge/bridge.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <cmath>
#include <condition_variable>
#include <filesystem>
#include <future>
#include <mutex>
#include <thread>

#include "base/diagnostics.hpp"
#include "base/files.hpp"
#include "base/sparing_log.hpp"
#include "base/text.hpp"
#include "hil/bridge/desk.hpp"
#include "hil/bridge/peer.hpp"
#include "hil/bridge/roster.hpp"
#include "hil/bridge/sessions.hpp"
#include "hil/protocol/listener.hpp"
#include "hil/protocol/random_id.hpp"
#include "sim/run/open_engine.hpp"

namespace convoy::hil {
namespace {

using sim::Cause;
using sim::ElasticClock;
using sim::NodeId;
using sim::TaskId;
using std::chrono::milliseconds;

// Beyond the jitter that was seen, the notice of an end may be as late as this.
constexpr double notice_s = 0.002;
constexpr double longest_notice_s = 0.25;
constexpr std::size_t longest_profile = 1 << 16;
constexpr std::size_t most_homeless = 1000;  // that are remembered

milliseconds in_ms(double seconds) {
  return milliseconds(static_cast<milliseconds::rep>(std::ceil(1e3 * seconds)));
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
        roster_(scenario_, options_.inventory, options_.all_present, options_.real_before),
        desk_(io_, options_.folder),
        heartbeat_timer_(io_) {
    desk_.limit(*scenario.setting->architecture);
    if (options_.resume && !options_.folder.empty()) {
      sessions_ = read_sessions(options_.folder);
    } else {
      sessions_.run = random_id();
    }
    for (const NodeId node : roster_.candidates()) {
      Peer& peer = peers_[node];
      peer.node = node;
      peer.samples =
          static_cast<std::int64_t>(scenario.parts[static_cast<std::size_t>(node)].train.size());
      peer.agent = std::make_unique<Wire>(*this, node);
      peer.orders = std::make_unique<Orders>(real(node), *peer.agent, to_clock_);
    }
    listener_.emplace(
        io_, options_.inventory,
        [this](const std::shared_ptr<Connection>& c, const wire::HelloT& h) { met(c, h); },
        [this](const std::string& name, const std::string& from, const std::string& why) {
          warn("door", fmt::format("{} ({}): {}", name.empty() ? "an unknown agent" : name, from,
                                   base::printable(why)));
        });
    watch();
    thread_ = std::jthread([this] { serve(); });
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
        std::vector<NodeId> ready;
        for (const auto& [node, peer] : peers_) {
          if (peer.ready) ready.push_back(node);
          if (!peer.trouble.empty() && roster_.is_wanted(node)) {
            trouble = fmt::format("node {}: {}", name_of(node), peer.trouble);
          }
        }
        missing = roster_.missing(ready);
      });
      const bool must_be_there = scenario_.hil.missing == sim::HilOptions::Missing::fail;
      if (!trouble.empty() && must_be_there) throw base::UserError(trouble);
      if (missing.empty() || interrupted) return;
      if (std::chrono::steady_clock::now() >= until) {
        if (!must_be_there || !options_.real_before.empty()) return;
        const bool any = std::any_of(peers_.begin(), peers_.end(),
                                     [&](const auto& p) { return roster_.is_wanted(p.first); });
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
        const bool wanted = roster_.is_wanted(node);
        const bool simulate = scenario.hil.missing == sim::HilOptions::Missing::simulate &&
                              options_.real_before.empty();
        if (!peer.ready && (!wanted || simulate)) {
          if (config.real) spdlog::warn("node {} has not come: it is simulated", config.name);
          config.real.reset();
          continue;
        }
        config.real = scenario.identities[i].real;
        config.real->present = peer.ready;
        if (peer.ready && peer.samples != setting->nodes[i].samples) {
          // It trains on data of its own.
          setting->nodes[i].samples = peer.samples;
          scenario.parts[i] = {};  // counted, and not listed
        }
      }
      std::erase_if(peers_, [&](const auto& p) {
        if (scenario.world.nodes[static_cast<std::size_t>(p.first)].real) return false;
        roster_.drop(p.first);
        return true;
      });
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
    on_io([&] { desk_.use(std::move(engine)); });
  }

  void assigned(const engine::TaskInput& input, std::shared_ptr<const sim::TaskGraph> graph) {
    outbox_.emplace_back([this, input, graph = std::move(graph)] {
      node_of_[input.task] = input.node;
      peers_.at(input.node).orders->add(input, graph);
    });
  }

  void begin(const sim::RealActivity& a) {
    outbox_.emplace_back([this, activity = a, what = *a.what]() mutable {
      activity.what = &what;
      Peer* peer = peer_of(activity.task);
      if (peer != nullptr) {
        peer->orders->begin(activity, steady_seconds());
      } else if (clock_ != nullptr) {
        clock_->failed(activity.id, Cause::failed, "its node was lost meanwhile");
      }
    });
  }

  void give_up(TaskId task) {
    outbox_.emplace_back([this, task] {
      if (Peer* peer = peer_of(task)) peer->orders->give_up(task, steady_seconds());
      node_of_.erase(task);
      desk_.forget(task);
    });
  }

  [[nodiscard]] bool has_orders() const { return !outbox_.empty(); }

  void settled() {
    if (outbox_.empty()) return;
    asio::post(io_, [this, box = std::exchange(outbox_, {})] {
      // Orders are written down: the run has its folder to itself. What another has there was not
      // touched before.
      if (!std::exchange(is_ours_, true)) {
        keep_sessions();
        for (const auto& [node, peer] : peers_) keep_profile(peer);
      }
      for (const auto& work : box) work();
    });
  }

  [[nodiscard]] bool has_outcome(TaskId task) const { return desk_.has(task); }
  [[nodiscard]] std::string trouble() {
    const std::lock_guard lock(mutex_);
    return trouble_;
  }
  engine::Outcome outcome(TaskId task) { return desk_.take(task); }

  std::vector<sim::ReadingRow> readings() {
    const std::lock_guard lock(mutex_);
    return std::exchange(readings_, {});
  }

  void farewell(const std::string& why, bool over) {
    on_io([&] {
      for (auto& [node, peer] : peers_) {
        if (!peer.connection) continue;
        wire::ByeT bye;
        bye.reason = why;
        bye.over = over;
        peer.connection->handlers(nobody());
        peer.connection->send(std::move(bye));
        peer.connection->finish(why);
      }
    });
  }

 private:
  // An exception that nobody expected must not end the program, nor leave the run waiting.
  void serve() {
    for (;;) {
      try {
        io_.run();
        return;
      } catch (const std::exception& e) {
        spdlog::error("in the bridge: {}", e.what());
      }
    }
  }

  // Of what an agent, or whoever is none, can cause as often as it likes.
  void warn(const std::string& kind, const std::string& line) {
    if (const auto told = log_.tell(kind, line, steady_seconds())) spdlog::warn("{}", *told);
  }
  void warn(const Peer& peer, const std::string& what) {
    warn("node " + name_of(peer.node), fmt::format("node {}: {}", name_of(peer.node), what));
  }

  // --- who is who -------------------------------------------------------------------------------

  [[nodiscard]] std::string name_of(NodeId node) const { return roster_.name_of(node); }
  [[nodiscard]] const sim::RealNode& real(NodeId node) const {
    return scenario_.identities[static_cast<std::size_t>(node)].real;
  }

  // Of a connection that nobody listens to any more.
  static Connection::Handlers nobody() {
    return {[](const wire::Message&) {}, [](const std::string&) {}};
  }

  void met(const std::shared_ptr<Connection>& connection, const wire::HelloT& hello) {
    const std::optional<NodeId> place = roster_.place_for(hello.name, hello.device);
    if (!place) {
      if (homeless_.size() < most_homeless && homeless_.insert(hello.name).second) {
        warn("homeless",
             fmt::format("{}: the scenario has no node of that name, nor a free one of its type",
                         hello.name));
      }
      connection->handlers(nobody());
      refuse(*connection, "the scenario has no node of that name or type of device", false);
      return;
    }
    Peer& peer = peers_.at(*place);
    const std::string& known = sessions_.ids[hello.name];
    const bool same = !known.empty() && hello.session == known && hello.run == sessions_.run;
    if (peer.connection && peer.connection->is_open() && !same) {
      connection->handlers(nobody());
      refuse(*connection, "another agent of that name is connected", false);
      return;
    }
    if (peer.gone) {
      connection->handlers(nobody());
      refuse(*connection, "the run has gone on without it", false);
      return;
    }
    if (peer.connection) peer.connection->close("it has come again");
    const bool restarted = !peer.boot.empty() && peer.boot != hello.boot;
    peer.name = hello.name;
    roster_.seat(*place, hello.name);
    peer.boot = hello.boot;
    if (!same) {
      sessions_.ids[hello.name] = random_id();
      keep_sessions();
    }
    peer.session = sessions_.ids[hello.name];
    peer.connection = connection;
    ++peer.connections;
    peer.own_data = hello.own_samples >= 0;
    peer.known.clear();
    for (const auto& k : hello.known) {
      if (hello.run == sessions_.run) peer.known.push_back(*k);
    }
    const std::string line =
        fmt::format("{} is node {} ({}{})", hello.name, name_of(peer.node),
                    connection->stream().remote(), restarted ? ", started anew" : "");
    if (const auto told = log_.tell("met " + name_of(peer.node), line, steady_seconds())) {
      spdlog::info("{}", *told);
    }
    connection->handlers({[this, node = peer.node](const wire::Message& m) { handle(node, m); },
                          [this, node = peer.node, number = peer.connections](
                              const std::string& why) { closed(node, number, why); }});
    welcome(peer);
    if (peer.orders->connected(peer.known, restarted) || peer.lost) return;
    warn(peer, "its agent knows nothing any more of what was under way");
    declare_lost(peer);
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
    peer.connection->trust(Limits::agent(), in_ms(scenario_.hil.heartbeat_s),
                           in_ms(scenario_.hil.lost_after_s), scenario_.hil.compress);
    const engine::LocalSplit& part = scenario_.parts[static_cast<std::size_t>(peer.node)];
    wire::SetupT setup;
    setup.toml = setup_;
    setup.train = part.train;
    setup.test = part.test;
    setup.data_signature = signature_;
    setup.local_test_share = scenario_.data.local_test_share;
    peer.connection->send(std::move(setup));
  }

  void keep_sessions() const {
    if (options_.folder.empty() || !is_ours_) return;
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
    warn("node " + name_of(node),
         fmt::format("node {} ({}): {}", name_of(node), peer.name, base::printable(why)));
    const double silence_s = peer.connection ? peer.connection->silence_s() : 0;
    peer.connection.reset();
    peer.ready = false;
    peer.orders->disconnected();
    if (peer.lost) return;
    // From the last sign of life on.
    const double left = std::max(0.0, scenario_.hil.lost_after_s - silence_s);
    peer.lost_timer = std::make_unique<asio::steady_timer>(io_, in_ms(left));
    peer.lost_timer->async_wait([this, node](const error_code& cancelled) {
      const auto there = peers_.find(node);
      if (cancelled || there == peers_.end()) return;
      if (!there->second.ready) declare_lost(there->second);
    });
  }

  void declare_lost(Peer& peer) {
    if (peer.lost) return;
    peer.lost = true;
    for (const TaskId task : peer.orders->clear()) node_of_.erase(task);
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
      give_up_on(there->second);
    });
  }

  // It does not come back: nobody waits for it any more.
  void give_up_on(Peer& peer) {
    if (std::exchange(peer.gone, true)) return;
    if (!peer.lost) return declare_lost(peer);
    if (clock_) clock_->happened({peer.node, false, true});
    say_expected();
  }

  void say_expected() {
    if (!clock_) return;
    clock_->expect(std::any_of(peers_.begin(), peers_.end(),
                               [](const auto& p) { return p.second.lost && !p.second.gone; }));
  }

  // --- orders -----------------------------------------------------------------------------------

  Peer* peer_of(TaskId task) {
    const auto node = node_of_.find(task);
    return node == node_of_.end() ? nullptr : &peers_.at(node->second);
  }

  // What goes to an agent.
  class Wire : public Orders::Agent {
   public:
    Wire(Impl& bridge, NodeId node) : bridge_(bridge), node_(node) {}

    // Packing a submodel takes a while: at the desk.
    void assign(const engine::TaskInput& input, std::int32_t attempt) override {
      wire::AssignT assign;
      assign.task = input.task;
      assign.attempt = attempt;
      assign.version = input.version;
      assign.brief = engine::to_text(input.brief);
      connection().send(std::move(assign));
      bridge_.desk_.pack(input, [this, attempt, id = input.task, number = peer().connections](
                                    const auto& parcel, const std::string& trouble) {
        Peer& p = peer();
        if (!trouble.empty()) {
          p.orders->failed(id, attempt, -1, 0, Cause::failed, trouble);
        } else if (p.connection && p.connections == number && p.orders->knows(id)) {
          p.connection->send_parcel(id, attempt, std::move(*parcel));
        }
      });
    }
    void begin(const wire::BeginT& begin) override { connection().send(wire::BeginT(begin)); }
    void cancel(TaskId task, std::int32_t attempt) override {
      connection().drop_parcels(task);
      wire::CancelT cancel;
      cancel.task = task;
      cancel.attempt = attempt;
      connection().send(cancel);
    }
    void kept(TaskId task, std::int32_t attempt) override {
      wire::KeptT kept;
      kept.task = task;
      kept.attempt = attempt;
      connection().send(kept);
    }

   private:
    Peer& peer() { return bridge_.peers_.at(node_); }
    Connection& connection() { return *peer().connection; }

    Impl& bridge_;
    NodeId node_;
  };

  // What goes to the run, while there is one.
  class ToClock : public Orders::Notes {
   public:
    explicit ToClock(Impl& bridge) : bridge_(bridge) {}
    void started(ElasticClock::Id id, double stamp, double allowance) override {
      if (clock() != nullptr) clock()->started(id, stamp, allowance);
    }
    void stopped(ElasticClock::Id id, double stamp) override {
      if (clock() != nullptr) clock()->stopped(id, stamp);
    }
    void ended(ElasticClock::Id id, double stamp) override {
      if (clock() != nullptr) clock()->ended(id, stamp);
    }
    void ended_after(ElasticClock::Id id, double seconds) override {
      if (clock() != nullptr) clock()->ended_after(id, seconds);
    }
    void failed(ElasticClock::Id id, Cause cause, const std::string& why) override {
      if (clock() != nullptr) clock()->failed(id, cause, why);
    }

   private:
    [[nodiscard]] ElasticClock* clock() const { return bridge_.clock_; }
    Impl& bridge_;
  };

  // --- what agents say --------------------------------------------------------------------------

  void handle(NodeId node, const wire::Message& message) {
    Peer& peer = peers_.at(node);
    const double stamp = steady_seconds();
    Orders& orders = *peer.orders;
    if (const auto* ready = message.body_as_Ready()) {
      const auto* profile = ready->profile();
      is_ready(peer, ready->samples(), profile == nullptr ? "" : profile->str());
    } else if (const auto* received = message.body_as_Received()) {
      orders.received(received->task(), received->attempt(), stamp);
    } else if (const auto* began = message.body_as_Began()) {
      orders.began(*began, stamp,
                   std::min(longest_notice_s, peer.connection->jitter_s() + notice_s));
    } else if (const auto* ended = message.body_as_Ended()) {
      orders.ended(*ended, stamp);
    } else if (const auto* failed = message.body_as_Failed()) {
      const auto* reason = failed->reason();
      const bool memory = failed->trouble() == wire::Trouble::out_of_memory;
      orders.failed(failed->task(), failed->attempt(), failed->activity(), failed->iteration(),
                    memory ? Cause::out_of_memory : Cause::failed,
                    reason == nullptr ? "" : base::printable(reason->str()));
    } else if (const auto* offer = message.body_as_Offer()) {
      offered(peer, *offer);
    } else if (const auto* cancelled = message.body_as_Cancelled()) {
      orders.cancelled(cancelled->task(), cancelled->attempt(), stamp);
    } else if (const auto* readings = message.body_as_Readings()) {
      // One a heartbeat, however many come.
      if (stamp - peer.last_reading < 0.5 * scenario_.hil.heartbeat_s) return;
      peer.last_reading = stamp;
      note(node, *readings, stamp);
    } else if (const auto* refused = message.body_as_Refused()) {
      const auto* reason = refused->reason();
      peer.trouble = reason == nullptr ? "it cannot take part" : base::printable(reason->str());
      const auto connection = peer.connection;
      if (refused->for_good()) give_up_on(peer);
      connection->close(peer.trouble);  // it has said all
    } else if (message.body_as_Bye() != nullptr) {
      const auto connection = peer.connection;
      declare_lost(peer);
      connection->close("the agent says good-bye");
    } else {
      throw ProtocolError("a message that coordinators are not sent");
    }
  }

  void is_ready(Peer& peer, std::int64_t samples, const std::string& profile) {
    // A connection that was made again while it was set up: it says so twice.
    if (peer.ready && samples == peer.samples) return;
    const auto part = static_cast<std::int64_t>(
        scenario_.parts[static_cast<std::size_t>(peer.node)].train.size());
    const std::int64_t expected = clock_ != nullptr ? peer.samples : peer.own_data ? samples : part;
    const std::int64_t most = most_samples(peer);
    if (samples != expected || samples < 1 || samples > std::max(most, part)) {
      peer.trouble = samples == expected
                         ? fmt::format(
                               "it says that it has {} samples of its own; 1 to {} are allowed "
                               "(most_samples of the node in the inventory)",
                               samples, most)
                         : fmt::format("it has {} samples, it should have {}", samples, expected);
      warn(peer, peer.trouble);
      refuse(*peer.connection, peer.trouble, true);
      if (clock_ != nullptr) give_up_on(peer);
      return;
    }
    peer.samples = samples;
    if (!profile.empty() && profile.size() <= longest_profile && peer.profile != profile) {
      peer.profile = profile;
      keep_profile(peer);
    }
    peer.ready = true;
    peer.trouble.clear();
    peer.lost_timer.reset();
    peer.gone_timer.reset();
    acknowledge_again(peer);
    if (std::exchange(peer.lost, false) && clock_ != nullptr) {
      clock_->happened({peer.node, true, false});
    }
    say_expected();
    peer.orders->ready(steady_seconds());
  }

  [[nodiscard]] std::int64_t most_samples(const Peer& peer) const {
    const InventoryNode* listed = options_.inventory.find(peer.name);
    return listed == nullptr ? InventoryNode().most_samples : listed->most_samples;
  }

  // What an agent measured of its device, for scenarios to come.
  void keep_profile(const Peer& peer) const {
    if (peer.profile.empty() || options_.folder.empty() || !is_ours_) return;
    const std::filesystem::path file = options_.folder / "devices" / (peer.name + ".toml");
    std::error_code failure;
    std::filesystem::create_directories(file.parent_path(), failure);
    try {
      base::write_file(file, peer.profile);
    } catch (const base::UserError& e) {
      spdlog::warn("{}", base::printable(e.what()));
      return;
    }
    spdlog::info("node {}: its device was measured: device = \"{}\"", name_of(peer.node),
                 file.string());
  }

  // Updates that are safe here, but whose acknowledgement may have been lost.
  void acknowledge_again(Peer& peer) {
    for (const wire::KnownTaskT& k : peer.known) {
      if (k.done && desk_.has_filed(k.task) && !peer.orders->knows(k.task)) {
        peer.agent->kept(k.task, k.attempt);
      }
    }
  }

  void offered(Peer& peer, const wire::Offer& offer) {
    const TaskId id = offer.task();
    const std::int32_t attempt = offer.attempt();
    const auto input = peer.orders->offered(id, attempt);
    if (!input) return;
    const std::string from = fmt::format("node {} ({})", name_of(peer.node), peer.name);
    const std::string header = offer.header()->str();
    // Parsed elsewhere: a long header keeps nobody else waiting.
    const auto connection = peer.connection;
    connection->hold();
    desk_.box(
        header, offer.bytes(), from,
        [this, node = peer.node, connection, transfer = offer.transfer(), header, task = *input,
         attempt](const std::shared_ptr<engine::Unpacking>& box, const std::string& trouble) {
          if (!trouble.empty()) {
            const auto there = peers_.find(node);
            if (there != peers_.end()) {
              there->second.orders->failed(task.task, attempt, -1, 0, Cause::refused, trouble);
            }
            connection->go_on(transfer, nullptr, nullptr);
            return;
          }
          connection->go_on(transfer, box, [this, node, box, header, task, attempt] {
            arrived(node, box, header, task, attempt);
          });
        });
  }

  void arrived(NodeId node, const std::shared_ptr<engine::Unpacking>& box,
               const std::string& header, const engine::TaskInput& task, std::int32_t attempt) {
    const double stamp = steady_seconds();
    peers_.at(node).orders->arrived(task.task, attempt, stamp);
    const bool last = !peers_.at(node).orders->goes_on(task.task);
    const std::int64_t samples = peers_.at(node).samples;
    desk_.file(box, header, task, samples, last, [=, this](Desk::Verdict verdict) {
      filed(node, task.task, attempt, stamp, std::move(verdict));
    });
  }

  void filed(NodeId node, TaskId id, std::int32_t attempt, double stamp, Desk::Verdict verdict) {
    const auto there = peers_.find(node);
    if (there == peers_.end()) return;
    Orders& orders = *there->second.orders;
    // The disk here has no room, say: the node did its work, and keeps the result, since nobody
    // tells it that it is safe. The run fails before anything is written down of it.
    if (!verdict.unsaved.empty()) {
      const std::lock_guard lock(mutex_);
      trouble_ = fmt::format("the update of task {} could not be kept: {}", id, verdict.unsaved);
      return;
    }
    if (!verdict.trouble.empty()) {
      orders.failed(id, attempt, -1, 0, verdict.cause, verdict.trouble);
      return;
    }
    if (!orders.knows(id)) return;  // given up meanwhile
    desk_.keep(id, std::move(verdict.outcome));
    if (!orders.filed(id, attempt, stamp)) desk_.forget(id);
    if (!orders.knows(id)) node_of_.erase(id);  // else another pass of it follows
  }

  void note(NodeId node, const wire::Readings& r, double stamp) {
    const std::lock_guard lock(mutex_);
    readings_.push_back({stamp - begun_, 0, node, figure(r.power_w()), figure(r.temperature_c()),
                         figure(r.cpu_load()), figure(r.gpu_load()), figure(r.memory_used_bytes()),
                         figure(r.memory_total_bytes())});
  }

  // --- watchdogs --------------------------------------------------------------------------------

  void watch() {
    // First: whatever goes wrong below, they go on watching.
    heartbeat_timer_.expires_after(in_ms(std::max(0.05, scenario_.hil.heartbeat_s)));
    heartbeat_timer_.async_wait([this](const error_code& cancelled) {
      if (!cancelled) watch();
    });
    const double now = steady_seconds();
    for (const std::string& line : log_.overdue(now)) spdlog::warn("{}", line);
    for (auto& [node, peer] : peers_) {
      if (!peer.ready || !peer.connection) continue;
      const std::uint64_t bytes = peer.connection->payload_bytes();
      peer.orders->watch(now, bytes != std::exchange(peer.bytes_moved, bytes));
      if (peer.orders->draining_s(now) > real(node).deadline_min_s) {
        peer.connection->close("it does not let go of a task that was given up");
      }
    }
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
  const double begun_ = steady_seconds();
  bool is_ours_ = false;  // the folder
  base::SparingLog log_;
  Roster roster_;  // the bridge's thread only, once that runs
  Desk desk_;
  Sessions sessions_;

  // The bridge's thread only.
  std::map<NodeId, Peer> peers_;
  std::map<TaskId, NodeId> node_of_;
  ToClock to_clock_{*this};
  std::set<std::string> homeless_;  // agents without a node, named once
  ElasticClock* clock_ = nullptr;   // null: no run is on

  std::vector<std::function<void()>> outbox_;  // the simulation's thread only

  std::mutex mutex_;
  std::vector<sim::ReadingRow> readings_;
  std::string trouble_;  // of this machine

  asio::steady_timer heartbeat_timer_;
  asio::executor_work_guard<asio::io_context::executor_type> work_ = asio::make_work_guard(io_);
  std::optional<Listener> listener_;
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
bool Bridge::has_outcome(sim::TaskId task) { return impl_->has_outcome(task); }
std::string Bridge::trouble() { return impl_->trouble(); }
bool Bridge::has_orders() const { return impl_->has_orders(); }
void Bridge::settled() { impl_->settled(); }
std::vector<sim::ReadingRow> Bridge::readings() { return impl_->readings(); }
void Bridge::farewell(const std::string& why, bool over) { impl_->farewell(why, over); }

}  // namespace convoy::hil
