#include "sim/schedule/pipeline_keys.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/diagnostics.hpp"
#include "base/text.hpp"
#include "sim/schedule/edgesplit_options.hpp"

namespace convoy::sim {
namespace {

using base::TableReader;
using base::Value;

// A list of names or a name.
std::vector<std::string> read_names(TableReader& reader, const base::Key& key) {
  std::vector<std::string> names;
  for (const bool list : reader.either<Value::Array>(key.name)) {
    if (!list) {
      if (const std::string one = reader.text(key, ""); !one.empty()) names.push_back(one);
      continue;
    }
    const Value* raw = reader.raw(key.name);
    reader.describe(key, {base::KeyType::array});
    if (raw == nullptr) continue;
    for (const Value& item : *raw->as<Value::Array>()) {
      if (const auto* text = item.as<std::string>()) {
        names.push_back(*text);
      } else {
        reader.error(key.name, "is a list of names of nodes");
      }
    }
  }
  return names;
}

StageByHand read_stage(TableReader& reader) {
  StageByHand stage;
  static constexpr base::Key to{"to",
                                "the last layer or block of the stage, or a position; \"end\": the "
                                "model's last",
                                "end"};
  for (const bool number : reader.either<std::int64_t>(to.name)) {
    if (number) {
      const auto position = reader.maybe_integer(to, base::at_least(1).up_to(1e6));
      stage.to = std::to_string(position.value_or(1));
    } else {
      stage.to = reader.text(to, "end");
    }
  }
  stage.nodes = read_names(
      reader, {"nodes", "the stage's devices: names of nodes, of groups of nodes or of devices"});
  for (const double n :
       reader.numbers({"samples", "of each micro-batch, by device", "as the devices' speeds are"},
                      base::at_least(1).up_to(1e6), {})) {
    if (n != static_cast<int>(n)) reader.error("samples", "are whole numbers");
    stage.samples.push_back(static_cast<int>(n));
  }
  if (const auto window = reader.maybe_integer({"window", "micro-batches in flight", "by the kind"},
                                               base::at_least(1).up_to(most_microbatches))) {
    stage.window = static_cast<int>(*window);
  }
  reader.finish();
  return stage;
}

}  // namespace

PipelineKeys read_pipeline_keys(TableReader& common) {
  TableReader reader =
      common.table({"pipeline", "pipelines: micro-batches, cuts, a plan made by hand"});
  PipelineKeys keys;
  if (const auto samples =
          reader.maybe_integer({"microbatch", "samples of a micro-batch", "training.batch"},
                               base::at_least(1).up_to(1e5))) {
    keys.microbatch = static_cast<int>(*samples);
  }
  keys.microbatches = static_cast<int>(reader.integer({"microbatches", "micro-batches of a round"},
                                                      base::at_least(1).up_to(most_microbatches),
                                                      keys.microbatches));
  keys.searches = reader.flag(
      {"search",
       "the number and the size of micro-batches are searched, with as many samples a round as "
       "their product"},
      keys.searches);
  keys.rounds = static_cast<int>(
      reader.integer({"rounds", "of a task, which makes a version; what interrupts it undoes all"},
                     base::at_least(1).up_to(1e6), keys.rounds));
  keys.model.places = reader.choice({"cut", "where the model may be cut"},
                                    PipelineModelOptions::place_words, keys.model.places);
  keys.model.recompute = reader.flag(
      {"recompute",
       "a stage keeps only what it received of a micro-batch, and computes the rest again"},
      keys.model.recompute);
  keys.replicates = reader.flag(
      {"replicate",
       "after each round the device of a stage of one sends its weights to a device of the next"},
      keys.replicates);
  for (TableReader& stage : reader.tables({"stages", "a plan made by hand, stage by stage"})) {
    keys.stages.push_back(read_stage(stage));
  }
  TableReader heartbeat = reader.table({"heartbeat", "how a lost device is noticed"});
  if (const auto period = heartbeat.maybe_number(
          {"period_s", "each device tells the server so often that it is there, s",
           "a loss is known at once, and no heartbeats are sent"},
          base::above(0))) {
    keys.heartbeat.period_s = *period;
  }
  keys.heartbeat.missed = static_cast<int>(
      heartbeat.integer({"missed", "heartbeats that have not come when a device counts as lost"},
                        base::at_least(1).up_to(1e6), keys.heartbeat.missed));
  keys.heartbeat.bytes = heartbeat.number({"bytes", "of a heartbeat"}, base::at_least(0).up_to(1e9),
                                          keys.heartbeat.bytes);
  for (const char* key : {"missed", "bytes"}) {
    if (!keys.heartbeat.period_s && heartbeat.has(key)) {
      heartbeat.error(key, "says nothing without period_s: no heartbeats are sent");
    }
  }
  heartbeat.finish();
  TableReader replan = reader.table({"replan", "new plans for changed speeds"});
  keys.replan.change = replan.number(
      {"change", "a speed that differs so much from the plan's, relative to it, makes a new plan"},
      base::above(0).up_to(1e6), keys.replan.change);
  if (const auto period = replan.maybe_number(
          {"period_s", "a plan older than this is made anew, s", "never"}, base::above(0))) {
    keys.replan.period_s = *period;
  }
  keys.replan.horizon_rounds =
      replan.number({"horizon_rounds", "rounds over which the gain of a new plan counts"},
                    base::at_least(0).up_to(1e9), keys.replan.horizon_rounds);
  keys.replan.factor =
      replan.number({"factor", "a new plan must gain more than so many times what its move takes"},
                    base::at_least(1).up_to(1e6), keys.replan.factor);
  replan.finish();
  reader.finish();
  if (common.describes()) keys.stages.clear();
  return keys;
}

double HeartbeatOptions::noticed_s(double lost_s) const {
  if (!period_s) return lost_s;
  return (std::floor(lost_s / *period_s) + missed) * *period_s;
}

int microbatch_of(const PipelineKeys& keys, const Setting& setting) {
  if (keys.microbatch) return *keys.microbatch;
  return setting.nodes.size() > 1 ? setting.nodes[1].batch : 1;
}

std::vector<HandMadeStage> stages_by_hand(const PipelineKeys& keys, const Setting& setting,
                                          const PipelineModel& model,
                                          std::span<const NodeId> nodes) {
  std::vector<HandMadeStage> stages;
  std::set<NodeId> used;
  int first = 0;
  for (std::size_t s = 0; s < keys.stages.size(); ++s) {
    const StageByHand& given = keys.stages[s];
    const std::string key = fmt::format("schedule.pipeline.stages.{}", s);
    HandMadeStage stage{.window = given.window, .has_samples = !given.samples.empty()};
    stage.layers = {first, model.read(given.to, key + ".to")};
    if (stage.layers.last <= first) {
      throw base::UserError(fmt::format(
          "{}.to: the stage would have no layers: it ends at \"{}\", and the one before at \"{}\"",
          key, given.to, model.name(first - 1)));
    }
    require_known_names(setting, given.nodes, key + ".nodes");
    for (const std::string& name : given.nodes) {
      for (std::size_t i = 0; i < nodes.size(); ++i) {
        const std::vector<std::string> names = keys_for(setting.nodes[nodes[i]], nodes[i]);
        if (std::ranges::find(names, name) == names.end()) continue;
        if (!used.insert(nodes[i]).second) {
          throw base::UserError(
              fmt::format("{}.nodes: {} has a stage already; a device has one at most", key,
                          setting.nodes[nodes[i]].name.of(nodes[i])));
        }
        stage.members.push_back({static_cast<int>(i), 0});
      }
    }
    if (given.nodes.empty()) {
      throw base::UserError(
          fmt::format("{}.nodes: nobody computes the stage; name at least one node", key));
    }
    if (stage.has_samples && given.samples.size() != stage.members.size()) {
      throw base::UserError(fmt::format("{}.samples: {} numbers for {} devices; give one for each",
                                        key, given.samples.size(), stage.members.size()));
    }
    for (std::size_t i = 0; i < given.samples.size(); ++i) {
      stage.members[i].samples = given.samples[i];
    }
    first = stage.layers.last;
    stages.push_back(std::move(stage));
  }
  if (!stages.empty() && first < model.layers()) {
    throw base::UserError(fmt::format(
        "schedule.pipeline.stages: nobody has the layers behind \"{}\", up to \"{}\"; leave out "
        "`to` of the last stage, or add a stage",
        model.name(first - 1), model.name(model.layers() - 1)));
  }
  return stages;
}

}  // namespace convoy::sim
