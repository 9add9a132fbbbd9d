#include "cli/real_run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "hil/bridge/bridge.hpp"
#include "hil/testbed/inventory.hpp"
#include "sim/run/recorded_nodes.hpp"

namespace convoy::cli {
namespace {

bool has_real(const sim::Scenario& scenario) {
  return std::any_of(scenario.world.nodes.begin(), scenario.world.nodes.end(),
                     [](const sim::NodeConfig& node) { return node.real.has_value(); });
}

hil::Inventory inventory_file(const std::string& file) {
  base::Diagnostics problems;
  auto inventory = hil::read_inventory(file, problems);
  if (!inventory) throw base::UserError(problems.str());
  return *std::move(inventory);
}

hil::Inventory inventory_of(const RealArguments& arguments, const sim::Scenario& scenario) {
  if (!arguments.testbed.empty()) return inventory_file(arguments.testbed);
  if (!arguments.listen.empty()) {
    const auto endpoint = hil::parse_endpoint(arguments.listen);
    if (!endpoint) throw base::UserError("--listen: expected HOST:PORT");
    if (!arguments.insecure) {
      throw base::UserError(
          "--listen without certificates needs --insecure, and a loopback address; for real "
          "devices make a testbed (convoy testbed init) and give its --testbed inventory");
    }
    hil::Inventory inventory;
    inventory.listen = *endpoint;
    inventory.insecure = true;
    return inventory;
  }
  if (!scenario.hil.inventory.empty()) return inventory_file(scenario.hil.inventory);
  throw base::UserError(
      "the scenario has real nodes (backend = \"hil\"), and nobody says where they are: give "
      "--testbed INVENTORY, or hil.inventory in the scenario (convoy testbed init makes one)");
}

}  // namespace

void add_real_arguments(CLI::App& verb, RealArguments& arguments) {
  auto* testbed = verb.add_option("--testbed", arguments.testbed,
                                  "Inventory of a testbed: every node that is there is real");
  verb.add_option("--listen", arguments.listen, "HOST:PORT for agents of backend = \"hil\" nodes")
      ->excludes(testbed);
  verb.add_flag("--insecure", arguments.insecure, "Without TLS; with --listen on loopback only");
  verb.add_option("--replay", arguments.replay,
                  "Folder of a run with real nodes: simulate it again without them")
      ->excludes(testbed);
}

class RealRun::Impl {
 public:
  std::unique_ptr<hil::Bridge> bridge;
  std::unique_ptr<sim::RecordedNodes> recorded;
};

RealRun::RealRun(const RealArguments& arguments, sim::Scenario& scenario, sim::RunOptions& options,
                 const std::atomic<bool>& interrupted, bool quiet)
    : impl_(std::make_unique<Impl>()) {
  if (!arguments.replay.empty()) {
    sim::Recording recording = sim::read_recording(arguments.replay);
    if (!sim::is_same_course(recording.run, scenario.hash, scenario.course)) {
      throw base::UserError(fmt::format(
          "{}: is a run of another scenario ({}, or the same with other settings); replay it with "
          "the same file and --set",
          arguments.replay, recording.run.name));
    }
    std::error_code ignored;
    if (std::filesystem::equivalent(arguments.replay, options.folder, ignored)) {
      throw base::UserError(fmt::format(
          "{}: a replay cannot take the place of what it replays; choose another folder with -o",
          arguments.replay));
    }
    sim::adopt(recording, scenario);
    scenario.world.clock = {};  // nobody has to be waited for
    if (!has_real(scenario)) {
      throw base::UserError(
          fmt::format("{}: had no real nodes; run the scenario as it is", arguments.replay));
    }
    if (recording.status != sim::RunStatus::done) options.replay_until_s = recording.end_s;
    std::optional<sim::UpdateFolder> updates;
    if (scenario.hil.keep_updates) updates.emplace(arguments.replay);
    impl_->recorded =
        std::make_unique<sim::RecordedNodes>(std::move(recording), std::move(updates), nullptr);
    options.real = impl_->recorded.get();
    return;
  }
  std::optional<sim::Recording> before;
  const bool resumes = options.mode == sim::StoreMode::resume && !options.folder.empty();
  if (resumes) {
    sim::settle_resumption(options.folder, scenario.hash, scenario.course);
    if (std::filesystem::exists(sim::store_path(options.folder))) {
      before = sim::read_recording(options.folder);
      const bool any = std::any_of(before->nodes.begin(), before->nodes.end(),
                                   [](const sim::NodeRow& node) { return node.backend == "hil"; });
      if (!any) {  // it had no real nodes in the end, and has none now
        sim::adopt(*before, scenario);
        return;
      }
    }
  }
  if (before && before->status == sim::RunStatus::done &&
      before->run.scenario_hash != scenario.hash) {
    throw base::UserError(
        fmt::format("{}: is done, and its real nodes have forgotten it: with another [stop] it "
                    "cannot be gone on "
                    "with; run it anew with --overwrite, or choose another folder with -o",
                    options.folder.string()));
  }
  if (!has_real(scenario) && arguments.testbed.empty() && !before) return;
  // Before agents are bothered, and the sessions of a run that is there.
  if (options.mode == sim::StoreMode::create) sim::refuse_existing(options.folder);
  sim::require_runnable(scenario);
  hil::BridgeOptions bridge;
  bridge.inventory = inventory_of(arguments, scenario);
  bridge.folder = options.folder;
  bridge.resume = before.has_value();
  bridge.all_present = !arguments.testbed.empty();
  if (before) {
    for (const sim::NodeRow& node : before->nodes) {
      if (node.backend == "hil") bridge.real_before.push_back(static_cast<sim::NodeId>(node.id));
    }
  }
  if (before) sim::adopt(*before, scenario);
  impl_->bridge = hil::make_bridge(scenario, std::move(bridge));
  impl_->bridge->gather(interrupted, [&](const std::string& what) {
    if (!quiet) fmt::print(stderr, "convoy: {}\n", what);
  });
  options.real = impl_->bridge.get();
  if (before) {
    std::optional<sim::UpdateFolder> updates(options.folder);
    impl_->recorded = std::make_unique<sim::RecordedNodes>(*std::move(before), std::move(updates),
                                                           impl_->bridge.get());
    options.real = impl_->recorded.get();
    return;
  }
  impl_->bridge->adopt(scenario);
  if (!has_real(scenario)) options.real = nullptr;
}

RealRun::~RealRun() = default;

void RealRun::over(sim::RunStatus status) {
  if (!impl_->bridge) return;
  impl_->bridge->farewell("the run is " + sim::name_of(status), status != sim::RunStatus::stopped);
}

}  // namespace convoy::cli
