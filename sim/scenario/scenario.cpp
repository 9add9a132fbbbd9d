#include "sim/scenario/scenario.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>

#include "base/text.hpp"
#include "engine/model/submodel.hpp"
#include "sim/scenario/division.hpp"
#include "sim/scenario/fleet.hpp"
#include "sim/scenario/kinds_used.hpp"
#include "sim/scenario/sweep.hpp"
#include "sim/schedule/flat_keys.hpp"
#include "sim/schedule/memory_class.hpp"

namespace convoy::sim {
namespace {

using base::above;
using base::at_least;
using base::Diagnostics;
using base::TableReader;
using base::Value;

FixedCost read_fixed_cost(TableReader reader) {
  FixedCost cost;
  cost.compute_s = reader.number({"compute_s", "s of computing on a node, before its slowdown"},
                                 at_least(0).up_to(1e9));
  cost.download_bytes =
      reader.number({"download_bytes", "bytes that a node receives"}, at_least(0).up_to(1e15));
  cost.upload_bytes =
      reader.number({"upload_bytes", "bytes that it sends"}, at_least(0).up_to(1e15));
  cost.aggregate_s = reader.number({"aggregate_s", "s of an aggregation on the server"},
                                   at_least(0).up_to(1e9), 0.0);
  cost.memory_bytes = reader.number({"memory_bytes", "bytes at its peak on the node"},
                                    at_least(0).up_to(1e15), 0.0);
  reader.finish();
  return cost;
}

StopOptions read_stop(TableReader reader, bool learn) {
  StopOptions stop;
  stop.rounds = reader.maybe_integer({"rounds", "aggregations"}, at_least(1).up_to(1e9));
  stop.tasks = reader.maybe_integer({"tasks", "node updates aggregated"}, at_least(1).up_to(1e12));
  stop.accuracy = reader.maybe_number(
      {"accuracy", "accuracy of the global model; needs training.learn"}, above(0).up_to(1));
  stop.virtual_time_s =
      reader.maybe_number({"virtual_time_s", "s of the simulated clock"}, above(0).up_to(1e10));
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
  output.record = static_cast<RecordLevel>(reader.choice(
      {"record", "a row in the store for each activity, or for each task"}, levels, 0));
  output.checkpoint_s =
      reader.number({"checkpoint_s", "s of wall time between two checkpoints of what was learned"},
                    at_least(0).up_to(1e9), output.checkpoint_s);
  output.progress_s = reader.number({"progress_s", "s of wall time between two lines of progress"},
                                    above(0).up_to(1e6), output.progress_s);
  reader.finish();
  return output;
}

HilOptions read_hil(TableReader reader, const std::filesystem::path& folder, ClockOptions& clock) {
  static const std::vector<std::string> clocks = {"elastic", "paced"};
  static const std::vector<std::string> late = {"warn", "fail"};
  static const std::vector<std::string> missing = {"fail", "absent", "simulate"};
  static const std::vector<std::string> compression = {"none", "zstd"};
  HilOptions hil;
  const std::string inventory =
      reader.text({"inventory", "file of the testbed, as convoy testbed init writes it"}, "");
  if (!inventory.empty()) hil.inventory = (folder / inventory).string();
  clock.mode = static_cast<ClockMode>(reader.choice(
      {"clock", "virtual time waits only for what is real, or keeps pace with the wall"}, clocks,
      0));
  if (clock.mode == ClockMode::paced) {
    clock.pace = reader.number({"pace", "virtual s in a second of wall time"}, above(0).up_to(1e6),
                               clock.pace);
  }
  hil.fail_when_late =
      reader.choice({"late", "what follows when an event is delivered later than max_lag_ms"}, late,
                    0) == 1;
  hil.max_lag_ms = reader.number({"max_lag_ms", "ms that an event may be late"},
                                 at_least(0).up_to(1e9), hil.max_lag_ms);
  hil.missing = static_cast<HilOptions::Missing>(reader.choice(
      {"missing", "a real node that does not come fails the run, may come later, is simulated"},
      missing, 0));
  hil.join_timeout_s = reader.number({"join_timeout_s", "s that the start waits for real nodes"},
                                     at_least(0).up_to(1e6), hil.join_timeout_s);
  hil.rejoin_timeout_s =
      reader.number({"rejoin_timeout_s", "s after which a lost node is lost for good"},
                    at_least(0).up_to(1e6), hil.rejoin_timeout_s);
  hil.heartbeat_s = reader.number({"heartbeat_s", "s between two signs of life"},
                                  at_least(0.01).up_to(1e3), hil.heartbeat_s);
  hil.lost_after_s = reader.number(
      {"lost_after_s", "s without one after which a node is lost; at least two heartbeats"},
      above(0).up_to(1e5), hil.lost_after_s);
  if (hil.lost_after_s < 2 * hil.heartbeat_s) {
    reader.error("lost_after_s", "must be at least two heartbeats (hil.heartbeat_s)");
  }
  hil.keep_updates = reader.flag(
      {"keep_updates", "updates stay beside the store, so that a replay has the same weights"},
      hil.keep_updates);
  hil.compress =
      reader.choice({"compression", "how messages to and from real nodes are compressed"},
                    compression, 0) == 1;
  reader.finish();
  return hil;
}

NetworkModel read_network(TableReader reader) {
  static const std::vector<std::string> models = {"cm02", "lv08"};
  const auto model = static_cast<NetworkModel>(reader.choice(
      {"model", "SimGrid's: exact shares of the bandwidth, or as TCP gets them"}, models, 0));
  reader.finish();
  return model;
}

EvaluationOptions read_evaluation(TableReader reader) {
  EvaluationOptions e;
  e.every = reader.integer({"every", "versions from one evaluation to the next; 0: not by these"},
                           at_least(0).up_to(1e9), e.every);
  e.every_s = reader.maybe_number({"every_s", "s, virtual, from one evaluation to the next"},
                                  above(0).up_to(1e10));
  e.rate = reader.number({"rate", "size of the submodel that is judged; 1: the full model"},
                         above(0).up_to(1), e.rate);
  e.local = reader.flag(
      {"local", "each node also tests the model, before a task, on its own test part"}, e.local);
  e.batch = static_cast<int>(reader.integer({"batch", "samples that are judged at a time"},
                                            at_least(1).up_to(1e6), e.batch));
  e.target = reader.maybe_number({"target", "accuracy whose time is reported", "stop.accuracy"},
                                 above(0).up_to(1));
  reader.finish();
  return e;
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
    move_flat_keys(root, problems_);  // of a whole table that a change has given
  }

  // Keys of schedules of these kinds are in use.
  void use_kinds(std::vector<std::string> kinds) { kinds_ = std::move(kinds); }

  // What the files say that the scenario names by path: part of what determines the run.
  [[nodiscard]] std::string user_files() const { return catalogue_.user_files(); }

  [[nodiscard]] const std::string& traces() const { return traces_; }

  // A point of a sweep, or what its points start from: that its data cannot be divided stands in
  // Scenario::impossible, and is no problem of the file.
  void one_of_many() { one_of_many_ = true; }
  Scenario read(const Value& root) { return read(TableReader(root, "", problems_), root); }
  void describe(base::KeyCatalogue& keys) { read(TableReader(keys, problems_), {}); }

 private:
  Scenario read(TableReader reader, const Value& root) {
    Scenario scenario;
    scenario.file = path_;
    scenario.name = reader.text({"name", "name of the run and of its folder", "the file's"},
                                std::filesystem::path(path_).stem().string());
    constexpr std::size_t longest = 255;  // of a folder
    if (scenario.name.empty() || scenario.name.front() == '.' || scenario.name.size() > longest ||
        scenario.name.find('/') != std::string::npos || !base::is_printable(scenario.name)) {
      reader.error("name",
                   "is also the name of a folder: give it printable characters, at most 255 bytes, "
                   "no \"/\", and no \".\" in front");
    }
    scenario.seed = static_cast<std::uint64_t>(reader.integer(
        {"seed", "start of all random numbers; the same seed gives the same run"}, at_least(0), 1));
    scenario.world.seed = scenario.seed;
    if (!reader.has("fleet")) reader.error("fleet", "missing; expected a table [fleet]");
    Fleet fleet = read_fleet(reader.table({"fleet", "the nodes; give nodes, or mix, or use"}),
                             catalogue_, folder_);

    auto setting = std::make_shared<Setting>();
    setting->seed = scenario.seed;
    TableReader model = reader.table({"model", "what is trained"});
    scenario.initial_weights = read_initial_weights(model);
    scenario.model = engine::read_model(model);
    scenario.data = engine::read_data(reader.table({"data", "what it is trained on"}), folder_);
    const std::map<int, double> batches = read_training(
        reader.table({"training", "how a node trains in a task"}), fleet, scenario, *setting);
    scenario.schedule =
        read_schedule(reader.table({"schedule", "who trains what, and when to aggregate"}), kinds_);
    scenario.evaluation = read_evaluation(reader.table(
        {"evaluation", "when the global model is judged, if it learns; takes no virtual time"}));
    setting->test_locally = scenario.evaluation.local;
    scenario.stop = read_stop(reader.table({"stop", "the run ends at the first of these"}),
                              scenario.training.learn);
    scenario.world.network = read_network(reader.table({"network", "how links are simulated"}));
    scenario.output = read_output(reader.table({"output", "changes nothing of the run itself"}));
    scenario.hil = read_hil(reader.table({"hil", "real nodes"}), folder_, scenario.world.clock);
    scenario.has_sweep = reader.has("sweep");
    if (reader.describes()) {
      describe_axes(reader.table({"sweep", "many runs from this file; axes multiply"}));
    }
    traces_ = fleet.traces;
    reader.finish();
    if (problems_.has_errors() || reader.describes()) return scenario;

    if (!make_model(root, scenario, *setting)) return scenario;
    if (scenario.training.learn && !judgeable(root, scenario, *setting)) return scenario;
    const ByMemoryClass<double> by_class{batches};
    for (std::size_t i = 0; i < fleet.nodes.size(); ++i) {
      const auto batch = static_cast<int>(by_class.of(fleet.machines[i]->memory_class_gb));
      setting->nodes.push_back(
          {fleet.nodes[i].name, fleet.machines[i], 0, fleet.batches[i].value_or(batch)});
    }
    const Value* data = root.find("data");
    const base::Location data_place = data != nullptr ? data->where : root.where;
    try {
      std::vector<std::string> remarks;
      divide_data(scenario, fleet, *setting, remarks);
      for (std::string& remark : remarks) problems_.warning(data_place, std::move(remark));
    } catch (const base::UserError& e) {
      // Of a sweep one point may be impossible, and the others not.
      if (one_of_many_) {
        scenario.impossible = e.what();
      } else {
        problems_.error(data_place, e.what());
      }
      return scenario;
    }
    scenario.setting = std::move(setting);
    scenario.world.nodes = std::move(fleet.nodes);
    scenario.world.shared_links = std::move(fleet.shared_links);
    scenario.identities = std::move(fleet.identities);
    return scenario;
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

  // Opens the data, where there are any, lets the model follow them where the scenario does not say
  // otherwise, and makes it. Reports what is wrong at [data] or [model].
  bool make_model(const Value& root, Scenario& scenario, Setting& setting) {
    const Value* model = root.find("model");
    const Value* data = root.find("data");
    const auto given = [](const Value* table, const char* key) {
      return table != nullptr && table->find(key) != nullptr;
    };
    const Value* to_blame = data;
    try {
      if (scenario.training.learn || scenario.data.source_given) {
        const bool glyphs = scenario.data.source == "glyphs";
        if (glyphs && given(model, "classes") && !given(data, "classes")) {
          scenario.data.classes = std::min(scenario.model.classes, engine::glyph_kinds);
        }
        scenario.source = engine::open_source(scenario.data, folder_);
        for (std::string& remark : scenario.source->remarks()) {
          problems_.warning(data != nullptr ? data->where : root.where, std::move(remark));
        }
        const engine::DataShape& shape = scenario.source->shape();
        engine::ModelOptions& m = scenario.model;
        if (!given(model, "classes")) m.classes = shape.classes;
        if (!shape.text && !m.channels) m.channels = shape.channels;
        if (!shape.text && !m.image_size && takes(m, shape.height)) m.image_size = shape.height;
        if (shape.text && !m.sequence) m.sequence = shape.sequence;
        if (shape.text && !m.vocabulary) m.vocabulary = shape.vocabulary;
        to_blame = model;
        check_fit(shape, m);
      }
      to_blame = model;
      setting.architecture =
          std::make_shared<const engine::Architecture>(engine::make_architecture(scenario.model));
      if (scenario.training.learn && setting.architecture->per_pixel) {
        throw base::UserError(fmt::format(
            "model.architecture: {} gives a class for every pixel, and no data here has such "
            "labels: it is for timing only; choose another, or set training.learn = false",
            scenario.model.architecture));
      }
      return true;
    } catch (const base::UserError& e) {
      problems_.error(to_blame != nullptr ? to_blame->where : root.where, e.what());
      return false;
    }
  }

  // Images that the architecture cannot take as they are are resized to its own size.
  static bool takes(engine::ModelOptions model, int image_size) {
    model.image_size = image_size;
    try {
      engine::make_architecture(model);
      return true;
    } catch (const base::UserError&) {
      return false;
    }
  }

  // The submodel that is judged must have an exit.
  bool judgeable(const Value& root, const Scenario& scenario, const Setting& setting) {
    const engine::Architecture& a = *setting.architecture;
    const int depth = engine::depth_at(a, scenario.evaluation.rate);
    if (a.exit_at(depth)) return true;
    problems_.error(root.find("evaluation")->where,
                    fmt::format("evaluation.rate: {} keeps {} of {} blocks, and no exit is among "
                                "them; raise it, or add to model.exits",
                                scenario.evaluation.rate, depth, a.depth()));
    return false;
  }

  static void check_fit(const engine::DataShape& shape, const engine::ModelOptions& m) {
    const bool reads_text = m.architecture.starts_with("bert");
    if (shape.text != reads_text) {
      throw base::UserError(fmt::format(
          "model.architecture: {} reads {}, and the data are {}; choose another of either",
          m.architecture, reads_text ? "texts" : "images", shape.text ? "texts" : "images"));
    }
    if (m.classes != shape.classes) {
      throw base::UserError(fmt::format(
          "model.classes: {}, but the data have {} classes; leave it out, or choose other data",
          m.classes, shape.classes));
    }
    if (!shape.text && shape.channels != 1 && *m.channels != shape.channels) {
      throw base::UserError(fmt::format("model.channels: {}, but the images have {}; leave it out",
                                        *m.channels, shape.channels));
    }
    if (shape.text && *m.sequence < shape.sequence) {
      throw base::UserError(
          fmt::format("model.sequence: {}, but data.sequence is {}; leave one of them out",
                      *m.sequence, shape.sequence));
    }
    if (shape.text && *m.vocabulary < shape.vocabulary) {
      throw base::UserError(
          fmt::format("model.vocabulary: {}, but the data's has {} entries; leave it out, or set "
                      "data.vocabulary.size",
                      *m.vocabulary, shape.vocabulary));
    }
  }

  static engine::Precision read_precision(TableReader& reader, const Fleet& fleet) {
    using engine::Precision;
    static const std::vector<std::string> words = {"fp32", "fp32-strict", "fp16-mixed"};
    static const std::vector<Precision> precisions = {Precision::fp32, Precision::fp32_strict,
                                                      Precision::fp16_mixed};
    const Precision precision =
        precisions.at(reader.choice({"precision",
                                     "of times and memory: fp32 as PyTorch computes it (with TF32 "
                                     "where a GPU has that), without "
                                     "TF32, or autocast; what is learned is learned in FP32"},
                                    words, 0));
    if (precision != Precision::fp16_mixed) return precision;
    std::set<std::string> without;
    for (const auto& [device, mode] : fleet.profiles) {
      if (!platforms::computes(*mode, precision)) without.insert(device->name);
    }
    if (!without.empty()) {
      reader.error(
          "precision",
          fmt::format(
              "fp16-mixed: no half precision in the profile of {}",
              base::list_of(std::vector<std::string>(without.begin(), without.end()), "and")));
    }
    return precision;
  }

  // Gives the batch sizes by memory class.
  std::map<int, double> read_training(TableReader reader, const Fleet& fleet, Scenario& scenario,
                                      Setting& setting) {
    scenario.training.learn = reader.flag({"learn", "really train; false: timing only"}, false);
    scenario.training.local = engine::read_training(reader);
    setting.optimizer = scenario.training.local.optimizer.cost();
    setting.keeps_received = scenario.training.local.proximal > 0;
    setting.precision = read_precision(reader, fleet);
    if (scenario.training.learn && setting.precision == engine::Precision::fp16_mixed) {
      problems_.warning(reader.where(),
                        "training.precision: times and memory are those of fp16-mixed; what is "
                        "learned here is learned in FP32");
    }
    for (const auto& [device, mode] : fleet.profiles) {
      const auto figures = device->assumed(*mode, setting.precision);
      scenario.assumed[device->name].insert(figures.begin(), figures.end());
    }
    setting.local_epochs = static_cast<int>(reader.integer(
        {"local_epochs", "passes over the node's data in a task"}, at_least(1).up_to(1e6), 1));
    if (const auto steps = reader.maybe_integer(
            {"local_steps", "steps in a task, instead of epochs"}, at_least(1).up_to(1e9))) {
      setting.local_steps = static_cast<int>(*steps);
      if (reader.has("local_epochs")) {
        reader.error("local_steps", "give either local_epochs or local_steps");
      }
    }
    const auto batches = read_by_memory_class(
        reader, {"batch", "samples a step; or a value by memory class of the device"},
        at_least(1).up_to(1e6), {{0, 32}}, true);
    if (reader.has("fixed_cost")) {
      setting.fixed =
          read_fixed_cost(reader.table({"fixed_cost", "cost of a task as given; for timing only"}));
      if (reader.has("precision")) {
        problems_.warning(reader.where(), "training.precision: not used beside fixed_cost");
      }
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
  bool one_of_many_ = false;
  std::vector<std::string> kinds_;  // of schedules that the file uses
  platforms::Catalogue catalogue_;
  std::string traces_;  // of the fleet: Fleet::traces
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

// Of data and weights that are named by path enough to tell others apart: the labels, the size.
std::string data_signature(const Scenario& scenario) {
  std::string text;
  if (scenario.source && scenario.data.source != "glyphs") {
    for (const int label : scenario.source->labels()) text += std::to_string(label) + " ";
    text += std::to_string(scenario.source->test_size());
  }
  std::error_code ignored;
  if (!scenario.initial_weights.empty()) {
    text += std::to_string(std::filesystem::file_size(scenario.initial_weights, ignored));
  }
  return text;
}

// 2, 2.0 and 2e0 are one number, and scenarios that differ in that are one scenario. But for
// `participants`: there 1 is one node, and 1.0 all of them.
void unify_numbers(Value& value) {
  constexpr double exact = 9007199254740992;  // up to here every integer is a double
  if (const double* number = value.as<double>()) {
    if (std::trunc(*number) == *number && std::abs(*number) <= exact) {
      value.data = static_cast<std::int64_t>(*number);
    }
  } else if (auto* array = value.as<Value::Array>()) {
    for (Value& item : *array) unify_numbers(item);
  } else if (auto* table = value.as<Value::Table>()) {
    for (base::Entry& entry : *table) {
      if (entry.key != "participants") unify_numbers(entry.value);
    }
  }
}

std::vector<Change> changes_of(const std::vector<Override>& overrides) {
  std::vector<Change> changes;
  for (const Override& o : overrides) {
    const std::string origin = fmt::format("--set {}={}", o.path, o.value);
    changes.push_back({o.path, base::parse_value(o.value, origin)});
  }
  return changes;
}

// `axes_found`: what its [sweep] says, where the caller wants it. `point`: it is one of a sweep.
std::optional<Scenario> read_tree(const Value& tree, const std::string& path,
                                  const std::vector<Change>& changes, Diagnostics& problems,
                                  std::vector<SweepAxis>* axes_found = nullptr,
                                  bool point = false) {
  if (problems.has_errors()) return std::nullopt;  // not TOML at all
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
          const Value* data = changed.find("data");
          all.warning(data != nullptr ? data->where : changed.where,
                      with.impossible + "; a point of the sweep with this value would fail");
        }
        // Only what the point brings about; the rest has been reported.
        for (const base::Diagnostic& d : all.all()) {
          const bool known = std::any_of(problems.all().begin(), problems.all().end(),
                                         [&](const auto& p) { return p.message == d.message; });
          if (!known) found.add(d);
        }
      },
      problems);
  if (problems.has_errors()) return std::nullopt;
  root.erase("sweep");
  root.erase("output");
  scenario.resolved = to_toml(root);
  unify_numbers(root);
  const std::string rest = reader.user_files() + reader.traces() + data_signature(scenario);
  scenario.hash = base::content_hash(to_toml(root) + rest);
  // When a run stops, and what its curve is compared with, changes nothing of what comes before.
  root.erase("stop");
  if (Value* evaluation = root.find("evaluation")) evaluation->erase("target");
  scenario.course = base::content_hash(to_toml(root) + rest);
  return scenario;
}

}  // namespace

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

// --- sweeps -------------------------------------------------------------------------------------

struct Sweep::Data {
  std::string path;
  Value tree;  // without [sweep]
  std::vector<Change> overrides;
  Scenario base;
  std::vector<SweepAxis> axes;

  // The changes of a point; the last axis runs fastest.
  [[nodiscard]] std::vector<Change> changes(std::size_t point) const {
    std::vector<std::size_t> choice(axes.size());
    for (std::size_t i = axes.size(); i-- > 0;) {
      choice[i] = point % axes[i].choices.size();
      point /= axes[i].choices.size();
    }
    std::vector<Change> all;
    for (std::size_t i = 0; i < axes.size(); ++i) {
      const auto& chosen = axes[i].choices[choice[i]];
      all.insert(all.end(), chosen.begin(), chosen.end());
    }
    return all;
  }
};

std::optional<Sweep> Sweep::read(const std::string& path, const std::vector<Override>& overrides,
                                 Diagnostics& problems) {
  auto data = std::make_shared<Data>();
  data->path = path;
  data->tree = base::read_toml_file(path, problems);
  data->overrides = changes_of(overrides);
  auto base = read_tree(data->tree, path, data->overrides, problems, &data->axes);
  if (!base) return std::nullopt;
  data->base = std::move(*base);
  data->tree.erase("sweep");
  Sweep sweep;
  sweep.data_ = std::move(data);
  return sweep;
}

const Scenario& Sweep::base() const { return data_->base; }

std::size_t Sweep::size() const {
  std::size_t all = 1;
  for (const SweepAxis& axis : data_->axes) all *= axis.choices.size();
  return all;
}

std::vector<std::string> Sweep::keys() const {
  std::vector<std::string> all;
  for (const SweepAxis& axis : data_->axes) {
    all.insert(all.end(), axis.keys.begin(), axis.keys.end());
  }
  return all;
}

std::vector<std::string> Sweep::settings(std::size_t point) const {
  std::vector<std::string> values(keys().size());
  const std::vector<std::string> names = keys();
  for (const Change& change : data_->changes(point)) {
    const auto at = std::find(names.begin(), names.end(), change.path) - names.begin();
    values[static_cast<std::size_t>(at)] = base::to_text(change.value);
  }
  return values;
}

std::optional<Scenario> Sweep::scenario(std::size_t point, Diagnostics& problems) const {
  std::vector<Change> all = data_->overrides;
  const std::vector<Change> changes = data_->changes(point);
  all.insert(all.end(), changes.begin(), changes.end());
  // What there is to warn of was said of the whole sweep.
  Diagnostics found;
  auto scenario = read_tree(data_->tree, data_->path, all, found, nullptr, true);
  for (const base::Diagnostic& d : found.all()) {
    if (d.severity == base::Severity::error) problems.add(d);
  }
  return scenario;
}

std::vector<base::KeyRow> scenario_keys() {
  Diagnostics ignored;  // there is no file that anything could be wrong with
  ScenarioReader reader("scenario.toml", ignored);
  return base::list_keys([&](base::KeyCatalogue& keys) { reader.describe(keys); });
}

void require_runnable(const Scenario& scenario) {
  if (!scenario.impossible.empty()) throw base::UserError(scenario.impossible);
  const bool real = std::any_of(scenario.world.nodes.begin(), scenario.world.nodes.end(),
                                [](const NodeConfig& node) { return node.real.has_value(); });
  if (!real) return;
  if (!scenario.training.learn) {
    throw base::UserError(
        "a real node trains: set training.learn = true, or backend = \"sim\" for all nodes");
  }
  if (scenario.output.record != RecordLevel::activity) {
    throw base::UserError(
        "a run with real nodes is resumed and replayed from its activities: set output.record = "
        "\"activity\"");
  }
}

}  // namespace convoy::sim
