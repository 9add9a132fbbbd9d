#include "hil/bridge/real_side.hpp"

#include <fmt/format.h>

#include <utility>

#include "sim/run/participants.hpp"

namespace convoy::hil {
namespace {

// The recording of the run to be resumed; nothing if there is none.
std::optional<sim::Recording> run_before(const sim::Scenario& scenario,
                                         const RealSideOptions& options) {
  if (options.mode != sim::StoreMode::resume || options.folder.empty()) return std::nullopt;
  sim::settle_resumption(options.folder, scenario.hash, scenario.course);
  if (!std::filesystem::exists(sim::store_path(options.folder))) return std::nullopt;
  return sim::read_recording(options.folder);
}

std::vector<sim::NodeId> real_nodes_of(const sim::Recording& recording) {
  std::vector<sim::NodeId> real;
  for (const sim::NodeRow& node : recording.nodes) {
    if (node.is_real()) real.push_back(static_cast<sim::NodeId>(node.id));
  }
  return real;
}

// A replay without the updates of its run trains anew, which cannot be done here with data that a
// device alone has.
void require_known_data(const sim::Scenario& scenario, const std::string& from) {
  for (std::size_t i = 0; i < scenario.parts.size(); ++i) {
    if (scenario.parts[i].unlisted == 0) continue;
    throw base::UserError(
        fmt::format("{}: node {} learned from data of its own, and its updates were not kept "
                    "(hil.keep_updates = false): there is nothing that a replay could learn from",
                    from, scenario.world.nodes[i].name.of(static_cast<sim::NodeId>(i))));
  }
}

}  // namespace

RealSide::RealSide(sim::Scenario scenario, const RealSideOptions& options)
    : scenario_(std::move(scenario)) {
  if (!options.replay.empty()) {
    replay(options);
  } else if (auto before = run_before(scenario_, options)) {
    go_on(*std::move(before), options);
  } else if (sim::any_real(scenario_) || options.all_present) {
    listen(options, {});
    scenario_ = sim::with(std::move(scenario_), bridge_->decide());
  }
}

sim::RealNodes* RealSide::nodes() const {
  if (recorded_) return recorded_.get();
  return sim::any_real(scenario_) ? bridge_.get() : nullptr;
}

void RealSide::replay(const RealSideOptions& options) {
  const std::string from = options.replay.string();
  sim::Recording recording = sim::read_recording(options.replay);
  if (!sim::is_same_course(recording.run, scenario_.hash, scenario_.course)) {
    throw base::UserError(
        fmt::format("{}: was recorded with other settings ({}): a replay takes those of the run; "
                    "leave out --set, "
                    "and name the scenario file in its old place if it names other files",
                    from, recording.run.name));
  }
  std::error_code ignored;
  if (std::filesystem::equivalent(options.replay, options.folder, ignored)) {
    throw base::UserError(fmt::format(
        "{}: a replay cannot take the place of what it replays; choose another folder with -o",
        from));
  }
  const sim::Participants recorded = sim::participants_of(recording, scenario_);
  scenario_ = sim::with(std::move(scenario_), recorded);
  scenario_.world.clock = {};  // no real nodes: no waiting
  if (!sim::any_real(scenario_)) {
    throw base::UserError(fmt::format("{}: had no real nodes; run the scenario as it is", from));
  }
  if (recording.status != sim::RunStatus::done) replay_until_s_ = recording.end_s;
  std::optional<sim::UpdateFolder> updates;
  if (scenario_.hil.keep_updates) {
    updates.emplace(options.replay);
  } else {
    require_known_data(scenario_, from);
  }
  recorded_ =
      std::make_unique<sim::RecordedNodes>(std::move(recording), std::move(updates), nullptr);
}

void RealSide::go_on(sim::Recording before, const RealSideOptions& options) {
  const bool had_any = !real_nodes_of(before).empty();
  if (had_any && before.status == sim::RunStatus::done &&
      before.run.scenario_hash != scenario_.hash) {
    throw base::UserError(
        fmt::format("{}: is done, and its real nodes have forgotten it: with another [stop] it "
                    "cannot be gone on with; run it anew with --overwrite, or choose another "
                    "folder with -o",
                    options.folder.string()));
  }
  const sim::Participants recorded = sim::participants_of(before, scenario_);
  scenario_ = sim::with(std::move(scenario_), recorded);
  if (!had_any) return;  // the resumed run had no real nodes
  listen(options, real_nodes_of(before));
  recorded_ = std::make_unique<sim::RecordedNodes>(
      std::move(before), std::optional<sim::UpdateFolder>(options.folder), bridge_.get());
}

void RealSide::listen(const RealSideOptions& options, std::vector<sim::NodeId> real_before) {
  // Checked before agents connect and before the sessions of an existing run are touched.
  if (options.mode == sim::StoreMode::create) sim::refuse_existing(options.folder);
  sim::require_runnable(scenario_);
  BridgeOptions bridge;
  bridge.inventory = options.inventory();
  bridge.folder = options.folder;
  bridge.resume = !real_before.empty();
  bridge.all_present = options.all_present;
  bridge.real_before = std::move(real_before);
  bridge_ = make_bridge(scenario_, std::move(bridge));
  static const std::atomic<bool> never = false;
  const std::atomic<bool>& interrupted =
      options.interrupted == nullptr ? never : *options.interrupted;
  bridge_->gather(interrupted, options.progress);
}

void RealSide::run_is_over(sim::RunStatus status) {
  if (!bridge_) return;
  bridge_->farewell("the run is " + sim::name_of(status), status != sim::RunStatus::stopped);
}

}  // namespace convoy::hil
