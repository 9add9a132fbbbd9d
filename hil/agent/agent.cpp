#include "hil/agent/agent.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/sysinfo.h>

#include <algorithm>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <future>
#include <limits>

#include "base/diagnostics.hpp"
#include "base/text.hpp"
#include "hil/agent/memory_limit.hpp"
#include "hil/agent/trainer.hpp"
#include "hil/protocol/connection.hpp"
#include "hil/protocol/random_id.hpp"
#include "sensors/sensors.hpp"

namespace convoy::hil {
namespace {

using namespace std::chrono_literals;

constexpr auto connect_timeout = 10s;
constexpr double first_pause_s = 0.2;
constexpr auto poll_interval = 100ms;  // for stop()
constexpr auto longest_notice = 20ms;

double or_nan(const std::optional<double>& value) {
  return value.value_or(std::numeric_limits<double>::quiet_NaN());
}

}  // namespace

class Agent::Impl {
 public:
  Impl(AgentConfig config, std::string software)
      : config_(std::move(config)),
        software_(std::move(software)),
        boot_(random_id()),
        sensors_(sensors::Sensors::open({.root = config_.sensors})),
        timer_(io_),
        poll_timer_(io_),
        readings_timer_(io_),
        resolver_(io_) {
    check(config_);
    if (!config_.insecure) tls_ = tls_context(config_.credentials, testbed::Role::node);
    trainer_ =
        std::make_unique<Trainer>(TrainerOptions{config_.device, config_.data, config_.own_data,
                                                 config_.state, config_.max_memory_gb * 1e9},
                                  events());
    run_ = trainer_->run();
  }

  void run() {
    for (const std::string& missing : sensors_->missing()) spdlog::info("no sensor: {}", missing);
    connect();
    watch_for_stop();
    io_.run();
    if (connection_) connection_->close("the agent ends");
    trainer_.reset();
    if (!fatal_.empty()) throw base::UserError(fatal_);
  }

  void stop() { stopping_ = true; }

 private:
  // --- connecting -------------------------------------------------------------------------------

  void watch_for_stop() {
    if (stopping_) {
      timer_.expires_after(connect_timeout);
      timer_.async_wait([this](const error_code&) { io_.stop(); });
      if (!connection_) {
        io_.stop();
        return;
      }
      wire::ByeT bye;
      bye.reason = "the agent was stopped";
      connection_->send(std::move(bye));
      connection_->finish("the agent was stopped");
      return;
    }
    after(poll_timer_, poll_interval, [this] { watch_for_stop(); });
  }

  void connect() {
    resolver_.async_resolve(
        config_.connect.host, std::to_string(config_.connect.port),
        [this](const error_code& failure, const tcp::resolver::results_type& found) {
          if (failure) {
            try_later(fmt::format("{}: {}", config_.connect.host, failure.message()));
            return;
          }
          auto socket = std::make_shared<tcp::socket>(io_);
          after(timer_, connect_timeout, [socket] { socket->close(); });
          asio::async_connect(*socket, found,
                              [this, socket](const error_code& refused, const tcp::endpoint&) {
                                connected(refused, socket);
                              });
        });
  }

  void connected(const error_code& refused, const std::shared_ptr<tcp::socket>& socket) {
    if (refused) {
      timer_.cancel();
      try_later(fmt::format("{}: {}", config_.connect.str(), refused.message()));
      return;
    }
    // The timer keeps running, to limit the handshake.
    auto stream = std::make_shared<std::unique_ptr<Stream>>(
        std::make_unique<Stream>(std::move(*socket), tls_));
    after(timer_, connect_timeout, [weak = std::weak_ptr(stream)] {
      const auto alive = weak.lock();
      if (alive && *alive) (*alive)->close();
    });
    (*stream)->handshake(testbed::Role::node, [this, stream](const std::string& failure) {
      timer_.cancel();
      if (!failure.empty()) {
        try_later(failure);
        return;
      }
      const testbed::IdentityCheck peer = (*stream)->peer();
      const bool coordinator = peer.identity && peer.identity->role == testbed::Role::coordinator;
      if ((*stream)->is_secure() && !coordinator) {
        try_later(fmt::format("who answers is no coordinator ({})",
                              peer.identity ? "a node's certificate" : peer.refusal));
        return;
      }
      meet(std::move(*stream));
    });
  }

  void try_later(const std::string& why) {
    if (stopping_) return;
    // A random share between 0.5 and 1, so that agents cut off together do not reconnect together.
    const double share = 0.5 + 0.5 * static_cast<double>(steady_nanoseconds() % 1000) / 1000;
    const double pause = pause_s_ * share;
    pause_s_ = std::min(2 * pause_s_, config_.retry_s);
    spdlog::info("not connected: {}; again in {:.1f} s", base::printable(why), pause);
    const auto wait = std::chrono::duration<double>(pause);
    after(timer_, std::chrono::duration_cast<std::chrono::milliseconds>(wait),
          [this] { connect(); });
  }

  void meet(std::unique_ptr<Stream> stream) {
    welcome_ = false;
    connection_ = std::make_shared<Connection>(std::move(stream));
    connection_->start({[this](const wire::Message& message) { handle(message); },
                        [this](const std::string& why) { lost(why); }},
                       1s, 15s);
    wire::HelloT hello;
    hello.protocol_min = hello.protocol_max = protocol_version;
    hello.name = config_.name;
    hello.device = config_.type;
    hello.session = session_;
    hello.run = run_;
    hello.boot = boot_;
    hello.software = software_;
    hello.missing = sensors_->missing();
    hello.memory_bytes = memory();
    hello.own_samples = config_.own_data ? 0 : -1;
    for (wire::KnownTaskT& known : trainer_->known()) {
      hello.known.push_back(std::make_unique<wire::KnownTaskT>(known));
    }
    connection_->send(std::move(hello));
  }

  [[nodiscard]] std::uint64_t memory() const {
    if (config_.max_memory_gb > 0) return static_cast<std::uint64_t>(1e9 * config_.max_memory_gb);
    struct sysinfo info {};
    return ::sysinfo(&info) == 0 ? std::uint64_t{info.totalram} * info.mem_unit : 0;
  }

  void lost(const std::string& why) {
    readings_timer_.cancel();
    connection_.reset();
    if (!fatal_.empty() || stopping_) {
      io_.stop();
      return;
    }
    try_later(why);
  }

  // --- messages ---------------------------------------------------------------------------------

  void handle(const wire::Message& message) {
    if (const auto* welcome = message.body_as_Welcome()) return welcomed(*welcome);
    if (const auto* refused = message.body_as_Refused()) return was_refused(*refused);
    if (!welcome_) throw ProtocolError("the coordinator speaks before it has said welcome");
    if (const auto* setup = message.body_as_Setup()) {
      trainer_->set_up(run_, node_, *std::unique_ptr<wire::SetupT>(setup->UnPack()));
    } else if (const auto* assign = message.body_as_Assign()) {
      trainer_->assign(*std::unique_ptr<wire::AssignT>(assign->UnPack()));
    } else if (const auto* offer = message.body_as_Offer()) {
      offered(*offer);
    } else if (const auto* begin = message.body_as_Begin()) {
      trainer_->begin(*std::unique_ptr<wire::BeginT>(begin->UnPack()));
    } else if (const auto* cancel = message.body_as_Cancel()) {
      connection_->drop_parcels(cancel->task());
      trainer_->cancel(cancel->task(), cancel->attempt());
    } else if (const auto* kept = message.body_as_Kept()) {
      trainer_->kept(kept->task(), kept->attempt());
    } else if (const auto* bye = message.body_as_Bye()) {
      spdlog::info("the coordinator says: {}", base::printable(text_of(bye->reason())));
      session_.clear();
      if (bye->over()) trainer_->drop_all();
    } else {
      throw ProtocolError("a message that agents are not sent");
    }
  }

  void welcomed(const wire::Welcome& welcome) {
    if (welcome.protocol() != protocol_version) {
      throw ProtocolError("the coordinator chose a protocol that this agent does not speak");
    }
    welcome_ = true;
    pause_s_ = first_pause_s;
    session_ = text_of(welcome.session());
    run_ = text_of(welcome.run());
    node_ = welcome.node();
    if (node_ < 1 || node_ > most_nodes) throw ProtocolError("a node number out of range");
    heartbeat_ = std::chrono::milliseconds(std::max(10U, welcome.heartbeat_ms()));
    connection_->trust(Limits::coordinator(), heartbeat_,
                       std::chrono::milliseconds(welcome.lost_after_ms()), welcome.compress());
    spdlog::info("connected to {} as node {}", config_.connect.str(), node_);
    send_readings();
  }

  void was_refused(const wire::Refused& refused) {
    const std::string reason = base::printable(text_of(refused.reason()));
    if (refused.for_good()) fatal_ = fmt::format("the coordinator refuses this agent: {}", reason);
    connection_->close(reason);
  }

  void offered(const wire::Offer& offer) {
    const std::int64_t task = offer.task();
    const std::int32_t attempt = offer.attempt();
    const int artifact = offer.artifact();
    auto received = of_task<wire::ReceivedT>(task, attempt);
    received.transfer = offer.transfer();
    received.artifact = artifact;
    if (artifact >= 0 && trainer_->has_got(task, attempt, artifact)) {
      connection_->send(received);  // the coordinator was not told; what follows is dropped
      return;
    }
    std::shared_ptr<engine::Unpacking> box;
    try {
      const std::string header = text_of(offer.header());
      box = artifact < 0 ? trainer_->room_for(task, attempt, header, offer.bytes())
                         : trainer_->room_to_cross(task, attempt, header, offer.bytes());
    } catch (const std::exception& e) {
      cannot_take(task, attempt, e);
      return;
    }
    if (!box) return;
    connection_->take(offer, box, [this, box, task, attempt, artifact, received] {
      try {
        if (artifact < 0) {
          trainer_->arrived(task, attempt, box);
        } else {
          trainer_->crossed(task, attempt, artifact, box);
        }
      } catch (const std::exception& e) {
        cannot_take(task, attempt, e);
        return;
      }
      connection_->send(received);
    });
  }

  void cannot_take(std::int64_t task, std::int32_t attempt, const std::exception& e) {
    auto failed = of_task<wire::FailedT>(task, attempt);
    failed.activity = -1;
    failed.trouble = trouble_of(e);
    failed.reason = base::printable(e.what());
    spdlog::warn("task {}: {}", task, failed.reason);
    connection_->send(std::move(failed));
  }

  void send_readings() {
    if (!connection_) return;
    // First: whatever goes wrong with one reading, the next comes.
    after(readings_timer_, std::max<std::chrono::milliseconds>(heartbeat_, 1s),
          [this] { send_readings(); });
    sensors::SensorReading now;
    try {
      now = sensors_->read();
    } catch (const std::exception& e) {
      spdlog::warn("the sensors: {}", base::printable(e.what()));
      return;
    }
    wire::ReadingsT readings;
    readings.power_w = or_nan(now.power_w);
    readings.temperature_c = or_nan(now.temperature_c);
    readings.cpu_load = or_nan(now.cpu_load);
    readings.gpu_load = or_nan(now.gpu_load);
    readings.memory_used_bytes = or_nan(now.memory_used_bytes);
    readings.memory_total_bytes = or_nan(now.memory_total_bytes);
    connection_->send(readings);
  }

  // --- the trainer's events, brought to this thread ---------------------------------------------

  template <class Said>
  void say(Said said) {
    asio::post(io_, [this, said = std::make_shared<Said>(std::move(said))] {
      // Lost messages are not repeated here: the coordinator asks again after a reconnection.
      if (connection_) connection_->send(std::move(*said));
    });
  }

  // Sends the notice before computing begins: the scheduler could delay it by milliseconds behind a
  // computing thread.
  void say_first(wire::BeganT said) {
    if (io_.get_executor().running_in_this_thread()) {
      if (connection_) connection_->send(said);
      return;
    }
    const auto sent = std::make_shared<std::promise<void>>();
    asio::post(io_, [this, sent, said] {
      if (connection_) connection_->send(wire::BeganT(said));
      sent->set_value();
    });
    sent->get_future().wait_for(longest_notice);
  }

  TrainerEvents events() {
    TrainerEvents e;
    e.ready = [this](std::int64_t samples) {
      wire::ReadyT ready;
      ready.samples = samples;
      ready.profile = config_.profile;
      say(std::move(ready));
    };
    e.cannot = [this](const std::string& reason) {
      asio::post(io_, [this, reason] {
        spdlog::error("this agent cannot take part in the run: {}", reason);
        // The agent may be able to join a later run.
        pause_s_ = config_.retry_s;
        if (connection_) refuse(*connection_, reason, true);
      });
    };
    e.began = [this](wire::BeganT said) { say_first(said); };
    e.ended = [this](wire::EndedT said) { say(said); };
    e.failed = [this](wire::FailedT said) {
      spdlog::warn("task {}: {}", said.task, said.reason);
      say(std::move(said));
    };
    e.cancelled = [this](wire::CancelledT said) { say(said); };
    e.upload = [this](std::int64_t task, std::int32_t attempt, engine::Parcel parcel) {
      asio::post(io_,
                 [this, task, attempt, p = std::make_shared<engine::Parcel>(std::move(parcel))] {
                   if (connection_) connection_->send_parcel(task, attempt, std::move(*p));
                 });
    };
    e.cross = [this](std::int64_t task, std::int32_t attempt, int artifact, engine::Parcel parcel) {
      asio::post(io_, [this, task, attempt, artifact,
                       p = std::make_shared<engine::Parcel>(std::move(parcel))] {
        if (connection_) connection_->send_parcel(task, attempt, std::move(*p), artifact);
      });
    };
    return e;
  }

  static constexpr int most_nodes = 1'000'000;

  AgentConfig config_;
  std::string software_;
  std::string boot_;
  std::unique_ptr<sensors::Sensors> sensors_;
  std::shared_ptr<asio::ssl::context> tls_;
  asio::io_context io_{1};
  asio::steady_timer timer_;
  asio::steady_timer poll_timer_;
  asio::steady_timer readings_timer_;
  tcp::resolver resolver_;
  std::shared_ptr<Connection> connection_;
  std::atomic<bool> stopping_ = false;
  double pause_s_ = first_pause_s;
  bool welcome_ = false;
  std::chrono::milliseconds heartbeat_{1000};
  std::string session_;
  std::string run_;
  int node_ = -1;
  std::string fatal_;
  std::unique_ptr<Trainer> trainer_;  // last: its thread ends first
};

Agent::Agent(AgentConfig config, std::string software)
    : impl_(std::make_unique<Impl>(std::move(config), std::move(software))) {}
Agent::~Agent() = default;
void Agent::run() { impl_->run(); }
void Agent::stop() { impl_->stop(); }

}  // namespace convoy::hil
