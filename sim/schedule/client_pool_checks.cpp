// Which nodes can take part, and what a pool's options cannot have together: part of ClientPool.

#include <fmt/format.h>

#include "base/text.hpp"
#include "engine/model/stage.hpp"
#include "engine/model/trace.hpp"
#include "sim/schedule/client_pool.hpp"
#include "sim/schedule/split_update.hpp"

namespace convoy::sim {

// Static norms take a pass of the server that is charged by the model's own norms.
void ClientPool::check_norms() const {
  if (!options_.learning.static_norms || !setting_->learned_as || has_norms_) return;
  const engine::Architecture& learned = *setting_->learned_as;
  if (engine::trace(learned, engine::full_submodel(learned)).buffers() <= 0) return;
  throw base::UserError(fmt::format(
      "training.learn_as: {} has batch norms and {} has none, so that the server's pass for their "
      "statistics has no cost: set schedule.heterofl.batch_norm = \"running\"",
      setting_->learned_as->name, setting_->architecture->name));
}

// What cannot be had together with weights learned element by element.
void ClientPool::check_elements() const {
  const engine::ElementKind elements = options_.learning.elements.kind;
  if (elements == engine::ElementKind::all) return;
  const std::string kind = elements == engine::ElementKind::pruned ? "prunefl" : "fedpm";
  if (!options_.compression.is_none()) {
    throw base::UserError(fmt::format(
        "schedule.compression: what {} sends is compressed already, by its masks; leave it out",
        kind));
  }
  if (setting_->fixed) {
    throw base::UserError(fmt::format(
        "training.fixed_cost: what {} sends and computes follows from its masks; leave it out",
        kind));
  }
  if (elements == engine::ElementKind::pruned && setting_->learned_as) {
    throw base::UserError(fmt::format(
        "training.learn_as: prunefl chooses weights by what each of {}'s layers costs, which says "
        "nothing of {}'s; leave it out, or choose another schedule",
        setting_->architecture->name, setting_->learned_as->name));
  }
  if (elements == engine::ElementKind::sampled && setting_->proximal > 0) {
    throw base::UserError(
        "training.proximal: fedpm trains scores, not weights that could be pulled back; leave it "
        "out");
  }
}

// What cannot be had together with tasks that are split between a node and the server.
void ClientPool::check_split() const {
  const engine::LearningRules& learning = options_.learning;
  const auto refuse = [](const std::string& key, const std::string& why) {
    throw base::UserError(fmt::format(
        "{}: {}; leave it out, or choose a schedule that does not split the model", key, why));
  };
  for (NodeId node = 1; options_.rates && node < std::ssize(setting_->nodes); ++node) {
    if (rate(node) >= 1) continue;
    refuse("schedule.rates", "a node and the server train the full model together, no submodel");
  }
  if (!options_.compression.is_none()) {
    refuse("schedule.compression",
           "what a split task sends with every batch is not compressed, and its update is joined "
           "at the server");
  }
  if (learning.elements.kind != engine::ElementKind::all) {
    refuse("schedule", "masks of single weights are learned by whole models only");
  }
  if (setting_->proximal > 0) {
    refuse("training.proximal", "a part of a model does not know how far the whole has moved");
  }
  if (options_.proximal > 0) {
    refuse("schedule.fedprox.mu", "a part of a model does not know how far the whole has moved");
  }
  if (setting_->clip > 0) {
    refuse("training.clip", "a part of a model does not know the norm of the whole gradient");
  }
  if (setting_->keeps_optimizer) {
    refuse("training.optimizer_state = \"kept\"",
           "only the node's part of the state would be kept");
  }
  if (setting_->test_locally) {
    refuse("evaluation.local", "a node has only a part of the model that it would test");
  }
  if (learning.labels.masked || learning.labels.told) {
    refuse(learning.labels.told ? "schedule.aggregation" : "masked_loss",
           "the server's part does not know which labels a node has none of");
  }
  const engine::Architecture& a = setting_->learned();
  const engine::Trace trace = engine::trace(a, engine::full_submodel(a));
  if (learning.transfer.weight > 0 && engine::exits_in(trace, engine::whole(trace)) > 1) {
    refuse("schedule.transfer.weight", "exits teach one another only within one part of a model");
  }
}

// Why a node's task does not fit: behind "its task".
std::string ClientPool::why_unfit(NodeId id) {
  const NodeSetting& node = setting_->nodes[id];
  const LocalWork work = this->work(id, has_mask_phase(id), 0);
  const auto update = updates_.of(id, work);
  std::string reason =
      fmt::format("needs {} of memory and {} has {}", base::human_bytes(update->memory),
                  node.machine->device, base::human_bytes(node.machine->memory));
  if (!work.split) return reason;
  const platforms::Machine& server = *setting_->nodes[server_node].machine;
  if (update->memory <= node.machine->memory) {
    reason = fmt::format("needs {} of memory at the server, and that ({}) has {}",
                         base::human_bytes(update->server_memory), server.device,
                         base::human_bytes(server.memory));
  }
  const engine::Architecture& a = *setting_->architecture;
  const engine::Trace trace = engine::trace(a, engine::full_submodel(a));
  const int nearest = nearest_fitting_cut(*setting_, node, work);
  const std::string hint = nearest == 0
                               ? "no cut fits"
                               : fmt::format("the nearest cut that fits is \"{}\" (position {})",
                                             engine::name_of_cut(trace, nearest), nearest);
  return fmt::format("{} with the cut at \"{}\" (position {}; {})", reason,
                     engine::name_of_cut(trace, work.split->cut), work.split->cut, hint);
}

void ClientPool::require_server_memory() {
  const NodeSetting& server = setting_->nodes[server_node];
  if (options_.compression.download.is_none() || server.machine->memory <= 0) return;
  constexpr std::int64_t last = std::numeric_limits<std::int64_t>::max();
  double most = 0;
  for (const NodeId node : members_) {
    for (const std::int64_t version : {std::int64_t{0}, last}) {
      const auto update = updates_.of(node, work(node, has_mask_phase(node), version));
      for (const Activity& a : update->graph.activities()) {
        if (a.kind == ActivityKind::compute && a.at == 0) most = std::max(most, a.memory);
      }
    }
  }
  if (most <= server.machine->memory) return;
  throw base::UserError(fmt::format(
      "schedule.compression.download: to compress a model for a node takes {} of memory, and the "
      "server ({}) has {}; leave it out, or give fleet.server more memory",
      base::human_bytes(most), server.machine->device, base::human_bytes(server.machine->memory)));
}

}  // namespace convoy::sim
