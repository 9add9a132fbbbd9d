#include "sim/schedule/local_update.hpp"

#include <algorithm>
#include <numeric>

#include "engine/api/update_bytes.hpp"
#include "engine/model/batches.hpp"
#include "platforms/roofline.hpp"
#include "sim/schedule/split_update.hpp"
#include "sim/schedule/training_steps.hpp"

namespace convoy::sim {
namespace {

// What a node has not sent yet, also in a task whose own update goes whole.
double residual_memory(double parameters, const LocalWork& work) {
  return work.keeps_residual ? sizeof(float) * parameters
                             : engine::residual_memory(parameters, work.compression);
}

// Blocks, rates and shares change with the nodes that are present, their links and their speeds.
bool is_of_a_plan(const LocalWork& work) {
  const auto& split = work.split;
  return work.block || (split && (split->up_bytes_per_s > 0 || split->down_bytes_per_s > 0 ||
                                  split->server_share > 0));
}

}  // namespace

LocalUpdates::LocalUpdates(std::shared_ptr<const Setting> setting, bool keeps_received)
    : setting_(std::move(setting)), keeps_received_(keeps_received || setting_->proximal > 0) {
  const engine::Architecture& a = *setting_->architecture;
  const engine::Trace trace = engine::trace(a, engine::full_submodel(a));
  model_bytes_ = engine::transfer_bytes(trace);
  parameters_ = trace.parameters();
}

std::shared_ptr<const LocalUpdate> LocalUpdates::of(NodeId id, const LocalWork& work) {
  const NodeSetting& node = setting_->nodes[id];
  const Key key(node.machine.get(), node.samples, node.batch, work);
  std::shared_ptr<const LocalUpdate>& update = made_[key];
  if (!update) {
    update = std::make_shared<const LocalUpdate>(work.split   ? make_split(*setting_, node, work)
                                                 : work.block ? make_block(node, work)
                                                 : setting_->fixed ? make_fixed(node, work)
                                                                   : make(node, work));
    if (is_of_a_plan(work)) forget_old_plans(update);
  }
  return update;
}

// The map's other entries stay where they are: no reference to them changes.
void LocalUpdates::forget_old_plans(std::shared_ptr<const LocalUpdate> newest) {
  planned_activities_ += newest->graph.activities().size();
  if (planned_activities_ <= most_planned_activities) return;
  planned_activities_ = newest->graph.activities().size();
  std::erase_if(made_, [&](const auto& made) {
    return is_of_a_plan(std::get<LocalWork>(made.first)) && made.second != newest;
  });
}

bool LocalUpdates::fits(NodeId node, const LocalWork& work) {
  const auto update = of(node, work);
  const double servers = setting_->nodes.front().machine->memory;
  return update->memory <= setting_->nodes[node].machine->memory &&
         (servers <= 0 || update->server_memory <= servers);
}

LocalUpdate LocalUpdates::make(const NodeSetting& node, const LocalWork& work) const {
  const engine::Architecture& a = *setting_->architecture;
  if (work.elements != engine::ElementKind::all) return make_by_elements(node, work);
  LocalUpdate update;
  const bool masks = work.mask_epochs > 0;
  const engine::Submodel wide = engine::depth_submodel(a, work.rate, work.all_blocks);
  const engine::Submodel kept =
      work.full_width ? wide : engine::nested_submodel(a, work.rate, work.all_blocks);
  const engine::Trace weights = engine::trace(a, kept);
  update.depth = kept.depth;
  update.upload_bytes = engine::transfer_bytes(weights);

  TaskGraph& graph = update.graph;
  int model = -1;
  if (masks) {
    // Full width of the depth goes down, since nobody knows yet what will be kept.
    model = add_download(node, wide, work, false, update);
    const Activity learning = choosing_masks(node, wide, work);
    update.memory = std::max(update.memory, learning.memory);
    model = graph.compute(learning, {model}, {"submodel", update.upload_bytes});
  } else {
    model = add_download(node, kept, work, work.sampled, update);
  }
  // A node that chooses masks sends them, with each update if they are drawn.
  const bool with_masks = masks || work.sampled;
  update.upload_bytes = engine::update_bytes(a, kept, {}, with_masks);
  const engine::Train weight_work{work.weight_epochs, work.weight_steps};
  Activity cost = training(node, kept, weight_work, work.extras);
  cost.memory += residual_memory(weights.parameters(), work);
  update.memory = std::max(update.memory, cost.memory);
  update.samples = trained_samples(node, weights, work.weight_epochs, work.weight_steps);
  const int delta = graph.compute(cost, {model}, {"update", update.upload_bytes});
  int sent = delta;
  if (!work.compression.is_none()) {
    const Activity encode = encoding(node, kept, work.compression);
    update.memory = std::max(update.memory, encode.memory);
    update.encoded_bytes = engine::update_bytes(a, kept, work.compression, with_masks);
    sent = graph.compute(encode, {delta}, {"encoded", update.encoded_bytes, update.upload_bytes});
  }
  const int there = graph.transfer("upload", sent, 0);
  if (work.sampled) {
    graph.size_late(graph.producer(delta));
    if (sent != delta) graph.size_late(graph.producer(sent));
    graph.size_late(graph.producer(there));
  }
  return update;
}

int LocalUpdates::add_download(const NodeSetting& node, const engine::Submodel& submodel,
                               const LocalWork& work, bool is_late, LocalUpdate& update) const {
  const engine::Architecture& a = *setting_->architecture;
  TaskGraph& graph = update.graph;
  const double whole = engine::transfer_bytes(engine::trace(a, submodel));
  std::vector<int> late;
  const auto made_by = [&](int artifact) {
    if (is_late) late.push_back(graph.producer(artifact));
    return artifact;
  };
  int model = graph.artifact("model", whole, 0);
  const bool is_compressed = !work.download.is_none();
  if (is_compressed) {
    const double bytes = engine::update_bytes(a, submodel, work.download);
    model = made_by(graph.compute(encoding_model(submodel, work.download), {model},
                                  {"encoded model", bytes, whole}));
  }
  model = made_by(graph.transfer("download", model, 1));
  if (is_compressed) {
    const Activity decode = decoding_model(node, submodel, work.download);
    update.memory = std::max(update.memory, decode.memory);
    model = made_by(graph.compute(decode, {model}, {"model", whole}));
  }
  for (const int activity : late) graph.size_late(activity);
  return model;
}

Activity LocalUpdates::encoding_model(const engine::Submodel& submodel,
                                      const engine::Compression& compression) const {
  const double parameters = engine::trace(*setting_->architecture, submodel).parameters();
  const engine::StepCost step = engine::model_encoding_step(parameters, compression);
  const platforms::Prediction each = platforms::predict(step, *setting_->nodes.front().machine);
  // The version, the part that is sent, and what is sent of it.
  const double memory = model_bytes_ +
                        engine::transfer_bytes(engine::trace(*setting_->architecture, submodel)) +
                        engine::update_bytes(*setting_->architecture, submodel, compression);
  return {.label = "encode model",
          .at = 0,
          .seconds = each.seconds,
          .watts = each.watts,
          .flops = step.flops(),
          .memory = memory,
          .work = engine::EncodeModel{}};
}

Activity LocalUpdates::decoding_model(const NodeSetting& node, const engine::Submodel& submodel,
                                      const engine::Compression& compression) const {
  const engine::Trace trace = engine::trace(*setting_->architecture, submodel);
  const engine::StepCost step = engine::model_decoding_step(trace.parameters(), compression);
  const platforms::Prediction each = platforms::predict(step, *node.machine);
  return {.label = "decode model",
          .at = 1,
          .seconds = each.seconds,
          .watts = each.watts,
          .flops = step.flops(),
          .memory = node.machine->context + engine::transfer_bytes(trace) +
                    engine::update_bytes(*setting_->architecture, submodel, compression),
          .work = engine::DecodeModel{}};
}

Activity LocalUpdates::choosing_masks(const NodeSetting& node, const engine::Submodel& wide,
                                      const LocalWork& work) const {
  const engine::Trace trace = engine::trace(*setting_->architecture, wide, true);
  const auto phase = work.scores_members ? engine::Phase::importance : engine::Phase::mask;
  const Steps steps =
      training_steps(*setting_, node, trace,
                     {.phase = phase, .epochs = work.mask_epochs, .steps = work.mask_steps});
  const double memory = engine::training_memory(trace, setting_->optimizer, phase,
                                                largest_batch(node), false, setting_->precision)
                            .total();
  engine::Work choosing = engine::LearnMasks{work.mask_epochs};
  if (work.scores_members) choosing = engine::ScoreMembers{work.mask_epochs, work.mask_steps};
  return {.label = "mask",
          .at = 1,
          .seconds = steps.seconds,
          .watts = steps.watts(),
          .flops = steps.flops,
          .memory = node.machine->context + memory,
          .work = choosing};
}

Activity LocalUpdates::encoding(const NodeSetting& node, const engine::Submodel& submodel,
                                const engine::Compression& compression) const {
  const double parameters = engine::trace(*setting_->architecture, submodel).parameters();
  const engine::StepCost step = engine::encoding_step(parameters, compression);
  const platforms::Prediction each = platforms::predict(step, *node.machine);
  return {.label = "encode",
          .at = 1,
          .seconds = each.seconds,
          .watts = each.watts,
          .flops = step.flops(),
          .memory = node.machine->context + engine::encoding_memory(parameters, compression),
          .work = engine::Encode{}};
}

Activity LocalUpdates::training(const NodeSetting& node, const engine::Submodel& submodel,
                                const engine::Train& work, const engine::StepExtras& extras) const {
  const engine::Trace trace = engine::trace(*setting_->architecture, submodel);
  const Steps steps = training_steps(
      *setting_, node, trace, {.epochs = work.epochs, .steps = work.steps, .extras = extras});
  Activity activity{.label = "train",
                    .at = 1,
                    .seconds = steps.seconds,
                    .watts = steps.watts(),
                    .flops = steps.flops};
  activity.memory =
      node.machine->context + engine::training_memory(trace, setting_->optimizer,
                                                      engine::Phase::weights, largest_batch(node),
                                                      keeps_received_, setting_->precision)
                                  .total();
  activity.work = work;
  return activity;
}

Activity LocalUpdates::sized(NodeId id, const Activity& activity, const engine::Submodel& submodel,
                             const LocalWork& work) const {
  const engine::Architecture& a = *setting_->architecture;
  Activity sized = activity;
  if (activity.kind == ActivityKind::transfer) {
    const bool up = activity.to == 0;
    sized.bytes = engine::update_bytes(a, submodel, up ? work.compression : work.download, up);
    if (sized.whole_bytes > 0) sized.whole_bytes = engine::update_bytes(a, submodel, {}, up);
    return sized;
  }
  const NodeSetting& node = setting_->nodes[id];
  const auto* train = std::get_if<engine::Train>(&activity.work);
  Activity cost;
  if (train != nullptr) {
    cost = training(node, submodel, *train, work.extras);
  } else if (std::holds_alternative<engine::EncodeModel>(activity.work)) {
    cost = encoding_model(submodel, work.download);
  } else if (std::holds_alternative<engine::DecodeModel>(activity.work)) {
    cost = decoding_model(node, submodel, work.download);
  } else {
    cost = encoding(node, submodel, work.compression);
  }
  sized.seconds = cost.seconds;
  sized.watts = cost.watts;
  sized.flops = cost.flops;
  sized.memory = cost.memory;
  if (train != nullptr) {
    const double parameters = engine::trace(a, submodel).parameters();
    sized.memory += residual_memory(parameters, work);
  }
  return sized;
}

LocalUpdate LocalUpdates::make_fixed(const NodeSetting& node, const LocalWork& work) const {
  const FixedCost& cost = *setting_->fixed;
  LocalUpdate update;
  update.memory = cost.memory_bytes;
  const engine::EpochPlan epoch = engine::plan_epoch(node.samples, node.batch, false);
  update.samples = static_cast<double>(
      engine::count_batches(epoch, work.weight_epochs, work.weight_steps).samples());
  update.upload_bytes = cost.upload_bytes;
  update.depth = setting_->architecture->depth();
  TaskGraph& graph = update.graph;
  const int model = graph.transfer("download", graph.artifact("model", cost.download_bytes, 0), 1);
  const int delta = graph.compute(
      {.label = "train", .at = 1, .seconds = cost.compute_s, .memory = cost.memory_bytes}, {model},
      {"update", cost.upload_bytes});
  graph.transfer("upload", delta, 0);
  return update;
}

// A pass of all nodes' samples, on the server; in FP32 as an aggregation.
Activity LocalUpdates::taking(const engine::Statistics& work) const {
  const engine::Architecture& a = *setting_->architecture;
  const engine::Trace trace = engine::trace(a, engine::full_submodel(a));
  std::int64_t samples = 0;
  for (const NodeSetting& node : setting_->nodes) samples += node.samples;
  const engine::EpochPlan plan =
      engine::plan_epoch(samples, work.batch, engine::needs_two_samples(trace));
  Steps total;
  const auto add = [&](std::int64_t batch, std::int64_t times) {
    if (batch == 0 || times == 0) return;
    total.add(engine::inference_step(trace, static_cast<int>(batch)), times,
              *setting_->nodes.front().machine);
  };
  add(plan.batch, plan.whole);
  add(plan.rest, 1);
  const std::int64_t largest = plan.whole > 0 ? plan.batch : plan.rest;
  return {.label = "statistics",
          .at = 0,
          .seconds = total.seconds,
          .watts = total.watts(),
          .flops = total.flops,
          .memory = engine::inference_memory(trace, static_cast<int>(largest)),
          .work = work};
}

Activity LocalUpdates::aggregating(const AggregatedUpdates& updates,
                                   const engine::Rule* rule) const {
  Activity work{.label = "aggregate", .at = 0, .work = engine::Aggregate{}};
  if (setting_->fixed) {
    work.seconds = setting_->fixed->aggregate_s;
    return work;
  }
  const std::size_t slots = rule != nullptr ? rule->state().size() : 0;
  const bool compares = rule != nullptr && rule->needs().received;
  const bool counts = rule != nullptr && rule->needs().at_work;
  std::vector<double> moved;
  moved.reserve(updates.bytes.size() + updates.at_work.size() + slots);
  moved = updates.bytes;
  if (counts) moved.insert(moved.end(), updates.at_work.begin(), updates.at_work.end());
  moved.insert(moved.end(), slots, model_bytes_);
  engine::StepCost step =
      engine::aggregation_step(model_bytes_, moved, compares ? updates.behind : 0);
  for (std::size_t i = 0; i < updates.encoded.size(); ++i) {
    if (updates.encoded[i] == 0) continue;
    step.kernels.push_back(engine::decoding_pass(updates.encoded[i], updates.bytes[i]));
  }
  const platforms::Prediction each = platforms::predict(step, *setting_->nodes.front().machine);
  work.seconds = each.seconds;
  work.watts = each.watts;
  work.flops = step.flops();
  // The model, the sums, the rule's state, the versions that the rule compares with, the weights of
  // those at work, and one update at a time or all of them.
  work.memory = (2 + static_cast<double>(slots)) * model_bytes_;
  if (compares) work.memory += static_cast<double>(updates.versions_behind) * model_bytes_;
  if (counts) work.memory += model_bytes_;
  if (rule != nullptr && rule->needs().changes) {
    work.memory += std::accumulate(updates.bytes.begin(), updates.bytes.end(), 0.0);
  } else if (!updates.bytes.empty()) {
    work.memory += *std::ranges::max_element(updates.bytes);
  }
  return work;
}

std::shared_ptr<const TaskGraph> LocalUpdates::aggregation(const AggregatedUpdates& updates,
                                                           const engine::Rule* rule,
                                                           const engine::Work& then) const {
  auto graph = std::make_shared<TaskGraph>(1, updates.bytes.size() + 2);
  std::vector<int> inputs;
  inputs.reserve(updates.bytes.size() + 1);
  inputs.push_back(graph->artifact("model", model_bytes_, 0));
  for (const double bytes : updates.bytes) inputs.push_back(graph->artifact("update", bytes, 0));
  const int next = graph->compute(aggregating(updates, rule), inputs, {"model", model_bytes_});
  const auto* statistics = std::get_if<engine::Statistics>(&then);
  if (statistics != nullptr && !setting_->fixed) {
    graph->compute(taking(*statistics), {next}, {"model", model_bytes_});
  }
  if (const auto* reconfigure = std::get_if<engine::Reconfigure>(&then)) {
    inputs.front() = next;
    graph->compute(reconfiguring(*reconfigure, updates.bytes.size()), std::move(inputs),
                   {"model", model_bytes_});
  }
  return graph;
}

}  // namespace convoy::sim
