#include "hil/bridge/reception.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "base/files.hpp"
#include "base/text.hpp"
#include "hil/protocol/random_id.hpp"
#include "sim/run/open_engine.hpp"

namespace convoy::hil {
namespace {

constexpr std::size_t longest_profile = 1 << 16;
constexpr std::size_t most_unplaced = 1000;  // limit for remembered agents

}  // namespace

Connection::Handlers nobody() {
  return {[](const wire::Message&) {}, [](const std::string&) {}};
}

Reception::Reception(const sim::Scenario& scenario, const BridgeOptions& options, Roster& roster,
                     Peers& peers, PeerPresence& presence, PeerLog& log)
    : scenario_(scenario),
      options_(options),
      roster_(roster),
      peers_(peers),
      presence_(presence),
      log_(log),
      setup_(engine::to_toml(sim::engine_setup(scenario))),
      signature_(engine::data_signature(*scenario.source)) {
  if (options_.resume && !options_.folder.empty()) {
    sessions_ = read_sessions(options_.folder);
  } else {
    sessions_.run = random_id();
  }
}

void Reception::greet(const std::shared_ptr<Connection>& connection, const wire::HelloT& hello,
                      const std::function<void(Peer&)>& listen) {
  const auto turn_away = [&](const char* why) {
    connection->handlers(nobody());
    refuse(*connection, why, false);
  };
  const std::optional<sim::NodeId> place = roster_.place_for(hello.name, hello.device);
  if (!place) {
    if (unplaced_agents_.size() < most_unplaced && unplaced_agents_.insert(hello.name).second) {
      log_.warn("unplaced",
                fmt::format("{}: the scenario has no node of that name, nor a free one of its type",
                            hello.name));
    }
    return turn_away("the scenario has no node of that name or type of device");
  }
  Peer& peer = peers_.by_node.at(*place);
  const std::string& known = sessions_.ids[hello.name];
  const bool same = !known.empty() && hello.session == known && hello.run == sessions_.run;
  if (peer.connection && peer.connection->is_open() && !same) {
    return turn_away("another agent of that name is connected");
  }
  if (peer.gone) return turn_away("the run has gone on without it");
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
  std::vector<wire::KnownTaskT> tasks;  // of this run
  for (const auto& k : hello.known) {
    if (hello.run == sessions_.run) tasks.push_back(*k);
  }
  const std::string node = roster_.name_of(peer.node);
  log_.info("met " + node,
            fmt::format("{} is node {} ({}{})", hello.name, node, connection->stream().remote(),
                        restarted ? ", started anew" : ""));
  listen(peer);
  welcome(peer);
  if (peer.dialogue->connected(tasks, restarted) || peer.lost) return;
  log_.warn(peer, "its agent knows nothing any more of what was under way");
  presence_.is_lost(peer);
}

void Reception::welcome(Peer& peer) {
  const sim::HilOptions& hil = scenario_.hil;
  wire::WelcomeT welcome;
  welcome.protocol = protocol_version;
  welcome.session = peer.session;
  welcome.run = sessions_.run;
  welcome.node = peer.node;
  welcome.heartbeat_ms = static_cast<std::uint32_t>(in_ms(hil.heartbeat_s).count());
  welcome.lost_after_ms = static_cast<std::uint32_t>(in_ms(hil.lost_after_s).count());
  welcome.compress = hil.compress;
  peer.connection->send(std::move(welcome));
  peer.connection->trust(Limits::agent(), in_ms(hil.heartbeat_s), in_ms(hil.lost_after_s),
                         hil.compress);
  const engine::LocalSplit& part = scenario_.parts[peer.node];
  wire::SetupT setup;
  setup.toml = setup_;
  setup.train = part.train;
  setup.test = part.test;
  setup.data_signature = signature_;
  setup.local_test_share = scenario_.data.local_test_share;
  peer.connection->send(std::move(setup));
}

bool Reception::check_in(Peer& peer, std::int64_t samples, const std::string& profile) {
  // An agent that reconnected during its set-up reports twice.
  if (peer.ready && samples == peer.samples) return false;
  const bool has_begun = presence_.clock() != nullptr;
  const std::int64_t part = part_of(peer);
  const std::int64_t expected = has_begun ? peer.samples : peer.own_data ? samples : part;
  const std::int64_t most = most_samples(peer);
  if (samples != expected || samples < 1 || samples > std::max(most, part)) {
    peer.trouble = samples == expected
                       ? fmt::format(
                             "it says that it has {} samples of its own; 1 to {} are allowed "
                             "(most_samples of the node in the inventory)",
                             samples, most)
                       : fmt::format("it has {} samples, it should have {}", samples, expected);
    log_.warn(peer, peer.trouble);
    refuse(*peer.connection, peer.trouble, true);
    if (has_begun) presence_.is_gone(peer);
    return false;
  }
  peer.samples = samples;
  if (!profile.empty() && profile.size() <= longest_profile && peer.profile != profile) {
    peer.profile = profile;
    keep_profile(peer);
  }
  peer.ready = true;
  peer.trouble.clear();
  presence_.is_ready(peer);
  return true;
}

void Reception::folder_is_ours() {
  if (std::exchange(is_ours_, true)) return;
  keep_sessions();
  for (const auto& [node, peer] : peers_.by_node) keep_profile(peer);
}

std::int64_t Reception::part_of(const Peer& peer) const {
  return static_cast<std::int64_t>(scenario_.parts[peer.node].train.size());
}

std::int64_t Reception::most_samples(const Peer& peer) const {
  const testbed::InventoryNode* listed = options_.inventory.find(peer.name);
  return listed == nullptr ? testbed::InventoryNode().most_samples : listed->most_samples;
}

void Reception::keep_sessions() const {
  if (options_.folder.empty() || !is_ours_) return;
  try {
    write_sessions(options_.folder, sessions_);
  } catch (const std::exception& e) {
    spdlog::warn("{}", e.what());
  }
}

// Saves the device's profile measured by an agent, for later scenarios.
void Reception::keep_profile(const Peer& peer) const {
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
  spdlog::info("node {}: its device was measured: device = \"{}\"", roster_.name_of(peer.node),
               file.string());
}

}  // namespace convoy::hil
