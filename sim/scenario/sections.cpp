#include "sim/scenario/sections.hpp"

#include <fmt/format.h>

#include <set>
#include <string>
#include <vector>

#include "base/text.hpp"
#include "sim/schedule/memory_class.hpp"

namespace convoy::sim {
namespace {

using base::above;
using base::at_least;
using base::Diagnostics;
using base::TableReader;

FixedCost read_fixed_cost(TableReader reader) {
  FixedCost cost;
  cost.compute_s = reader.number({"compute_s", "computing time on a node, s, before its slowdown"},
                                 at_least(0).up_to(1e9));
  cost.download_bytes =
      reader.number({"download_bytes", "bytes that a node receives"}, at_least(0).up_to(1e15));
  cost.upload_bytes =
      reader.number({"upload_bytes", "bytes that a node sends"}, at_least(0).up_to(1e15));
  cost.aggregate_s = reader.number({"aggregate_s", "time of an aggregation on the server, s"},
                                   at_least(0).up_to(1e9), 0.0);
  cost.memory_bytes = reader.number({"memory_bytes", "peak memory on the node, bytes"},
                                    at_least(0).up_to(1e15), 0.0);
  reader.finish();
  return cost;
}

engine::Precision read_precision(TableReader& reader, const Fleet& fleet) {
  using engine::Precision;
  using engine::precision_words;
  const base::Words<Precision> of_training = {word_of(precision_words, Precision::fp32),
                                              word_of(precision_words, Precision::fp32_strict),
                                              word_of(precision_words, Precision::fp16_mixed)};
  const Precision precision =
      reader.choice({"precision",
                     "for times and memory: fp32 as PyTorch computes it (TF32 on GPUs that have "
                     "it), without TF32, or autocast; learning itself always uses FP32"},
                    of_training, Precision::fp32);
  if (precision != Precision::fp16_mixed) return precision;
  std::set<std::string> without;
  for (const auto& [device, mode] : fleet.profiles) {
    if (!platforms::computes(*mode, precision)) without.insert(device->name);
  }
  if (!without.empty()) {
    reader.error("precision",
                 fmt::format("fp16-mixed: no half precision in the profile of {}",
                             base::list_of(std::vector<std::string>(without.begin(), without.end()),
                                           "and")));
  }
  return precision;
}

// Empty: what is learned is the model.
std::string read_learn_as(TableReader& reader) {
  const auto& names = engine::architecture_spellings();
  const std::optional<std::size_t> chosen = reader.maybe_choice(
      {"learn_as",
       "architecture that is learned in place of the model, at the same rates and with exits at "
       "the same shares of its depth; times, memory, bytes and energy are those of the model",
       "the model"},
      names);
  return chosen ? engine::architecture_name(names[*chosen]) : "";
}

}  // namespace

std::map<int, double> read_training(TableReader reader, const Fleet& fleet, Scenario& scenario,
                                    Setting& setting, Diagnostics& problems) {
  scenario.training.learn = reader.flag({"learn", "true: really train; false: timing only"}, false);
  scenario.training.learn_as = read_learn_as(reader);
  scenario.training.local = engine::read_training(reader);
  setting.optimizer = scenario.training.local.optimizer.cost();
  setting.proximal = scenario.training.local.proximal;
  setting.clip = scenario.training.local.clip;
  setting.keeps_optimizer = scenario.training.local.keep_optimizer;
  setting.precision = read_precision(reader, fleet);
  if (scenario.training.learn && setting.precision == engine::Precision::fp16_mixed) {
    problems.warning(reader.where(),
                     "training.precision: times and memory are those of fp16-mixed; learning "
                     "itself uses FP32");
  }
  for (const auto& [device, mode] : fleet.profiles) {
    const auto figures = device->assumed(*mode, setting.precision);
    scenario.assumed[device->name].insert(figures.begin(), figures.end());
  }
  setting.local_epochs = static_cast<int>(reader.integer(
      {"local_epochs", "passes over the node's data in a task"}, at_least(1).up_to(1e6), 1));
  if (const auto steps = reader.maybe_integer({"local_steps", "steps in a task, instead of epochs"},
                                              at_least(1).up_to(1e9))) {
    setting.local_steps = static_cast<int>(*steps);
    if (reader.has("local_epochs")) {
      reader.error("local_steps", "give either local_epochs or local_steps");
    }
  }
  const auto batches = read_by_memory_class(
      reader, {"batch", "samples per step; or a value by memory class of the device"},
      at_least(1).up_to(1e6), {{0, 32}}, true);
  if (reader.has("fixed_cost")) {
    setting.fixed =
        read_fixed_cost(reader.table({"fixed_cost", "fixed cost of a task; for timing only"}));
    if (reader.has("precision")) {
      problems.warning(reader.where(), "training.precision: not used with fixed_cost");
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

StopOptions read_stop(TableReader reader, bool learn) {
  StopOptions stop;
  stop.rounds = reader.maybe_integer({"rounds", "aggregations"}, at_least(1).up_to(1e9));
  stop.tasks = reader.maybe_integer({"tasks", "node updates aggregated"}, at_least(1).up_to(1e12));
  stop.accuracy = reader.maybe_number(
      {"accuracy", "accuracy of the global model; needs training.learn"}, above(0).up_to(1));
  stop.virtual_time_s =
      reader.maybe_number({"virtual_time_s", "virtual time, s"}, above(0).up_to(1e10));
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
  OutputOptions output;
  output.record = reader.choice({"record", "the store has a row per activity, or per task"},
                                record_words, output.record);
  output.checkpoint_s =
      reader.number({"checkpoint_s", "wall time between two checkpoints of the learning, s"},
                    at_least(0).up_to(1e9), output.checkpoint_s);
  output.held_mib = reader.number(
      {"held_mib",
       "memory for updates that wait and states that nodes keep, MiB; the rest waits in files"},
      at_least(0).up_to(1e9), output.held_mib);
  output.progress_s = reader.number({"progress_s", "wall time between two progress lines, s"},
                                    above(0).up_to(1e6), output.progress_s);
  reader.finish();
  return output;
}

HilOptions read_hil(TableReader reader, const std::filesystem::path& folder, ClockOptions& clock) {
  HilOptions hil;
  const std::string inventory = reader.text(
      {"inventory", "inventory file of the testbed, written by convoy testbed init"}, "");
  if (!inventory.empty()) hil.inventory = (folder / inventory).string();
  clock.mode = reader.choice(
      {"clock", "elastic: virtual time waits only for real nodes; paced: it follows wall time"},
      clock_words, ClockMode::elastic);
  if (clock.mode == ClockMode::paced) {
    clock.pace = reader.number({"pace", "virtual seconds per second of wall time"},
                               above(0).up_to(1e6), clock.pace);
  }
  hil.fail_when_late =
      reader.choice({"late", "what to do if an event is delivered later than max_lag_ms"},
                    HilOptions::late_words, hil.fail_when_late);
  hil.max_lag_ms = reader.number({"max_lag_ms", "how late an event may be, ms"},
                                 at_least(0).up_to(1e9), hil.max_lag_ms);
  hil.missing = reader.choice(
      {"missing",
       "a real node that does not connect: fails the run, may join later, or is simulated"},
      HilOptions::missing_words, hil.missing);
  hil.join_timeout_s =
      reader.number({"join_timeout_s", "how long the start waits for real nodes, s"},
                    at_least(0).up_to(1e6), hil.join_timeout_s);
  hil.rejoin_timeout_s =
      reader.number({"rejoin_timeout_s", "time after which a lost node is gone for good, s"},
                    at_least(0).up_to(1e6), hil.rejoin_timeout_s);
  hil.heartbeat_s = reader.number({"heartbeat_s", "time between two heartbeats, s"},
                                  at_least(0.01).up_to(1e3), hil.heartbeat_s);
  hil.lost_after_s = reader.number(
      {"lost_after_s",
       "time without any message after which a node is lost, s; at least two heartbeats"},
      above(0).up_to(1e5), hil.lost_after_s);
  if (hil.lost_after_s < 2 * hil.heartbeat_s) {
    reader.error("lost_after_s", "must be at least two heartbeats (hil.heartbeat_s)");
  }
  hil.keep_updates = reader.flag(
      {"keep_updates", "keep updates beside the store, so that a replay gets the same weights"},
      hil.keep_updates);
  hil.compress =
      reader.choice({"compression", "how messages to and from real nodes are compressed"},
                    HilOptions::compression_words, hil.compress);
  reader.finish();
  return hil;
}

void read_network(TableReader reader, WorldConfig& world) {
  world.network = reader.choice(
      {"model", "SimGrid's model: exact shares of the bandwidth, or shares as TCP gets them"},
      network_words, NetworkModel::cm02);
  world.solver = reader.choice(
      {"solver",
       "who computes the shares: \"star\" takes O(log n) time at each event, and is for networks "
       "where each transfer shares one link at most; \"auto\": star where it can be, else simgrid"},
      solver_words, NetworkSolver::automatic);
  reader.finish();
}

EvaluationOptions read_evaluation(TableReader reader) {
  EvaluationOptions e;
  e.every = reader.integer({"every", "versions from one evaluation to the next; 0: never by count"},
                           at_least(0).up_to(1e9), e.every);
  e.every_s = reader.maybe_number({"every_s", "virtual time from one evaluation to the next, s"},
                                  above(0).up_to(1e10));
  e.rate = reader.number({"rate", "rate of the evaluated submodel; 1: the full model"},
                         above(0).up_to(1), e.rate);
  e.local = reader.flag(
      {"local", "before a task, each node also tests the received model on its own test part"},
      e.local);
  e.batch = static_cast<int>(
      reader.integer({"batch", "samples evaluated at a time"}, at_least(1).up_to(1e6), e.batch));
  e.gradient_norm = reader.flag({"gradient_norm",
                                 "each evaluation also computes the objective over all nodes' "
                                 "training samples, and the norm of its gradient"},
                                e.gradient_norm);
  e.target = reader.maybe_number({"target", "accuracy whose time is reported", "stop.accuracy"},
                                 above(0).up_to(1));
  reader.finish();
  return e;
}

}  // namespace convoy::sim
