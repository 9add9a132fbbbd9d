#include "sim/scenario/scenario.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "base/text.hpp"
#include "sim/scenario/fleet.hpp"
#include "sim/scenario/sweep.hpp"
#include "sim/schedule/memory_class.hpp"

namespace convoy::sim {
namespace {

using base::above;
using base::at_least;
using base::Diagnostics;
using base::TableReader;
using base::Value;

DataOptions read_data(TableReader reader, const std::filesystem::path& folder) {
  DataOptions data;
  data.source = reader.text("source", data.source);
  data.samples = reader.integer("samples", at_least(1).up_to(1e8), data.samples);
  data.local_test_share =
      reader.number("local_test_share", at_least(0).below(1), data.local_test_share);
  data.partition = engine::read_partition(reader.table("partition"));
  reader.finish();
  if (data.source == "glyphs") return data;
  const auto colon = data.source.find(':');
  const std::string kind = data.source.substr(0, colon);
  const std::vector<std::string> kinds = {"glyphs", "idx", "cifar10", "csv"};
  if (std::find(kinds.begin() + 1, kinds.end(), kind) == kinds.end() ||
      colon == std::string::npos) {
    reader.error("source", fmt::format("expected \"glyphs\", \"idx:DIR\", \"cifar10:DIR\" or "
                                       "\"csv:FILE\", got \"{}\"{}",
                                       data.source, base::did_you_mean(kind, kinds)));
    return data;
  }
  const std::filesystem::path path = folder / data.source.substr(colon + 1);
  std::error_code ignored;
  const bool there = kind == "csv" ? std::filesystem::is_regular_file(path, ignored)
                                   : std::filesystem::is_directory(path, ignored);
  if (!there) {
    reader.error("source", fmt::format("there is no {} {}", kind == "csv" ? "file" : "folder",
                                       path.string()));
  }
  return data;
}

TrainingOptions read_optimizer(TableReader reader, TrainingOptions training) {
  static const std::vector<std::string> kinds = {"sgd", "adamw", "adan"};
  training.optimizer = kinds[reader.choice("kind", kinds, 0)];
  const double rate = training.optimizer == "sgd" ? 0.05 : 1e-3;
  training.learning_rate = reader.number("learning_rate", above(0).up_to(1e3), rate);
  training.weight_decay = reader.number("weight_decay", at_least(0).up_to(1e3), 0.0);
  if (training.optimizer == "sgd") {
    training.momentum = reader.number("momentum", at_least(0).below(1), 0.0);
  }
  reader.finish();
  return training;
}

engine::Optimizer optimizer_of(const TrainingOptions& training) {
  if (training.optimizer == "adamw") return engine::Optimizer::adamw;
  if (training.optimizer == "adan") return engine::Optimizer::adan;
  return training.momentum > 0 ? engine::Optimizer::sgd_momentum : engine::Optimizer::sgd;
}

FixedCost read_fixed_cost(TableReader reader) {
  FixedCost cost;
  cost.compute_s = reader.number("compute_s", at_least(0).up_to(1e9));
  cost.download_bytes = reader.number("download_bytes", at_least(0).up_to(1e15));
  cost.upload_bytes = reader.number("upload_bytes", at_least(0).up_to(1e15));
  cost.aggregate_s = reader.number("aggregate_s", at_least(0).up_to(1e9), 0.0);
  cost.memory_bytes = reader.number("memory_bytes", at_least(0).up_to(1e15), 0.0);
  reader.finish();
  return cost;
}

StopOptions read_stop(TableReader reader, bool learn) {
  StopOptions stop;
  stop.rounds = reader.maybe_integer("rounds", at_least(1).up_to(1e9));
  stop.tasks = reader.maybe_integer("tasks", at_least(1).up_to(1e12));
  stop.accuracy = reader.maybe_number("accuracy", above(0).up_to(1));
  stop.virtual_time_s = reader.maybe_number("virtual_time_s", above(0).up_to(1e10));
  const bool given = reader.has("rounds") || reader.has("tasks") || reader.has("accuracy") ||
                     reader.has("virtual_time_s");
  reader.finish();
  if (stop.accuracy && !learn) {
    reader.error("accuracy",
                 "there is none without learning; set training.learn = true or stop "
                 "at rounds, tasks or virtual_time_s");
  } else if (!given) {
    reader.error("", "say when the run ends: rounds, tasks, virtual_time_s or accuracy");
  }
  return stop;
}

OutputOptions read_output(TableReader reader) {
  static const std::vector<std::string> levels = {"activity", "task"};
  OutputOptions output;
  output.record = static_cast<RecordLevel>(reader.choice("record", levels, 0));
  output.progress_s = reader.number("progress_s", above(0).up_to(1e6), output.progress_s);
  reader.finish();
  return output;
}

NetworkModel read_network(TableReader reader) {
  static const std::vector<std::string> models = {"cm02", "lv08"};
  const auto model = static_cast<NetworkModel>(reader.choice("model", models, 0));
  reader.finish();
  return model;
}

// How many samples each node trains on: given, or its part of the data less its local test part.
void divide_data(const Scenario& scenario, const Fleet& fleet, Setting& setting) {
  const std::size_t workers = fleet.nodes.size() - 1;
  const bool given = std::all_of(fleet.samples.begin() + 1, fleet.samples.end(),
                                 [](const auto& s) { return s.has_value(); });
  std::vector<std::vector<std::int64_t>> parts(workers);
  if (!given) {
    // Without the data itself its classes are taken to be equally frequent.
    std::vector<int> labels(static_cast<std::size_t>(scenario.data.samples));
    for (std::size_t i = 0; i < labels.size(); ++i) {
      labels[i] = static_cast<int>(i % static_cast<std::size_t>(scenario.model.classes));
    }
    parts = engine::partition(labels, scenario.model.classes, static_cast<int>(workers),
                              scenario.data.partition, scenario.seed);
  }
  for (std::size_t i = 1; i < fleet.nodes.size(); ++i) {
    const auto part = static_cast<double>(parts[i - 1].size());
    const double kept = part * (1 - scenario.data.local_test_share);
    setting.nodes[i].samples =
        fleet.samples[i].value_or(static_cast<std::int64_t>(std::floor(kept + 1e-9)));
  }
}

class ScenarioReader {
 public:
  ScenarioReader(std::string path, Diagnostics& problems)
      : path_(std::move(path)),
        folder_(std::filesystem::path(path_).parent_path()),
        problems_(problems),
        catalogue_(folder_, problems) {}

  // Resolves the tree: changes of what fleet to use, then that fleet, then all other changes.
  void resolve(Value& root, const std::vector<Change>& changes) {
    const auto apply = [&](bool before) {
      for (const Change& change : changes) {
        const bool whole_fleet = change.path == "fleet" || change.path == "fleet.use";
        if (whole_fleet != before) continue;
        Value* fleet = root.find("fleet");
        if (change.path == "fleet.use" && fleet != nullptr) fleet->erase("nodes");
        base::override_value(root, change.path, change.value, problems_);
      }
    };
    apply(true);
    expand_fleet(root, catalogue_, problems_);
    apply(false);
  }

  // What the files say that the scenario names by path: part of what determines the run.
  [[nodiscard]] std::string user_files() const { return catalogue_.user_files(); }

  Scenario read(const Value& root) {
    TableReader reader(root, "", problems_);
    Scenario scenario;
    scenario.file = path_;
    scenario.name = reader.text("name", std::filesystem::path(path_).stem().string());
    if (scenario.name.empty() || scenario.name.front() == '.' ||
        scenario.name.find('/') != std::string::npos || !base::is_printable(scenario.name)) {
      reader.error("name",
                   "is also the name of a folder: give it printable characters, no \"/\", "
                   "and no \".\" in front");
    }
    scenario.seed = static_cast<std::uint64_t>(reader.integer("seed", at_least(0), 1));
    scenario.world.seed = scenario.seed;
    scenario.world.network = read_network(reader.table("network"));

    auto setting = std::make_shared<Setting>();
    setting->seed = scenario.seed;
    scenario.model = engine::read_model(reader.table("model"));
    scenario.data = read_data(reader.table("data"), folder_);
    const std::map<int, double> batches =
        read_training(reader.table("training"), scenario, *setting);
    scenario.schedule = read_schedule(reader.table("schedule"));
    scenario.stop = read_stop(reader.table("stop"), scenario.training.learn);
    scenario.output = read_output(reader.table("output"));
    scenario.has_sweep = reader.has("sweep");
    if (!reader.has("fleet")) reader.error("fleet", "missing; expected a table [fleet]");
    Fleet fleet = read_fleet(reader.table("fleet"), catalogue_, folder_);
    reader.finish();
    if (problems_.has_errors()) return scenario;

    try {
      setting->architecture =
          std::make_shared<const engine::Architecture>(engine::make_architecture(scenario.model));
    } catch (const base::UserError& e) {
      const Value* model = root.find("model");
      problems_.error(model != nullptr ? model->where : root.where, e.what());
      return scenario;
    }
    const ByMemoryClass<double> by_class{batches};
    for (std::size_t i = 0; i < fleet.nodes.size(); ++i) {
      const auto batch = static_cast<int>(by_class.of(fleet.machines[i]->memory_class_gb));
      setting->nodes.push_back(
          {fleet.nodes[i].name, fleet.machines[i], 0, fleet.batches[i].value_or(batch)});
    }
    const double pieces = static_cast<double>(scenario.data.partition.shards) *
                          static_cast<double>(fleet.nodes.size() - 1);
    if (scenario.data.partition.kind == engine::PartitionKind::shards &&
        pieces > static_cast<double>(scenario.data.samples)) {
      problems_.error(
          root.find("data")->where,
          fmt::format("data.partition.shards: {} pieces of {} samples; use fewer shards "
                      "or more samples",
                      pieces, scenario.data.samples));
      return scenario;
    }
    divide_data(scenario, fleet, *setting);
    scenario.setting = std::move(setting);
    scenario.world.nodes = std::move(fleet.nodes);
    scenario.world.shared_links = std::move(fleet.shared_links);
    scenario.identities = std::move(fleet.identities);
    return scenario;
  }

 private:
  // Gives the batch sizes by memory class.
  std::map<int, double> read_training(TableReader reader, Scenario& scenario, Setting& setting) {
    scenario.training.learn = reader.flag("learn", false);
    scenario.training = read_optimizer(reader.table("optimizer"), scenario.training);
    setting.optimizer = optimizer_of(scenario.training);
    setting.local_epochs =
        static_cast<int>(reader.integer("local_epochs", at_least(1).up_to(1e6), 1));
    if (const auto steps = reader.maybe_integer("local_steps", at_least(1).up_to(1e9))) {
      setting.local_steps = static_cast<int>(*steps);
      if (reader.has("local_epochs")) {
        reader.error("local_steps", "give either local_epochs or local_steps");
      }
    }
    const auto batches = read_by_memory_class(reader, "batch", at_least(1).up_to(1e6), {{0, 32}});
    for (const auto& [gb, batch] : batches.values()) {
      if (batch != std::floor(batch)) reader.error("batch", "expected whole numbers");
    }
    if (reader.has("fixed_cost")) {
      setting.fixed = read_fixed_cost(reader.table("fixed_cost"));
      if (scenario.training.learn) {
        reader.error("fixed_cost",
                     "is for timing only; with learn = true the cost follows from "
                     "the model");
      }
    }
    reader.finish();
    return batches.values();
  }

  std::string path_;
  std::filesystem::path folder_;
  Diagnostics& problems_;
  platforms::Catalogue catalogue_;
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

namespace {

std::optional<Scenario> read_tree(const Value& tree, const std::string& path,
                                  const std::vector<Override>& overrides, Diagnostics& problems) {
  if (problems.has_errors()) return std::nullopt;  // not TOML at all
  std::vector<Change> changes;
  for (const Override& o : overrides) {
    const std::string origin = fmt::format("--set {}={}", o.path, o.value);
    changes.push_back({o.path, base::parse_value(o.value, origin)});
  }
  Value root = tree;
  ScenarioReader reader(path, problems);
  reader.resolve(root, changes);
  Scenario scenario = reader.read(root);
  check_sweep(
      root,
      [&](const std::vector<Change>& point, Diagnostics& found) {
        std::vector<Change> all_changes = changes;
        all_changes.insert(all_changes.end(), point.begin(), point.end());
        Value changed = tree;
        changed.erase("sweep");
        Diagnostics all;
        ScenarioReader again(path, all);
        again.resolve(changed, all_changes);
        again.read(changed);
        // Only what the point brings about; the rest has been reported.
        for (const base::Diagnostic& d : all.all()) {
          const bool known = std::any_of(problems.all().begin(), problems.all().end(),
                                         [&](const auto& p) { return p.message == d.message; });
          if (!known) found.error(d.where, d.message);
        }
      },
      problems);
  if (problems.has_errors()) return std::nullopt;
  root.erase("sweep");
  root.erase("output");
  scenario.resolved = to_toml(root);
  scenario.hash = base::content_hash(scenario.resolved + reader.user_files());
  return scenario;
}

}  // namespace

std::optional<Scenario> read_scenario(const std::string& path,
                                      const std::vector<Override>& overrides,
                                      Diagnostics& problems) {
  return read_tree(base::read_toml_file(path, problems), path, overrides, problems);
}

std::optional<Scenario> read_scenario_text(std::string_view text, const std::string& path,
                                           const std::vector<Override>& overrides,
                                           Diagnostics& problems) {
  return read_tree(base::parse_toml(text, path, problems), path, overrides, problems);
}

void require_runnable(const Scenario& scenario) {
  if (scenario.training.learn) {
    throw base::UserError(
        "training.learn = true: this version simulates timing only; set "
        "training.learn = false (or --set training.learn=false)");
  }
  for (std::size_t i = 0; i < scenario.identities.size(); ++i) {
    const NodeIdentity& node = scenario.identities[i];
    const std::string& name = scenario.world.nodes[i].name;
    if (node.backend == Backend::hil) {
      throw base::UserError(
          fmt::format("node {}: backend = \"hil\": this version runs simulated "
                      "nodes only; use backend = \"sim\"",
                      name));
    }
    if (!node.trace.empty()) {
      throw base::UserError(
          fmt::format("node {}: this version does not replay traces; remove "
                      "trace = \"{}\", or describe the node by load, outages or "
                      "slowdown",
                      name, node.trace));
    }
  }
}

}  // namespace convoy::sim
