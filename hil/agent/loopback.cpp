#include "hil/agent/loopback.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <stop_token>
#include <thread>
#include <vector>

#include "base/diagnostics.hpp"
#include "base/non_copyable.hpp"
#include "base/text.hpp"
#include "engine/api/engine.hpp"
#include "engine/api/setup.hpp"
#include "hil/agent/agent.hpp"
#include "hil/protocol/listener.hpp"
#include "hil/protocol/random_id.hpp"
#include "testbed/setup.hpp"

namespace convoy::hil {
namespace {

using namespace std::chrono_literals;

constexpr const char* node_name = "self-test";
constexpr int node = 1;
constexpr std::int64_t task_id = 1;
constexpr std::int32_t attempt = 1;
constexpr auto heartbeat = 1000ms;
constexpr auto lost_after = 15000ms;

// Reports are sent to others: paths of temporary files could reveal the machine's owner.
std::filesystem::path made_folder() {
  std::error_code failure;
  std::filesystem::path folder = std::filesystem::temp_directory_path(failure);
  folder /= "convoy-" + random_id();
  if (!failure) std::filesystem::create_directory(folder, failure);
  if (!failure) {
    std::filesystem::permissions(folder, std::filesystem::perms::owner_all, failure);
  }
  if (!failure) return folder;
  throw base::UserError(fmt::format("the folder for temporary files (TMPDIR) cannot be used ({})",
                                    failure.message()));
}

class TemporaryFolder : base::NonCopyable {
 public:
  TemporaryFolder() : path_(made_folder()) {}
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// The training task: generated glyphs (no files needed), a small convolutional network, SGD with
// momentum, a smaller last batch.
engine::EngineSetup task_setup() {
  engine::EngineSetup setup;
  setup.model.architecture = "cnn-small";
  setup.model.image_size = 28;
  setup.model.channels = 1;
  setup.model.exits = {1.0};
  setup.data.source = "glyphs";
  setup.data.samples = 100;
  setup.data.test_samples = 10;
  setup.training.optimizer.learning_rate = 0.005;  // the loss falls; rounding errors do not grow
  setup.training.optimizer.momentum = 0.9;
  return setup;
}

engine::TaskBrief task_brief() {
  engine::TaskBrief brief;
  brief.batch = 16;
  return brief;
}

template <class Pieces>
std::vector<std::byte> bytes_of(const Pieces& pieces) {
  std::vector<std::byte> all;
  for (const auto& piece : pieces) all.insert(all.end(), piece.begin(), piece.end());
  return all;
}

// Largest difference between values of two parcels with the same header.
double largest_difference(const std::string& header, const std::vector<std::byte>& one,
                          const std::vector<std::byte>& other) {
  double largest = 0;
  const nlohmann::json tensors = nlohmann::json::parse(header);
  for (const auto& [name, tensor] : tensors.items()) {
    if (name == "__metadata__" || tensor.at("dtype") != "F32") continue;
    const auto from = tensor.at("data_offsets").at(0).get<std::size_t>();
    const auto to = tensor.at("data_offsets").at(1).get<std::size_t>();
    for (std::size_t at = from; at + sizeof(float) <= std::min({to, one.size(), other.size()});
         at += sizeof(float)) {
      float a = 0;
      float b = 0;
      std::memcpy(&a, one.data() + at, sizeof a);
      std::memcpy(&b, other.data() + at, sizeof b);
      largest = std::max(largest, std::abs(double{a} - double{b}));
    }
  }
  return largest;
}

// A coordinator for one agent and one task.
class Coordinator {
 public:
  Coordinator(const std::string& device, const std::filesystem::path& folder)
      : setup_(task_setup()), timer_(io_), watch_timer_(io_) {
    set_up_engine(device);
    testbed::InitRequest request;
    request.folder = folder / "lab";
    request.nodes = {{node_name, "", 1'000'000}};
    request.listen = {"127.0.0.1", 1};  // the system chooses the port, below
    request.days = 1;
    testbed::init_testbed(request);
    base::Diagnostics problems;
    auto inventory = testbed::read_inventory(request.folder / "inventory.toml", problems);
    if (!inventory) throw base::UserError(problems.str());
    inventory->listen.port = 0;
    listener_.emplace(
        io_, *inventory,
        [this](std::shared_ptr<Connection> connection, const wire::HelloT&) {
          welcome(std::move(connection));
        },
        [this](const std::string&, const std::string&, const std::string& why) {
          if (!connection_) fail("the agent did not come in: " + why);
        });
    const std::filesystem::path bundle = request.folder / "nodes" / node_name;
    config_.connect = {"127.0.0.1", listener_->port()};
    config_.name = node_name;
    config_.credentials = {
        bundle / "certificate.pem", bundle / "key.pem", bundle / "authority.pem", {}};
    config_.device = device;
    config_.retry_s = 1;
  }

  LoopbackResult run(const LoopbackOptions& options) {
    const std::chrono::seconds patience = options.patience;
    Agent agent(config_, "convoy-node --self-test");
    begun_ = steady_seconds();
    std::jthread thread([&] {
      try {
        agent.run();
      } catch (const std::exception& e) {
        boost::asio::post(io_, [this, why = std::string(e.what())] { fail(why); });
      }
    });
    after(timer_, patience,
          [this, patience] { fail(fmt::format("nothing came of it in {} s", patience.count())); });
    if (options.interrupted != nullptr) watch_for(*options.interrupted);
    try {
      io_.run();
    } catch (const std::exception& e) {
      result_.failure = base::printable(e.what());
    }
    agent.stop();
    thread.join();
    return result_;
  }

 private:
  void watch_for(const std::atomic<bool>& interrupted) {
    if (interrupted) return fail("it was interrupted");
    after(watch_timer_, 50ms, [this, &interrupted] {
      if (!done_) watch_for(interrupted);
    });
  }

  void set_up_engine(const std::string& device) {
    const auto source = engine::open_source(setup_.data, "");
    signature_ = engine::data_signature(*source);
    part_.train.resize(source->labels().size());
    std::iota(part_.train.begin(), part_.train.end(), 0);
    engine::EngineOptions options = engine::options_of(setup_, *source, device);
    options.parts.resize(node + 1);
    options.parts.back() = part_;
    engine_ = engine::open_engine(options);
    engine_->prepare_thread();
    input_.node = node;
    input_.task = task_id;
    input_.brief = task_brief();
    input_.received = engine_->initial();
  }

  void welcome(std::shared_ptr<Connection> connection) {
    if (done_) return;
    connection_ = std::move(connection);
    connection_->handlers(
        {[this](const wire::Message& message) { handle(message); },
         [this](const std::string& why) { fail("the connection ended: " + why); }});
    wire::WelcomeT welcome;
    welcome.protocol = protocol_version;
    welcome.session = random_id();
    welcome.run = "self-test";
    welcome.node = node;
    welcome.heartbeat_ms = static_cast<std::uint32_t>(heartbeat.count());
    welcome.lost_after_ms = static_cast<std::uint32_t>(lost_after.count());
    connection_->send(std::move(welcome));
    connection_->trust(Limits::agent(), heartbeat, lost_after, false);
    wire::SetupT setup;
    setup.toml = engine::to_toml(setup_);
    setup.train = part_.train;
    setup.data_signature = signature_;
    connection_->send(std::move(setup));
  }

  void handle(const wire::Message& message) {
    if (done_) return;
    if (const auto* ready = message.body_as_Ready()) {
      result_.samples = ready->samples();
      return assign();
    }
    if (const auto* ended = message.body_as_Ended()) {
      result_.training_s += 1e-9 * static_cast<double>(ended->took_ns());
    } else if (const auto* offer = message.body_as_Offer()) {
      take(*offer);
    } else if (const auto* failed = message.body_as_Failed()) {
      fail("the agent says: " + text(failed->reason()));
    } else if (const auto* refused = message.body_as_Refused()) {
      fail("the agent says: " + text(refused->reason()));
    }
  }

  void assign() {
    result_.joined_s = steady_seconds() - begun_;
    assigned_ = steady_seconds();
    auto assign = of_task<wire::AssignT>(task_id, attempt);
    assign.brief = engine::to_text(input_.brief);
    connection_->send(std::move(assign));
    engine::Parcel parcel = engine_->pack(input_);
    result_.sent_bytes = parcel.bytes();
    connection_->send_parcel(task_id, attempt, std::move(parcel));
    auto begin = of_task<wire::BeginT>(task_id, attempt);
    begin.work = engine::to_text(engine::Work(engine::Train{}));
    begin.last = true;
    connection_->send(wire::BeginT(begin));
    begin.activity = 1;
    begin.kind = wire::Kind::send;
    begin.work.clear();
    connection_->send(std::move(begin));
  }

  void take(const wire::Offer& offer) {
    header_ = text_of(offer.header());
    const std::shared_ptr<engine::Unpacking> box =
        engine_->unpack(header_, offer.bytes(), "the agent's update");
    connection_->take(offer, box, [this, box] { arrived(*box); });
  }

  void arrived(engine::Unpacking& box) {
    try {
      const engine::Outcome outcome = engine_->unpack_update(box, input_);
      result_.task_s = steady_seconds() - assigned_;
      result_.loss = outcome.loss;
      compare(bytes_of(box.pieces()));
      if (!outcome.finite) throw base::UserError("the update holds NaN or infinity");
      connection_->send(of_task<wire::KeptT>(task_id, attempt));
      wire::ByeT bye;
      bye.reason = "the self-test is done";
      bye.over = true;
      connection_->send(std::move(bye));
      done_ = true;
      stop();
    } catch (const std::exception& e) {
      fail(e.what());
    }
  }

  // Compares the received update with a direct run of the same task.
  void compare(const std::vector<std::byte>& came) {
    result_.received_bytes = came.size();
    const auto session = engine_->open(input_, std::stop_token());
    session->run(engine::Train{}, {{input_.received, nullptr}});
    const std::vector<std::byte> own = bytes_of(engine_->pack(session->outcome()).pieces);
    result_.same_bits = own == came;
    if (own.size() != came.size())
      throw base::UserError("the update has another size than its own");
    if (!result_.same_bits) result_.largest_difference = largest_difference(header_, own, came);
  }

  static std::string text(const flatbuffers::String* s) { return base::printable(text_of(s)); }

  void fail(const std::string& why) {
    if (done_) return;
    done_ = true;
    result_.failure = base::printable(why);
    stop();
  }

  void stop() {
    listener_->close();  // else the agent would reconnect
    timer_.cancel();
    if (connection_) connection_->finish("the self-test is done");
    // What is still to be sent is sent, or is not.
    after(timer_, 200ms, [this] { io_.stop(); });
  }

  engine::EngineSetup setup_;
  std::string signature_;
  engine::LocalSplit part_;
  std::shared_ptr<const engine::Engine> engine_;
  engine::TaskInput input_;
  AgentConfig config_;
  boost::asio::io_context io_{1};
  boost::asio::steady_timer timer_;
  boost::asio::steady_timer watch_timer_;
  std::optional<Listener> listener_;
  std::shared_ptr<Connection> connection_;
  std::string header_;
  double begun_ = 0;
  double assigned_ = 0;
  bool done_ = false;
  LoopbackResult result_;
};

}  // namespace

LoopbackResult loopback_task(const LoopbackOptions& options) {
  LoopbackResult result;
  try {
    const TemporaryFolder folder;
    result = Coordinator(options.device, folder.path()).run(options);
  } catch (const std::exception& e) {
    result.failure = base::printable(e.what());
  }
  std::error_code none;
  const std::string place = std::filesystem::temp_directory_path(none).string();
  for (std::size_t at = 0;
       !place.empty() && (at = result.failure.find(place)) != std::string::npos;) {
    result.failure.replace(at, place.size(), "TMPDIR");
  }
  return result;
}

}  // namespace convoy::hil
