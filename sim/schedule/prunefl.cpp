#include "sim/schedule/prunefl.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "engine/model/elements.hpp"
#include "engine/model/layer_costs.hpp"
#include "sim/schedule/kinds.hpp"
#include "sim/schedule/training_steps.hpp"

namespace convoy::sim {

using base::above;
using base::at_least;

ScheduleKind schedules::prunefl() {
  return schedule_kind<PruneFL>(
      "prunefl", "rounds of a model pruned weight by weight, chosen anew now and then",
      read_prunefl);
}

PruneFLOptions read_prunefl(base::TableReader& common, base::TableReader& own) {
  static constexpr base::Words<bool> gradients = {{true, "all"}, {false, "last"}};
  static constexpr base::Words<bool> counted = {{true, "both"}, {false, "transfers"}};
  PruneFLOptions o{read_rounds_by_elements(common, own, engine::ElementKind::pruned)};
  o.every = static_cast<int>(own.integer({"every", "rounds, from one reconfiguration to the next"},
                                         at_least(1).up_to(1e6), o.every));
  o.removal = own.number({"removal", "share of a layer's kept weights that is up for removal"},
                         above(0).below(1), o.removal);
  o.half_life =
      own.number({"half_life", "rounds in which that share halves"}, above(0), o.half_life);
  o.max_density =
      own.number({"max_density", "no weight is kept again above this share of the prunable ones"},
                 above(0).up_to(1), o.max_density);
  o.since_the_last = own.choice(
      {"gradients", "are gathered in all rounds since the last reconfiguration, or in its own"},
      gradients, o.since_the_last);
  o.counts_compute =
      own.choice({"time", "of a kept weight: its transfers and its multiplications, or transfers"},
                 counted, o.counts_compute);
  o.assumed_density =
      own.number({"assumed_density",
                  "share of the prunable weights kept after a reconfiguration, where "
                  "training.learn is false"},
                 above(0).up_to(1), o.assumed_density);
  base::TableReader initial = own.table({"initial", "pruning at one node before the first round"});
  o.adjustments = static_cast<int>(initial.integer(
      {"adjustments", "reconfigurations there; 0: none"}, at_least(0).up_to(1e6), o.adjustments));
  o.steps = static_cast<int>(initial.integer({"steps", "of training before each of them"},
                                             at_least(1).up_to(1e9), o.steps));
  o.node = initial.text({"node", "its name", "that with the most samples"}, o.node);
  initial.finish();
  return o;
}

PruneFL::PruneFL(const std::shared_ptr<const Setting>& setting, PruneFLOptions options)
    : Rounds(setting, static_cast<const RoundsOptions&>(options)),
      setting_(setting),
      options_(std::move(options)),
      time_(time_of_slowest()) {
  for (const NodeId node : clients_.members()) {
    if (setting_->nodes[node].name.of(node) == options_.node) first_ = node;
  }
  if (std::ranges::any_of(time_.each, [](double s) { return !(s > 0); })) {
    throw base::UserError(
        "schedule.prunefl.time: without computing a weight costs nothing here, since the links "
        "take no time; set it to \"both\"");
  }
  if (!options_.node.empty() && first_ == no_node) {
    throw base::UserError(
        fmt::format("schedule.prunefl.initial.node: no node that takes part has the name \"{}\"",
                    options_.node));
  }
}

NodeId PruneFL::node_to_begin() const {
  if (first_ != no_node && is_present(first_)) return first_;
  NodeId best = no_node;
  for (const NodeId node : clients_.members()) {
    if (!is_present(node)) continue;
    const bool more =
        best == no_node || setting_->nodes[node].samples > setting_->nodes[best].samples;
    if (more) best = node;
  }
  return best;
}

std::vector<NodeId> PruneFL::draw() {
  if (!is_initial()) return Rounds::draw();
  const NodeId node = node_to_begin();
  return node == no_node ? std::vector<NodeId>() : std::vector<NodeId>{node};
}

void PruneFL::add_tasks(std::int64_t /*round*/, const std::vector<NodeId>& nodes, Orders& orders) {
  TaskChanges changes;
  changes.bring_squares = adjusts();
  if (options_.since_the_last || adjusts()) changes.gather_squares = 0;
  if (is_initial()) {
    changes.steps = options_.steps;
    changes.gather_squares = 1;  // each step's for itself
  }
  for (const NodeId node : nodes) add_task(node, orders, changes);
}

Assign PruneFL::aggregation_of(std::int64_t /*round*/, std::vector<TaskId> updates) {
  const bool initial = is_initial();
  const bool adjusts = this->adjusts();
  if (initial) {
    ++initial_;
  } else {
    ++rounds_;
  }
  if (!adjusts) return clients_.aggregate(std::move(updates));
  engine::Reconfigure work{.removal = options_.removal,
                           .max_density = initial ? 1 : options_.max_density,
                           .rest_s = time_.rest_s,
                           .each = time_.each};
  if (!initial) work.removal *= std::pow(0.5, static_cast<double>(rounds_) / options_.half_life);
  clients_.expect_density(std::min(options_.assumed_density, work.max_density));
  return clients_.aggregate(std::move(updates), work);
}

namespace {

// Seconds of a round's multiplications in a dense layer: forward, and backward for the weights
// and, where somebody before it is trained, for its input.
double computing(const engine::TracedLayer& layer, double forward_flops, bool input_gradient,
                 double samples, engine::Precision precision, const platforms::Machine& machine) {
  const bool convolves = layer.layer->kind == engine::LayerKind::conv2d;
  const bool one_each = layer.layer->parts > 1 && layer.layer->parts == layer.layer->features;
  engine::Kernel kernel;
  kernel.op = !convolves ? engine::OpClass::matrix_product
              : one_each ? engine::OpClass::depthwise
                         : engine::OpClass::convolution;
  if (precision == engine::Precision::fp16_mixed) {
    kernel.number = engine::Number::fp16;
  } else if (precision == engine::Precision::fp32 && convolves) {
    kernel.number = engine::Number::tf32;
  }
  const int passes = input_gradient ? 3 : 2;
  return passes * forward_flops * samples / machine.flops_per_s(kernel);
}

// Seconds that a byte takes down and up again, between a node and the server.
double moving(const platforms::Link& node, const platforms::Link& server) {
  constexpr double bits = 8;
  const auto rate = [](double a, double b) {
    return a > 0 && b > 0 ? std::min(a, b) : std::max(a, b);
  };
  const double down = rate(node.down_bps, server.up_bps);
  const double up = rate(node.up_bps, server.down_bps);
  return (down > 0 ? bits / down : 0) + (up > 0 ? bits / up : 0);
}

}  // namespace

RoundTime PruneFL::time_of_slowest() {
  const engine::Architecture& a = *setting_->architecture;
  const engine::Trace trace = engine::trace(a, engine::full_submodel(a));
  const std::vector<double> flops = engine::forward_flops(trace);
  const std::vector<bool> wanted = engine::tensors_with_gradient(trace, engine::Phase::weights);
  std::map<std::string, std::size_t> number_of;  // of a layer, by its path
  for (std::size_t i = 0; i < trace.layers.size(); ++i) number_of[trace.layers[i].path] = i;
  const platforms::Link& server = setting_->nodes.front().link;
  RoundTime slowest;
  double longest = -1;
  for (const PlannedTask& task : clients_.plan()) {
    if (task.label != "train" || !clients_.takes_part(task.node)) continue;
    const NodeSetting& node = setting_->nodes[task.node];
    double whole = 2 * (node.link.latency_s + server.latency_s);
    for (const Activity& activity : task.graph->activities()) whole += activity.seconds;
    const double byte = moving(node.link, server);
    whole += byte * engine::transfer_bytes(trace);
    if (whole <= longest) continue;
    longest = whole;
    slowest = {whole, {}};
    const double samples =
        trained_samples(node, trace, setting_->local_epochs, setting_->local_steps);
    for (const engine::ParameterTensor& p : engine::parameter_tensors(a)) {
      if (!engine::is_prunable(p)) continue;
      const std::size_t i = number_of.at(p.layer);
      const auto weights = static_cast<double>(p.elements());
      double each = byte * sizeof(float);
      if (options_.counts_compute) {
        const bool input = wanted[static_cast<std::size_t>(trace.layers[i].inputs.front())];
        each += computing(trace.layers[i], flops[i], input, samples, setting_->precision,
                          *node.machine) /
                weights;
      }
      slowest.each.push_back(each);
      slowest.rest_s -= each * weights;
    }
  }
  slowest.rest_s = std::max(slowest.rest_s, 0.0);
  return slowest;
}

}  // namespace convoy::sim
