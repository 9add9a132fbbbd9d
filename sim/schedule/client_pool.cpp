#include "sim/schedule/client_pool.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "base/text.hpp"
#include "engine/rules/registry.hpp"
#include "sim/schedule/memory_class.hpp"

namespace convoy::sim {

ClientPoolOptions read_client_pool(base::TableReader& reader, std::map<int, double> rates,
                                   const engine::TransferOptions& transfer,
                                   const engine::MaskOptions& mask, const std::string& rule) {
  ClientPoolOptions options;
  if (!rates.empty() || reader.has("rates")) {
    options.rates = read_by_memory_class(
        reader,
        {"rates", "size of a node's submodel as a share of the model; or a value by memory class",
         "the full model"},
        base::above(0).up_to(1), std::move(rates));
  }
  options.learning.mask = engine::read_mask(
      reader.table({"mask", "how a node with a rate below 1 chooses what it keeps"}), mask);
  options.learning.transfer = engine::read_transfer(
      reader.table({"transfer", "knowledge transfer from the deepest exit to the others"}),
      transfer);
  options.compression = engine::read_compression(
      reader.table({"compression", "which elements of an update are sent, and in how many bits"}));
  options.learning.aggregation = engine::read_aggregation(reader, rule);
  options.skip_unfit = reader.choice(
      {"unfit", "a node whose memory does not hold its task: is left out, or is an error"},
      ClientPoolOptions::unfit_words, options.skip_unfit);
  return options;
}

ClientPool::ClientPool(std::shared_ptr<const Setting> setting, ClientPoolOptions options)
    : setting_(std::move(setting)),
      options_(std::move(options)),
      updates_(setting_, options_.proximal > 0) {
  const auto count = static_cast<NodeId>(setting_->nodes.size());
  takes_part_.assign(setting_->nodes.size(), false);
  done_.assign(setting_->nodes.size(), 0);
  if (setting_->fixed && !options_.compression.is_none()) {
    throw base::UserError(
        "schedule.compression: training.fixed_cost gives the bytes of an update; give the "
        "compressed "
        "size there");
  }
  bool data = false;
  for (NodeId node = 1; node < count; ++node) {
    const NodeSetting& n = setting_->nodes[node];
    if (n.samples == 0) continue;
    data = true;
    if (!fits(node)) {
      if (options_.skip_unfit) continue;
      throw base::UserError(fmt::format(
          "node {}: its task needs {} of memory and {} has {}; lower its batch or its rate, or set "
          "schedule.unfit = \"skip\"",
          n.name, base::human_bytes(updates_.of(node, work(node, has_mask_phase(node)))->memory),
          n.machine->device, base::human_bytes(n.machine->memory)));
    }
    takes_part_[node] = true;
    members_.push_back(node);
  }
  if (!members_.empty()) return;
  if (!data) throw base::UserError("no node has any data to train on; raise data.samples");
  throw base::UserError(
      "no node's memory holds its task; lower training.batch or the rates, or choose a smaller "
      "model or larger devices (convoy check shows what each needs)");
}

double ClientPool::rate(NodeId node) const {
  if (!options_.rates) return 1;
  return options_.rates->of(setting_->nodes[node].machine->memory_class_gb);
}

// A node that keeps all members needs no masks.
bool ClientPool::has_masks(NodeId node) const {
  const engine::MaskOptions& mask = options_.learning.mask;
  const bool chooses = mask.tasks > 0 || engine::is_window(mask.selection);
  return options_.rates && chooses && rate(node) < 1 && !setting_->fixed;
}

// Only learned masks cost time; the other selections are free.
bool ClientPool::has_mask_phase(NodeId node) const {
  return has_masks(node) && options_.learning.mask.selection == engine::Selection::learned;
}

bool ClientPool::masks_next(NodeId node) const {
  if (!has_masks(node)) return false;
  const engine::MaskOptions& mask = options_.learning.mask;
  if (engine::is_window(mask.selection)) return true;
  const int done = done_[node];
  if (done < mask.tasks) return true;
  return mask.refresh > 0 && (done - mask.tasks + 1) % mask.refresh == 0;
}

LocalWork ClientPool::work(NodeId node, bool masks, std::optional<int> instead) const {
  const int epochs = instead.value_or(setting_->local_epochs);
  LocalWork work;
  work.rate = rate(node);
  work.full_width = options_.learning.mask.selection == engine::Selection::depth;
  work.all_blocks = options_.learning.mask.all_blocks;
  work.sampled = options_.learning.mask.sampled && has_mask_phase(node);
  work.compression = options_.compression;
  work.mask_epochs = masks ? options_.learning.mask.epochs : 0;
  work.weight_epochs = masks ? epochs - epochs / 2 : epochs;
  if (const auto steps = setting_->local_steps) {
    work.weight_steps = masks ? *steps - *steps / 2 : *steps;
  }
  return work;
}

std::optional<double> ClientPool::place(NodeId node) const {
  if (options_.learning.mask.selection != engine::Selection::staggered) return std::nullopt;
  const auto before = std::lower_bound(members_.begin(), members_.end(), node) - members_.begin();
  return static_cast<double>(before) / static_cast<double>(members_.size());
}

bool ClientPool::fits(NodeId node) {
  if (has_mask_phase(node) && !updates_.fits(node, work(node, true))) return false;
  return updates_.fits(node, work(node, false));
}

bool ClientPool::takes_part(NodeId node) const { return takes_part_[node]; }

Assign ClientPool::assign(NodeId node, std::optional<int> epochs) {
  const bool chooses = masks_next(node);
  const bool masks = chooses && has_mask_phase(node);
  const auto update = updates_.of(node, work(node, masks, epochs));
  const TaskId id = next_++;
  tasks_[id] = {node, update->upload_bytes};
  return {.task = id,
          .graph = std::shared_ptr<const TaskGraph>(update, &update->graph),
          .members = {server_node, node},
          .worker = 1,
          .brief = {.rate = rate(node),
                    .batch = setting_->nodes[node].batch,
                    .choose_masks = chooses,
                    .test_locally = setting_->test_locally,
                    .compression = options_.compression,
                    .place = place(node),
                    .proximal =
                        options_.proximal > 0 ? std::optional(options_.proximal) : std::nullopt},
          .label = masks ? "mask" : "train",
          .rate = rate(node),
          .samples = update->samples};
}

Activity ClientPool::sized(TaskId task, const Activity& expected,
                           const engine::Submodel& submodel) const {
  return updates_.sized(tasks_.at(task).node, expected, submodel, options_.compression);
}

void ClientPool::done(TaskId task) { ++done_[tasks_.at(task).node]; }

void ClientPool::failed(TaskId task) { tasks_.erase(task); }

Assign ClientPool::aggregate(std::vector<TaskId> tasks) {
  std::sort(tasks.begin(), tasks.end());
  std::vector<double> bytes;
  for (const TaskId task : tasks) {
    bytes.push_back(tasks_.at(task).upload_bytes);
    tasks_.erase(task);
  }
  const auto graph = updates_.aggregation(bytes, options_.learning.aggregation.rule.get());
  return {.task = next_aggregation_++,
          .graph = graph,
          .members = {server_node},
          .kind = TaskKind::aggregation,
          .consumes = std::move(tasks),
          .publishes = graph->result(),
          .label = "aggregate"};
}

std::vector<PlannedTask> ClientPool::plan(std::size_t most) {
  std::vector<PlannedTask> tasks;
  std::vector<double> uploads;
  for (NodeId node = 1; node < static_cast<NodeId>(setting_->nodes.size()); ++node) {
    if (setting_->nodes[node].samples == 0) continue;
    for (const bool masks : {true, false}) {
      if (masks && !has_mask_phase(node)) continue;
      const auto update = updates_.of(node, work(node, masks));
      tasks.push_back({node,
                       masks ? "mask" : "train",
                       std::shared_ptr<const TaskGraph>(update, &update->graph),
                       {server_node, node},
                       rate(node),
                       update->memory,
                       update->depth});
      if (!masks && takes_part(node)) uploads.push_back(update->upload_bytes);
    }
  }
  if (uploads.size() > most) {
    std::ranges::sort(uploads, std::greater());
    uploads.resize(most);
  }
  const auto graph = updates_.aggregation(uploads, options_.learning.aggregation.rule.get());
  tasks.push_back(
      {server_node, "aggregate", graph, {server_node}, 1, graph->activities().front().memory});
  return tasks;
}

}  // namespace convoy::sim
