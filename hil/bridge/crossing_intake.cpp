#include "hil/bridge/crossing_intake.hpp"

#include <fmt/format.h>

#include "engine/api/largest_crossing.hpp"

namespace convoy::hil {

using sim::NodeId;
using sim::TaskId;

void CrossingIntake::assigned(engine::TaskInput input,
                              const std::shared_ptr<const sim::TaskGraph>& graph) {
  Peer& peer = peers_.by_node.at(input.node);
  peers_.node_of[input.task] = input.node;
  const auto split = sim::SplitTask::of(graph);
  if (split) {
    for (const auto& [first, last] : split->worker_layers()) input.stages.push_back({first, last});
    splits_.begin(input, peer.samples, split);
  }
  peer.dialogue->add(input, graph, split);
}

void CrossingIntake::offered(Peer& peer, const wire::Offer& offer,
                             const engine::Architecture& architecture) {
  const TaskId task = offer.task();
  const std::int32_t attempt = offer.attempt();
  const auto wanted = peer.dialogue->crosses(task, attempt, offer.artifact());
  if (!wanted) return;
  const auto connection = peer.connection;
  connection->hold();
  parcels_.box(
      offer.header()->str(), offer.bytes(),
      fmt::format("node {} ({})", roster_.name_of(peer.node), peer.name),
      [this, node = peer.node, connection, transfer = offer.transfer(), task, attempt,
       activity = wanted->activity](const std::shared_ptr<engine::Unpacking>& box,
                                    const std::string& trouble) {
        if (!trouble.empty()) {
          if (Peer* there = peers_.at(node)) {
            there->dialogue->failed(task, attempt, -1, 0, sim::Cause::refused, trouble);
          }
          connection->go_on(transfer, nullptr, nullptr);
          return;
        }
        connection->go_on(transfer, box, [this, node, box, task, attempt, activity] {
          arrived(node, box, task, attempt, activity);
        });
      },
      engine::largest_crossing(architecture, wanted->input));
}

void CrossingIntake::arrived(NodeId node, const std::shared_ptr<engine::Unpacking>& box,
                             TaskId task, std::int32_t attempt, int activity) {
  const sim::WallTime stamp = sim::wall_now();
  peers_.by_node.at(node).dialogue->arrived(task, attempt, stamp);
  splits_.came(task, activity, box, [=, this](SplitWorker::Verdict verdict) {
    computed(node, task, attempt, stamp, std::move(verdict));
  });
}

void CrossingIntake::computed(NodeId node, TaskId task, std::int32_t attempt, sim::WallTime stamp,
                              SplitWorker::Verdict verdict) {
  Peer* peer = peers_.at(node);
  if (peer == nullptr) return;
  NodeDialogue& dialogue = *peer->dialogue;
  if (!verdict.unsaved.empty()) {
    trouble_(fmt::format("the update of task {} could not be kept: {}", task, verdict.unsaved));
    return;
  }
  if (!verdict.trouble.empty()) {
    dialogue.failed(task, attempt, -1, 0, verdict.cause, verdict.trouble);
    return;
  }
  if (!dialogue.knows(task)) return;  // cancelled meanwhile
  const bool is_over = verdict.outcome.has_value();
  if (is_over) {
    parcels_.keep(task, *std::move(verdict.outcome));
    splits_.forget(task);
  }
  if (!dialogue.filed(task, attempt, stamp) && is_over) parcels_.forget(task);
}

}  // namespace convoy::hil
