#include "cli/serve.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/diagnostics.hpp"
#include "cli/signals.hpp"
#include "testbed/address.hpp"

namespace convoy::cli {
namespace {

constexpr std::size_t most_nodes = 2'000;  // limit for the page's list of activities

analysis::LiveStatus status_of(const sim::Progress& progress, std::size_t nodes) {
  analysis::LiveStatus status;
  status.virtual_time_s = progress.virtual_time_s;
  status.share = progress.share;
  status.rounds = progress.rounds;
  status.tasks = progress.tasks;
  status.tasks_failed = progress.view->tasks_failed();
  status.accuracy = progress.accuracy;
  if (const auto lag_s = progress.view->max_lag_s()) status.lag_ms = 1e3 * *lag_s;
  for (const sim::UnderWay& what : progress.view->under_way()) {
    for (const sim::NodeId node : {what.node, what.peer}) {
      const bool shown = node > 0 && static_cast<std::size_t>(node) < nodes;
      if (shown) status.nodes.push_back({node, what.label, what.start_s, false});
    }
    const bool at_server = what.node == 0 && what.peer == sim::no_node;
    if (at_server) status.nodes.push_back({0, what.label, what.start_s, false});
  }
  for (std::size_t node = 1; node < nodes; ++node) {
    const auto id = static_cast<sim::NodeId>(node);
    if (!progress.view->present(id)) status.nodes.push_back({id, "", 0, true});
  }
  std::ranges::stable_sort(status.nodes, {}, &analysis::LiveStatus::Node::node);
  return status;
}

}  // namespace

std::unique_ptr<analysis::LiveServer> serve(const std::string& address,
                                            analysis::LiveSubject& subject) {
  auto endpoint = testbed::parse_endpoint(address);
  if (address.ends_with(":0")) {
    throw base::UserError("--serve " + address + ": choose a port, 1 to 65535");
  }
  if (endpoint && endpoint->host == "localhost") endpoint->host = "127.0.0.1";
  if (!endpoint || !testbed::address_bytes(endpoint->host)) {
    throw base::UserError("--serve " + address + ": expected ADDRESS:PORT, such as 127.0.0.1:8080");
  }
  analysis::LiveOptions live;
  live.host = endpoint->host;
  live.port = endpoint->port;
  if (testbed::is_wildcard(endpoint->host)) {
    const std::vector<std::string> addresses = testbed::local_addresses();
    if (!addresses.empty()) live.shown = addresses.front();
  }
  live.loopback = testbed::is_loopback(endpoint->host);
  live.version = CONVOY_VERSION;
  live.stop = [] { interrupted = true; };
  return std::make_unique<analysis::LiveServer>(std::move(live), subject);
}

LiveView::LiveView(const std::string& address, const sim::Scenario& scenario,
                   const sim::RunOptions& options)
    : run_(state_, options.folder, !sim::any_real(scenario)),
      nodes_(std::min(scenario.world.nodes.size(), most_nodes)) {
  if (options.folder.empty()) {
    throw base::UserError("--serve shows the run's store; leave out --no-store");
  }
  server_ = serve(address, run_);
}

void LiveView::follow(const sim::Progress& progress) {
  const bool pausing = state_.is_paused();
  if (pausing || state_.wants_status()) put(progress, pausing);
  if (!pausing) return;
  state_.wait_while_paused(interrupted);
  put(progress, false);
}

void LiveView::put(const sim::Progress& progress, bool at_rest) {
  analysis::LiveStatus status = status_of(progress, nodes_);
  status.wall_time_s =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begun_).count();
  status.at_rest = at_rest;
  state_.put(std::move(status));
}

LiveSweepView::LiveSweepView(const std::string& address, const std::filesystem::path& folder,
                             bool with_stores)
    : sweep_(folder, with_stores, CONVOY_VERSION) {
  if (address.empty()) return;
  server_ = serve(address, sweep_);
  fmt::print(stderr, "convoy: the sweep is at {}\n", server_->url());
}

bool LiveSweepView::wants_status() {
  constexpr std::chrono::milliseconds every(200);
  const auto now = std::chrono::steady_clock::now();
  if (!server_ || now < next_) return false;
  next_ = now + every;
  return true;
}

void LiveSweepView::is_over(const std::string& status) {
  if (!server_) return;
  sweep_.set_end(status);
  server_->is_over();
}

}  // namespace convoy::cli
