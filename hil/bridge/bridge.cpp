#include "hil/bridge/bridge.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <cmath>
#include <future>
#include <mutex>
#include <optional>
#include <thread>

#include "base/text.hpp"
#include "hil/bridge/agent_link.hpp"
#include "hil/bridge/crossing_intake.hpp"
#include "hil/bridge/gathering.hpp"
#include "hil/bridge/reception.hpp"
#include "hil/bridge/update_intake.hpp"
#include "hil/protocol/listener.hpp"

namespace convoy::hil {
namespace {

using sim::Cause;
using sim::NodeId;
using sim::TaskId;

// The message of an end may be this late in addition to the observed jitter.
constexpr double notice_s = 0.002;
constexpr double longest_notice_s = 0.25;

std::optional<double> figure(double value) {
  return std::isfinite(value) ? std::optional<double>(value) : std::nullopt;
}

class AsioBridge : public Bridge {
 public:
  AsioBridge(const sim::Scenario& scenario, BridgeOptions options)
      : scenario_(scenario),
        options_(std::move(options)),
        roster_(scenario_, options_.inventory, options_.all_present, options_.real_before),
        log_(roster_),
        parcels_(io_, options_.folder),
        splits_(io_, options_.folder),
        presence_(io_, peers_, scenario_.hil),
        reception_(scenario_, options_, roster_, peers_, presence_, log_),
        intake_(peers_, parcels_, roster_, [this](const std::string& why) { fail(why); }),
        crossings_(peers_, parcels_, splits_, roster_, [this](const auto& why) { fail(why); }),
        heartbeat_timer_(io_) {
    parcels_.limit(*scenario.setting->architecture,
                   scenario.schedule.learning.elements.kind == engine::ElementKind::pruned);
    for (const NodeId node : roster_.candidates()) {
      Peer& peer = peers_.by_node[node];
      peer.node = node;
      peer.samples = static_cast<std::int64_t>(scenario.parts[node].train.size());
      peer.agent = std::make_unique<AgentLink>(peers_, node, parcels_, splits_);
      peer.dialogue = std::make_unique<NodeDialogue>(real(node), *peer.agent, to_clock_);
    }
    listener_.emplace(
        io_, options_.inventory,
        [this](const std::shared_ptr<Connection>& c, const wire::HelloT& h) {
          reception_.greet(c, h, [this](Peer& peer) { listen_to(peer); });
        },
        [this](const std::string& name, const std::string& from, const std::string& why) {
          log_.warn("door", fmt::format("{} ({}): {}", name.empty() ? "an unknown agent" : name,
                                        from, base::printable(why)));
        });
    watch();
    thread_ = std::jthread([this] { serve(); });
  }

  ~AsioBridge() override {
    on_io([this] {
      listener_->close();
      heartbeat_timer_.cancel();
      splits_.stop();
      for (auto& [node, peer] : peers_.by_node) {
        if (peer.connection) peer.connection->close("the coordinator ends");
        peer.lost_timer.reset();
        peer.gone_timer.reset();
      }
    });
    splits_.join();
    parcels_.join();
    io_.stop();
  }

  // --- before the run ---------------------------------------------------------------------------

  void gather(const std::atomic<bool>& interrupted,
              const std::function<void(const std::string&)>& progress) override {
    const bool must_be_there = scenario_.hil.missing == sim::HilOptions::Missing::fail;
    const auto& candidates = roster_.candidates();
    const bool any_wanted = std::any_of(candidates.begin(), candidates.end(),
                                        [&](NodeId node) { return roster_.is_wanted(node); });
    const GatheringRules rules{
        .trouble_fails = must_be_there,
        .missing_fails = must_be_there && any_wanted && options_.real_before.empty(),
        .longest_s = scenario_.hil.join_timeout_s};
    hil::gather(
        rules, [this] { return gathered(); }, interrupted, progress);
  }

  sim::Participants decide() override {
    sim::Participants all = sim::participants_of(scenario_);
    const bool simulate =
        scenario_.hil.missing == sim::HilOptions::Missing::simulate && options_.real_before.empty();
    on_io([&] {
      for (const auto& [node, peer] : peers_.by_node) {
        sim::Participant& participant = all[node];
        if (!peer.ready && (simulate || !roster_.is_wanted(node))) {
          if (participant.is_real) {
            spdlog::warn("node {} has not come: it is simulated", roster_.name_of(node));
          }
          participant.is_real = false;
          continue;
        }
        participant.is_real = true;
        participant.is_present = peer.ready;
        if (peer.ready) participant.samples = peer.samples;
        participant.own_data = peer.ready && peer.own_data;
      }
      std::erase_if(peers_.by_node, [&](const auto& p) {
        if (all[p.first].is_real) return false;
        roster_.drop(p.first);
        return true;
      });
    });
    return all;
  }

  // --- the run, from the simulation's thread ----------------------------------------------------

  void attach(sim::ElasticClock& clock) override {
    on_io([&] { presence_.attach(clock); });
  }

  void detach() override {
    on_io([this] { presence_.detach(); });
  }

  void use(std::shared_ptr<const engine::Engine> engine) override {
    on_io([&] { parcels_.use(splits_.use(std::move(engine))); });
  }

  void assigned(const engine::TaskInput& input,
                std::shared_ptr<const sim::TaskGraph> graph) override {
    outbox_.emplace_back([=, this] { crossings_.assigned(input, graph); });
  }

  void begin(const sim::RealActivity& a) override {
    outbox_.emplace_back([this, activity = a, what = *a.what]() mutable {
      activity.what = &what;
      if (Peer* peer = peers_.with(activity.task)) {
        peer->dialogue->begin(activity, sim::wall_now());
      } else {
        to_clock_.failed(activity.id, Cause::failed, "its node was lost meanwhile");
      }
    });
  }

  void give_up(TaskId task) override {
    outbox_.emplace_back([this, task] {
      if (Peer* peer = peers_.with(task)) peer->dialogue->give_up(task, sim::wall_now());
      peers_.node_of.erase(task);
      parcels_.forget(task);
      splits_.forget(task);
    });
  }

  void taken_before(NodeId node, TaskId task) override {
    asio::post(io_, [this, node, task] {
      if (Peer* peer = peers_.at(node)) peer->dialogue->taken(task);
    });
  }

  [[nodiscard]] bool has_orders() const override { return !outbox_.empty(); }

  // Everything is recorded: the run owns its folder, and orders may be sent.
  void flush_orders() override {
    if (outbox_.empty()) return;
    asio::post(io_, [this, box = std::exchange(outbox_, {})] {
      reception_.folder_is_ours();
      for (const auto& work : box) work();
    });
  }

  [[nodiscard]] bool has_outcome(TaskId task) override { return parcels_.has(task); }
  [[nodiscard]] std::string trouble() override {
    const std::lock_guard lock(mutex_);
    return trouble_;
  }
  engine::Outcome outcome(TaskId task) override {
    engine::Outcome taken = parcels_.take(task);
    asio::post(io_, [this, task] {
      if (Peer* peer = peers_.with(task)) peer->dialogue->taken(task);
      peers_.node_of.erase(task);
    });
    return taken;
  }

  std::vector<sim::ReadingRow> readings() override {
    const std::lock_guard lock(mutex_);
    return std::exchange(readings_, {});
  }

  void farewell(const std::string& why, bool over) override {
    on_io([&] {
      for (auto& [node, peer] : peers_.by_node) {
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
  void fail(const std::string& why) {  // of this machine
    const std::lock_guard lock(mutex_);
    trouble_ = why;
  }

  // An unexpected exception must not end the program or block the run.
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

  [[nodiscard]] const sim::RealNode& real(NodeId node) const {
    return scenario_.identities[node].real;
  }

  Gathered gathered() {
    Gathered now;
    on_io([&] {
      std::vector<NodeId> ready;
      for (const auto& [node, peer] : peers_.by_node) {
        if (peer.ready) ready.push_back(node);
        if (!peer.trouble.empty() && roster_.is_wanted(node)) {
          now.trouble = fmt::format("node {}: {}", roster_.name_of(node), peer.trouble);
        }
      }
      now.missing = roster_.missing(ready);
    });
    return now;
  }

  // --- what agents say --------------------------------------------------------------------------

  void listen_to(Peer& peer) {
    peer.connection->handlers(
        {[this, node = peer.node](const wire::Message& m) { handle(node, m); },
         [this, node = peer.node, number = peer.connections](const std::string& why) {
           closed(node, number, why);
         }});
  }

  void closed(NodeId node, int number, const std::string& why) {
    Peer* peer = peers_.at(node);
    if (peer == nullptr || peer->connections != number) return;  // replaced by a newer connection
    const std::string name = "node " + roster_.name_of(node);
    log_.warn(name, fmt::format("{} ({}): {}", name, peer->name, base::printable(why)));
    const double silence_s = peer->connection ? peer->connection->silence_s() : 0;
    peer->connection.reset();
    peer->ready = false;
    peer->dialogue->disconnected();
    presence_.link_is_broken(*peer, silence_s);
  }

  void handle(NodeId node, const wire::Message& message) {
    Peer& peer = peers_.by_node.at(node);
    const sim::WallTime stamp = sim::wall_now();
    NodeDialogue& dialogue = *peer.dialogue;
    if (const auto* ready = message.body_as_Ready()) {
      const std::string profile = text_of(ready->profile());
      if (reception_.check_in(peer, ready->samples(), profile)) dialogue.ready(sim::wall_now());
    } else if (const auto* received = message.body_as_Received()) {
      dialogue.received(received->task(), received->attempt(), stamp, received->artifact());
    } else if (const auto* began = message.body_as_Began()) {
      dialogue.began(
          *began, stamp,
          sim::WallSeconds(std::min(longest_notice_s, peer.connection->jitter_s() + notice_s)));
    } else if (const auto* ended = message.body_as_Ended()) {
      dialogue.ended(*ended, stamp);
    } else if (const auto* failed = message.body_as_Failed()) {
      const bool memory = failed->trouble() == wire::Trouble::out_of_memory;
      dialogue.failed(failed->task(), failed->attempt(), failed->activity(), failed->iteration(),
                      memory ? Cause::out_of_memory : Cause::failed,
                      base::printable(text_of(failed->reason())));
    } else if (const auto* offer = message.body_as_Offer()) {
      if (offer->artifact() < 0) return intake_.offered(peer, *offer);
      crossings_.offered(peer, *offer, *scenario_.setting->architecture);
    } else if (const auto* cancelled = message.body_as_Cancelled()) {
      dialogue.cancelled(cancelled->task(), cancelled->attempt(), stamp);
    } else if (const auto* readings = message.body_as_Readings()) {
      // At most one reading per heartbeat.
      if ((stamp - peer.last_reading).count() < 0.5 * scenario_.hil.heartbeat_s) return;
      peer.last_reading = stamp;
      note(node, *readings, stamp);
    } else if (const auto* refused = message.body_as_Refused()) {
      const auto* reason = refused->reason();
      peer.trouble = reason == nullptr ? "it cannot take part" : base::printable(reason->str());
      const auto connection = peer.connection;
      if (refused->for_good()) presence_.is_gone(peer);
      connection->close(peer.trouble);  // all messages are sent
    } else if (message.body_as_Bye() != nullptr) {
      const auto connection = peer.connection;
      presence_.is_lost(peer);
      connection->close("the agent says good-bye");
    } else {
      throw ProtocolError("a message that coordinators are not sent");
    }
  }

  void note(NodeId node, const wire::Readings& r, sim::WallTime stamp) {
    const std::lock_guard lock(mutex_);
    readings_.push_back({(stamp - begun_).count(), 0, node, figure(r.power_w()),
                         figure(r.temperature_c()), figure(r.cpu_load()), figure(r.gpu_load()),
                         figure(r.memory_used_bytes()), figure(r.memory_total_bytes())});
  }

  // --- watchdogs --------------------------------------------------------------------------------

  void watch() {
    // First: whatever goes wrong below, they go on watching.
    after(heartbeat_timer_, in_ms(std::max(0.05, scenario_.hil.heartbeat_s)), [this] { watch(); });
    const sim::WallTime now = sim::wall_now();
    log_.tell_overdue();
    for (auto& [node, peer] : peers_.by_node) {
      if (!peer.ready || !peer.connection) continue;
      const std::uint64_t bytes = peer.connection->payload_bytes();
      peer.dialogue->watch(now, bytes != std::exchange(peer.bytes_moved, bytes));
      if (peer.dialogue->draining(now).count() > real(node).deadline_min_s) {
        peer.connection->close("it does not let go of a task that was given up");
      }
    }
  }

  // Runs `work` in the bridge's thread and waits for it.
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

  asio::io_context io_{1};  // first: members below may refer to it in their destructors
  const sim::Scenario scenario_;
  const BridgeOptions options_;
  const sim::WallTime begun_ = sim::wall_now();

  // Used by the bridge's thread only, once it runs.
  Roster roster_;
  PeerLog log_;
  ParcelWorker parcels_;
  SplitWorker splits_;
  Peers peers_;
  PeerPresence presence_;
  ClockReports to_clock_{presence_};
  Reception reception_;
  UpdateIntake intake_;
  CrossingIntake crossings_;

  std::vector<std::function<void()>> outbox_;  // used by the simulation's thread only

  std::mutex mutex_;
  std::vector<sim::ReadingRow> readings_;
  std::string trouble_;  // of this machine

  asio::steady_timer heartbeat_timer_;
  asio::executor_work_guard<asio::io_context::executor_type> work_ = asio::make_work_guard(io_);
  std::optional<Listener> listener_;
  std::jthread thread_;  // last: ends first
};

}  // namespace

std::unique_ptr<Bridge> make_bridge(const sim::Scenario& scenario, BridgeOptions options) {
  return std::make_unique<AsioBridge>(scenario, std::move(options));
}

}  // namespace convoy::hil
