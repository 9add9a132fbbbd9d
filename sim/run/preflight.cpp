#include "sim/run/preflight.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "base/text.hpp"
#include "engine/api/microbatch_part.hpp"
#include "engine/model/costs.hpp"
#include "engine/model/stage.hpp"
#include "engine/model/submodel.hpp"
#include "engine/model/trace.hpp"
#include "sim/run/memory_check.hpp"
#include "sim/task/peak_memory.hpp"
#include "sim/world/lone_transfer.hpp"
#include "sim/world/network_solver.hpp"

namespace convoy::sim {
namespace {

Forecast forecast(const Scenario& scenario, const LoneTransfers& transfers,
                  const PlannedTask& task) {
  const NodeSetting& node = scenario.setting->nodes[task.node];
  Forecast f;
  f.node = task.node;
  f.label = task.label;
  f.rate = task.rate;
  f.depth = task.depth;
  f.samples = static_cast<double>(node.samples);
  f.batch = node.batch;
  f.memory_bytes = task.memory;
  for (int role = 0; role < task.graph->roles() && task.graph->holds(); ++role) {
    if (task.members[static_cast<std::size_t>(role)] != task.node) continue;
    const int at_once = scenario.world.nodes[task.node].concurrent_computes;
    f.memory_bytes = std::max(f.memory_bytes, peak_memory(*task.graph, role, at_once));
  }
  f.available_bytes = node.machine->memory;
  for (const Activity& a : task.graph->activities()) {
    const NodeId at = task.members[static_cast<std::size_t>(a.at)];
    if (a.kind == ActivityKind::compute) {
      if (at == task.node) {
        f.compute_s += a.seconds * scenario.world.nodes[task.node].behaviour.slowdown;
      }
      continue;
    }
    const NodeId to = task.members[static_cast<std::size_t>(a.to)];
    if (at != task.node && to != task.node) continue;
    (to == task.node ? f.download_s : f.upload_s) +=
        transfers.seconds(at, to, a.bytes, a.most_bytes_per_s());
  }
  return f;
}

// "a, b, c and 4 more"; with a separator "a; b; c and 4 more".
std::string first_few(const std::vector<std::string>& names, const char* separator = nullptr) {
  constexpr std::size_t shown = 3;
  const bool all = names.size() <= shown + 1;
  if (all && separator == nullptr) return base::list_of(names, "and");
  if (all) return fmt::format("{}", fmt::join(names, separator));
  const std::vector<std::string> few(names.begin(), names.begin() + shown);
  return fmt::format("{} and {} more", fmt::join(few, separator == nullptr ? ", " : separator),
                     names.size() - shown);
}

class Reviewer {
 public:
  Reviewer(const Scenario& scenario, Preflight& result) : scenario_(scenario), result_(result) {}

  void review() {
    memory();
    data();
    coverage();
    scaler();
  }

 private:
  void warn(std::string text) { result_.warnings.push_back(std::move(text)); }

  void memory() {
    std::vector<std::string> names;
    std::vector<std::string> reasons;  // by device and task
    for (const Forecast& f : result_.forecasts) {
      if (f.fits()) continue;
      if (f.node == server_node) {
        warn(fmt::format(
            "the server's memory does not hold an aggregation, which needs {} of {}: the run will "
            "fail",
            base::human_bytes(f.memory_bytes), base::human_bytes(f.available_bytes)));
        continue;
      }
      const std::string name = scenario_.world.nodes[f.node].name.of(f.node);
      if (names.empty() || names.back() != name) names.push_back(name);
      std::string reason = fmt::format(
          "{} needs {}, {} has {}", f.label, base::human_bytes(f.memory_bytes),
          scenario_.setting->nodes[f.node].machine->device, base::human_bytes(f.available_bytes));
      if (std::ranges::find(reasons, reason) == reasons.end()) reasons.push_back(std::move(reason));
    }
    if (names.empty()) return;
    warn(fmt::format(
        "{} of {} nodes cannot hold their task and stay out: {} ({}); a smaller "
        "training.batch, or submodels by schedule.rates, would let them in",
        names.size(), scenario_.setting->workers(), first_few(names), first_few(reasons, "; ")));
  }

  void data() {
    std::vector<std::string> names;
    ByNode<bool> works(scenario_.setting->nodes.size(), false);
    for (const Forecast& f : result_.forecasts) works[f.node] = true;
    for (std::size_t i = 1; i < scenario_.setting->nodes.size(); ++i) {
      // In a pipeline all data are everybody's.
      if (scenario_.setting->nodes[i].samples > 0 || works[i]) continue;
      names.push_back(scenario_.world.nodes[i].name.of(static_cast<NodeId>(i)));
    }
    if (!names.empty()) {
      warn(fmt::format("{} nodes have no data to train on and stay out: {}", names.size(),
                       first_few(names)));
    }
  }

  // Finds untrained parts of the model. A learned mask's members are not known in advance, only the
  // depth and width of the submodels.
  void coverage() {
    const engine::Architecture& a = scenario_.setting->learned();
    const bool all_blocks = scenario_.schedule.learning.mask.all_blocks;
    std::set<NodeId> unfit;
    for (const Forecast& f : result_.forecasts) {
      if (!f.fits()) unfit.insert(f.node);
    }
    int depth = 0;
    double widest = 0;
    for (const Forecast& f : result_.forecasts) {
      if (f.node == server_node || unfit.contains(f.node)) continue;
      depth = std::max(depth, engine::depth_at(a, f.rate, all_blocks));
      widest = std::max(widest, f.rate);
    }
    if (depth > 0 && depth < a.depth()) {
      engine::Submodel deepest = engine::full_submodel(a);
      deepest.depth = depth;
      const double trained = engine::trace(a, deepest).parameters();
      const double all = engine::trace(a, engine::full_submodel(a)).parameters();
      warn(
          fmt::format("no node trains blocks {} to {} of {} nor the exits behind them: {:.1f} % of "
                      "the parameters stay as they are",
                      depth + 1, a.depth(), a.name, 100 * (1 - trained / all)));
    }
    const bool shallow_only =
        scenario_.schedule.learning.mask.selection == engine::Selection::depth;
    if (widest > 0 && widest < 1 && !shallow_only) {
      warn(
          fmt::format("the widest submodel keeps a share of {} of each group: which parameters "
                      "somebody trains depends on the masks",
                      widest));
    }
  }

  // HeteroFL's scaler divides the outputs of narrowed layers. A norm undoes this, and a clip limits
  // its effect on the gradient.
  void scaler() {
    const engine::Architecture& a = scenario_.setting->learned();
    const engine::Trace full = engine::trace(a, engine::full_submodel(a));
    const bool narrow = std::ranges::any_of(
        result_.forecasts, [](const Forecast& f) { return f.node != server_node && f.rate < 1; });
    if (!scenario_.training.learn || !scenario_.schedule.learning.scaled || !narrow) return;
    if (full.buffers() > 0 || scenario_.training.local.clip > 0) return;
    warn(
        fmt::format("the scaler of narrow submodels makes training diverge where there is neither "
                    "a batch norm, and {} has none, nor training.clip: set training.clip = 1",
                    a.name));
  }

  const Scenario& scenario_;
  Preflight& result_;
};

// Tasks with shares of a node that computes fewer of them at a time: they wait for each other, each
// at the speed of its share.
void shares_that_wait(const Scenario& scenario, const std::vector<PlannedTask>& plan,
                      std::vector<std::string>& warnings) {
  std::map<NodeId, int> tasks;
  for (const PlannedTask& task : plan) {
    std::set<NodeId> shared;
    for (const Activity& a : task.graph->activities()) {
      if (a.share > 0 && a.share < 1) shared.insert(task.members[static_cast<std::size_t>(a.at)]);
    }
    for (const NodeId node : shared) ++tasks[node];
  }
  for (const auto& [node, sharing] : tasks) {
    const int at_once = scenario.world.nodes[node].concurrent_computes;
    if (at_once == 0 || sharing <= at_once) continue;
    warnings.push_back(fmt::format(
        "{} tasks have shares of {}'s compute, and it computes {} at a time: the others wait, and "
        "what they would have stays unused; set {}concurrent_computes = 0",
        sharing, scenario.world.nodes[node].name.of(node), at_once,
        node == server_node ? "fleet.server." : ""));
  }
}

}  // namespace

// In a pipeline a device has a part of each micro-batch, whatever data are its own. True if it is a
// part of one.
static bool require_samples_of_pipeline(const Scenario& scenario, const PlannedTask& task) {
  const engine::Architecture& a = scenario.setting->learned();
  std::optional<engine::Trace> trace;
  for (const Activity& activity : task.graph->activities()) {
    if (task.members[static_cast<std::size_t>(activity.at)] != task.node) continue;
    const auto part = engine::microbatch_part(activity.work);
    if (!part) continue;
    if (!trace) trace = engine::trace(a, engine::full_submodel(a));
    if (part->samples > 1 || !engine::needs_two_samples(*trace, part->layers)) continue;
    throw base::UserError(fmt::format(
        "node {}: {} normalizes over the batch there and cannot train on one sample at a time, and "
        "of each micro-batch of {} samples {} gets one; raise schedule.pipeline.microbatch, or "
        "give the stage fewer devices",
        scenario.world.nodes[task.node].name.of(task.node), a.name, part->of, task.label));
  }
  return trace.has_value();
}

void require_trainable(const Scenario& scenario, const Schedule& schedule) {
  const bool all_blocks = scenario.schedule.learning.mask.all_blocks;
  std::vector<const engine::Architecture*> all = {scenario.setting->architecture.get()};
  if (scenario.setting->learned_as) all.push_back(scenario.setting->learned_as.get());
  for (const PlannedTask& task : schedule.plan()) {
    if (task.node == server_node) continue;
    const NodeSetting& node = scenario.setting->nodes[task.node];
    const engine::Architecture& learned = scenario.setting->learned();
    if (!learned.exit_at(engine::depth_at(learned, task.rate, all_blocks))) {
      throw base::UserError(fmt::format(
          "node {}: at a rate of {} {} keeps no exit; add to model.exits, or choose another rate",
          node.name.of(task.node), task.rate, learned.name));
    }
    if (require_samples_of_pipeline(scenario, task)) continue;
    if (std::min<std::int64_t>(node.batch, node.samples) > 1) continue;
    for (const engine::Architecture* a : all) {
      const engine::Trace trace =
          engine::trace(*a, engine::depth_submodel(*a, task.rate, all_blocks));
      if (!engine::needs_two_samples(trace)) continue;
      throw base::UserError(fmt::format(
          "node {}: {} normalizes over the batch and cannot train on one sample at a time; it has "
          "{} samples and a batch of {}; give it more data or a larger training.batch",
          node.name.of(task.node), a->name, node.samples, node.batch));
    }
  }
}

Preflight preflight(const Scenario& scenario) {
  Preflight result;
  const engine::Architecture& a = *scenario.setting->architecture;
  const engine::Trace full = engine::trace(a, engine::full_submodel(a));
  const std::vector<double> flops = engine::forward_flops(full);
  result.network = network_text(scenario.world);
  result.blocks = a.depth();
  result.parameters = full.parameters();
  result.forward_flops = std::accumulate(flops.begin(), flops.end(), 0.0);
  const auto schedule = scenario.schedule.make(scenario.setting);
  if (scenario.training.learn) require_trainable(scenario, *schedule);
  const LoneTransfers transfers(scenario.world);
  const std::vector<PlannedTask> plan = schedule->plan();
  for (const PlannedTask& task : plan) {
    result.forecasts.push_back(forecast(scenario, transfers, task));
  }
  Reviewer(scenario, result).review();
  const std::optional<double> usual = schedule->usual_updates();
  const double at_once = usual ? std::ceil(*usual) : static_cast<double>(plan.size());
  for (std::string& text : check_memory(scenario, plan, static_cast<std::size_t>(at_once))) {
    result.warnings.push_back(std::move(text));
  }
  shares_that_wait(scenario, plan, result.warnings);
  for (std::string& remark : schedule->remarks()) result.warnings.push_back(std::move(remark));
  return result;
}

}  // namespace convoy::sim
