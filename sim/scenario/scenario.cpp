#include "sim/scenario/scenario.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "base/text.hpp"
#include "engine/api/objective.hpp"
#include "sim/scenario/division.hpp"
#include "sim/scenario/fleet.hpp"
#include "sim/scenario/fleet_expansion.hpp"
#include "sim/scenario/identity.hpp"
#include "sim/scenario/kinds_used.hpp"
#include "sim/scenario/model_and_data.hpp"
#include "sim/scenario/scenario_tree.hpp"
#include "sim/scenario/sections.hpp"
#include "sim/schedule/flat_keys.hpp"
#include "sim/task/split_task.hpp"
#include "sim/world/network_solver.hpp"

namespace convoy::sim {
namespace {

using base::at_least;
using base::Diagnostics;
using base::TableReader;
using base::Value;

class ScenarioReader {
 public:
  ScenarioReader(std::string path, Diagnostics& problems)
      : path_(std::move(path)),
        folder_(std::filesystem::path(path_).parent_path()),
        problems_(problems),
        catalogue_(folder_, problems) {}

  // Applies changes of the fleet's source, expands the fleet, then applies all other changes.
  void resolve(Value& root, const std::vector<Change>& changes) {
    move_flat_keys(root, problems_);
    const auto apply = [&](bool before) {
      for (const Change& change : changes) {
        const bool whole_fleet = change.path == "fleet" || change.path == "fleet.use" ||
                                 change.path.starts_with("fleet.mix");
        if (whole_fleet != before) continue;
        Value* fleet = root.find("fleet");
        if (change.path == "fleet.use" && fleet != nullptr) {
          fleet->erase("nodes");
          fleet->erase("mix");
        }
        const std::string path = moved_key(change.path);
        if (path != change.path) warn_of_flat_key(change.path, change.value.where, problems_);
        base::override_value(root, path, change.value, problems_);
      }
    };
    apply(true);
    expand_fleet(root, catalogue_, problems_);
    apply(false);
    move_flat_keys(root, problems_);  // a change may have set a whole table
  }

  // Sets the kinds of schedules in use.
  void use_kinds(std::vector<std::string> kinds) { kinds_ = std::move(kinds); }

  // Contents of files named by path, which also determine the run.
  [[nodiscard]] std::string user_files() const { return catalogue_.user_files(); }

  [[nodiscard]] const std::string& traces() const { return traces_; }

  // The scenario is a point of a sweep, or its base: data that cannot be divided is noted in
  // Scenario::impossible and not reported.
  void one_of_many() { one_of_many_ = true; }
  Scenario read(const Value& root) { return read(TableReader(root, "", problems_), root); }
  void describe(base::KeyCatalogue& keys) { read(TableReader(keys, problems_), {}); }

 private:
  Scenario read(TableReader reader, const Value& root) {
    Scenario scenario;
    scenario.file = path_;
    scenario.name = read_name(reader);
    scenario.seed = static_cast<std::uint64_t>(reader.integer(
        {"seed", "seed of all random numbers; the same seed gives the same run"}, at_least(0), 1));
    scenario.world.seed = scenario.seed;
    if (!reader.has("fleet")) reader.error("fleet", "missing; expected a table [fleet]");
    Fleet fleet = read_fleet(reader.table({"fleet", "the nodes; give nodes, or mix, or use"}),
                             catalogue_, folder_);

    auto setting = std::make_shared<Setting>();
    setting->seed = scenario.seed;
    TableReader model = reader.table({"model", "the model"});
    scenario.initial_weights = read_initial_weights(model);
    scenario.model = engine::read_model(model);
    scenario.data = engine::read_data(reader.table({"data", "the data"}), folder_);
    const std::map<int, double> batches =
        read_training(reader.table({"training", "how a node trains in a task"}), fleet, scenario,
                      *setting, problems_);
    scenario.schedule =
        read_schedule(reader.table({"schedule", "who trains what, and when to aggregate"}), kinds_);
    scenario.evaluation = read_evaluation(reader.table(
        {"evaluation",
         "when the global model of a learning run is evaluated; takes no virtual time"}));
    setting->test_locally = scenario.evaluation.local;
    scenario.stop = read_stop(reader.table({"stop", "the run ends at the first of these"}),
                              scenario.training.learn);
    read_network(reader.table({"network", "how links are simulated"}), scenario.world);
    scenario.output =
        read_output(reader.table({"output", "output options; they do not change the run itself"}));
    scenario.hil = read_hil(reader.table({"hil", "real nodes"}), folder_, scenario.world.clock);
    scenario.has_sweep = reader.has("sweep");
    if (reader.describes()) {
      describe_axes(reader.table({"sweep", "many runs from this file; axes multiply"}));
    }
    traces_ = fleet.traces;
    reader.finish();
    if (problems_.has_errors() || reader.describes()) return scenario;

    complete(root, std::move(fleet), ByMemoryClass<double>(batches), std::move(setting), scenario);
    return scenario;
  }

  std::string read_name(TableReader& reader) {
    std::string name = reader.text({"name", "name of the run and of its folder", "the file's"},
                                   std::filesystem::path(path_).stem().string());
    constexpr std::size_t longest = 255;  // file system's limit for folder names
    if (name.empty() || name.front() == '.' || name.size() > longest ||
        name.find('/') != std::string::npos || !base::is_printable(name)) {
      reader.error("name",
                   "is also the name of a folder: give it printable characters, at most 255 bytes, "
                   "no \"/\", and no \".\" in front");
    }
    return name;
  }

  std::string read_initial_weights(TableReader& model) {
    const std::string file =
        model.text({"weights", "safetensors file to start from", "weights drawn by the seed"}, "");
    if (!model.has("weights")) return "";
    std::string path = (folder_ / file).string();
    std::error_code ignored;
    if (!std::filesystem::is_regular_file(path, ignored)) {
      model.error("weights", fmt::format("there is no file {}", path));
    }
    return path;
  }

  // Makes of what the tables say what a run needs: the model, the nodes' batches, their data.
  void complete(const Value& root, Fleet fleet, const ByMemoryClass<double>& batches,
                std::shared_ptr<Setting> setting, Scenario& scenario) {
    if (!make_model(root, folder_, scenario, *setting, problems_)) return;
    if (scenario.training.learn && !has_exit_to_evaluate(root, scenario, *setting, problems_)) {
      return;
    }
    if (!can_evaluate_objective(root, scenario, *setting)) return;
    add_nodes(fleet, batches, *setting);
    const base::Location& data_place = root.place_of("data");
    try {
      std::vector<std::string> remarks;
      divide_data(scenario, fleet, *setting, remarks);
      for (std::string& remark : remarks) problems_.warning(data_place, std::move(remark));
    } catch (const base::UserError& e) {
      // One point of a sweep may be impossible while others are possible.
      if (one_of_many_) {
        scenario.impossible = e.what();
      } else {
        problems_.error(data_place, e.what());
      }
      return;
    }
    scenario.setting = std::move(setting);
    scenario.world.nodes = std::move(fleet.nodes);
    scenario.world.shared_links = std::move(fleet.shared_links);
    scenario.identities = std::move(fleet.identities);
    check_solver(root, scenario.world);
  }

  // In the fleet's groups.
  static void add_nodes(const Fleet& fleet, const ByMemoryClass<double>& batches,
                        Setting& setting) {
    for (std::size_t g = 0; g < fleet.nodes.group_count(); ++g) {
      const auto group = fleet.nodes.group(g);
      const auto& machine = fleet.machines[group.first];
      const auto batch = static_cast<int>(batches.of(machine->memory_class_gb));
      setting.nodes.append({group.value->name, machine, 0,
                            fleet.batches[group.first].value_or(batch), group.value->link},
                           group.size());
    }
  }

  void check_solver(const Value& root, const WorldConfig& world) {
    if (world.solver != NetworkSolver::star) return;
    const std::string why = why_no_star(world);
    if (why.empty()) return;
    problems_.error(root.find("network")->find("solver")->where,
                    "network.solver: the star's solver is not for this network: " + why +
                        "; give \"auto\" or \"simgrid\"");
  }

  // Checks evaluation.gradient_norm against the model and the schedule.
  bool can_evaluate_objective(const Value& root, const Scenario& scenario, const Setting& setting) {
    if (!scenario.evaluation.gradient_norm) return true;
    const base::Location& where = root.find("evaluation")->find("gradient_norm")->where;
    if (!scenario.training.learn) {
      problems_.warning(where,
                        "evaluation.gradient_norm has no effect in a run that does not learn "
                        "(training.learn = false)");
      return true;
    }
    const std::string why = engine::why_no_objective(setting.learned(), scenario.schedule.learning);
    if (!why.empty()) problems_.error(where, "evaluation.gradient_norm: " + why);
    return why.empty();
  }

  std::string path_;
  std::filesystem::path folder_;
  Diagnostics& problems_;
  bool one_of_many_ = false;
  std::vector<std::string> kinds_;  // used in the file
  platforms::Catalogue catalogue_;
  std::string traces_;  // Fleet::traces
};

}  // namespace

Override parse_override(const std::string& text) {
  const auto equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    throw base::UserError(
        fmt::format("--set {}: expected key=value, such as "
                    "--set training.batch=16",
                    text));
  }
  return {text.substr(0, equals), text.substr(equals + 1)};
}

std::vector<Change> changes_of(const std::vector<Override>& overrides) {
  std::vector<Change> changes;
  for (const Override& o : overrides) {
    const std::string origin = fmt::format("--set {}={}", o.path, o.value);
    changes.push_back({o.path, base::parse_value(o.value, origin)});
  }
  return changes;
}

std::optional<Scenario> read_tree(const Value& tree, const std::string& path,
                                  const std::vector<Change>& changes, Diagnostics& problems,
                                  std::vector<SweepAxis>* axes_found, bool point) {
  if (problems.has_errors()) return std::nullopt;  // invalid TOML
  Value root = tree;
  ScenarioReader reader(path, problems);
  reader.resolve(root, changes);
  const std::vector<std::string> kinds = kinds_used(tree, root);
  reader.use_kinds(kinds);
  if (point || (axes_found != nullptr && root.find("sweep") != nullptr)) reader.one_of_many();
  Scenario scenario = reader.read(root);
  const std::vector<SweepAxis> axes = read_axes(root, scenario.seed, problems);
  if (axes_found != nullptr) *axes_found = axes;
  check_axes(
      axes,
      [&](const std::vector<Change>& of_point, Diagnostics& found) {
        std::vector<Change> all_changes = changes;
        all_changes.insert(all_changes.end(), of_point.begin(), of_point.end());
        Value changed = tree;
        changed.erase("sweep");
        Diagnostics all;
        ScenarioReader again(path, all);
        again.resolve(changed, all_changes);
        again.use_kinds(kinds);
        again.one_of_many();
        const Scenario with = again.read(changed);
        if (!with.impossible.empty()) {
          all.warning(changed.place_of("data"),
                      with.impossible + "; a point of the sweep with this value would fail");
        }
        // Reports only errors caused by this point; all others have been reported.
        for (const base::Diagnostic& d : all.all()) {
          const bool known = std::any_of(problems.all().begin(), problems.all().end(),
                                         [&](const auto& p) { return p.message == d.message; });
          if (!known) found.add(d);
        }
      },
      problems);
  if (problems.has_errors()) return std::nullopt;
  identify(scenario, std::move(root), reader.user_files() + reader.traces());
  return scenario;
}

std::optional<Scenario> read_scenario(const std::string& path,
                                      const std::vector<Override>& overrides,
                                      Diagnostics& problems) {
  return read_tree(base::read_toml_file(path, problems), path, changes_of(overrides), problems);
}

std::optional<Scenario> read_scenario_text(std::string_view text, const std::string& path,
                                           const std::vector<Override>& overrides,
                                           Diagnostics& problems) {
  return read_tree(base::parse_toml(text, path, problems), path, changes_of(overrides), problems);
}

std::vector<base::KeyRow> scenario_keys() {
  Diagnostics ignored;  // without a file there are no errors
  ScenarioReader reader("scenario.toml", ignored);
  return base::list_keys([&](base::KeyCatalogue& keys) { reader.describe(keys); });
}

bool any_real(const Scenario& scenario) {
  return std::any_of(scenario.world.nodes.begin(), scenario.world.nodes.end(),
                     [](const NodeConfig& node) { return node.real.has_value(); });
}

// Own layers stay in the state of a node, of which the coordinator gets nothing from real nodes.
static void refuse_own_layers(const Scenario& scenario) {
  if (!scenario.schedule.learning.own_layers) return;
  throw base::UserError(
      "schedule.splitfed.version: in v3 each device keeps layers of its own from round to round, "
      "which are part of every evaluation and of the run's result, and real nodes do not hand them "
      "over: take \"v1\", or set backend = \"sim\" for all nodes");
}

// Tasks of real nodes that split the model in a way that only simulated nodes can.
static void refuse_split_tasks(const Scenario& scenario) {
  const auto schedule = scenario.schedule.make(scenario.setting);
  for (const PlannedTask& task : schedule->plan()) {
    if (task.node == server_node || !scenario.world.nodes[task.node].real) continue;
    const auto role = std::ranges::find(task.members, task.node) - task.members.begin();
    if (!task.graph->is_split(static_cast<int>(role))) continue;
    const auto split = SplitTask::of(task.graph);
    const std::string why = split ? split->why_only_simulated() : "it is of more than two nodes";
    if (why.empty()) continue;
    throw base::UserError(fmt::format(
        "node {}: {} splits the model between nodes in a way that only simulated ones can ({}): "
        "set backend = \"sim\" for it, or choose another schedule or version",
        scenario.world.nodes[task.node].name.of(task.node), scenario.schedule.kind, why));
  }
}

// A part that all tasks step is there once, and one batch steps it at a time.
static void refuse_steps_at_once(const Scenario& scenario) {
  if (scenario.world.nodes.front().concurrent_computes == 1) return;
  const auto schedule = scenario.schedule.make(scenario.setting);
  for (const PlannedTask& task : schedule->plan()) {
    if (task.node == server_node) continue;
    const auto split = SplitTask::of(task.graph);
    if (!split || !split->shares_servers_part()) continue;
    throw base::UserError(fmt::format(
        "fleet.server.concurrent_computes: the server's part of the model is one that the batches "
        "of all tasks step, one after another; with {} set it to 1, or choose another version",
        scenario.schedule.kind));
  }
}

void require_runnable(const Scenario& scenario) {
  if (!scenario.impossible.empty()) throw base::UserError(scenario.impossible);
  refuse_steps_at_once(scenario);
  if (!any_real(scenario)) return;
  if (!scenario.training.learn) {
    throw base::UserError(
        "a real node trains: set training.learn = true, or backend = \"sim\" for all nodes");
  }
  if (scenario.setting->learned_as) {
    throw base::UserError(
        "training.learn_as: a real node trains what its time is measured for; leave it out, or set "
        "backend = \"sim\" for all nodes");
  }
  for (std::size_t i = 0; i < scenario.world.nodes.size(); ++i) {
    const NodeConfig& node = scenario.world.nodes[i];
    if (!node.real || node.concurrent_computes == 1) continue;
    throw base::UserError(
        fmt::format("node {}: concurrent_computes = {}, but a real node computes one task at a "
                    "time: leave it out, or set backend = \"sim\" for it",
                    node.name.of(static_cast<NodeId>(i)), node.concurrent_computes));
  }
  if (scenario.output.record != RecordLevel::activity) {
    throw base::UserError(
        "a run with real nodes can only be resumed and replayed from its activities: set "
        "output.record = \"activity\"");
  }
  refuse_own_layers(scenario);
  refuse_split_tasks(scenario);
}

}  // namespace convoy::sim
