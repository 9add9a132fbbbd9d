#include "hil/bridge/update_intake.hpp"

#include <fmt/format.h>

namespace convoy::hil {

using sim::Cause;
using sim::NodeId;
using sim::TaskId;

void UpdateIntake::offered(Peer& peer, const wire::Offer& offer) {
  const TaskId id = offer.task();
  const std::int32_t attempt = offer.attempt();
  const auto input = peer.dialogue->offered(id, attempt);
  if (!input) return;
  const std::string from = fmt::format("node {} ({})", roster_.name_of(peer.node), peer.name);
  const std::string header = offer.header()->str();
  // The worker parses the header: a long one must not block other connections.
  const auto connection = peer.connection;
  connection->hold();
  parcels_.box(
      header, offer.bytes(), from,
      [this, node = peer.node, connection, transfer = offer.transfer(), header, task = *input,
       attempt](const std::shared_ptr<engine::Unpacking>& box, const std::string& trouble) {
        if (!trouble.empty()) {
          if (Peer* there = peers_.at(node)) {
            there->dialogue->failed(task.task, attempt, -1, 0, Cause::refused, trouble);
          }
          connection->go_on(transfer, nullptr, nullptr);
          return;
        }
        connection->go_on(transfer, box, [this, node, box, header, task, attempt] {
          arrived(node, box, header, task, attempt);
        });
      });
}

void UpdateIntake::arrived(NodeId node, const std::shared_ptr<engine::Unpacking>& box,
                           const std::string& header, const engine::TaskInput& task,
                           std::int32_t attempt) {
  const sim::WallTime stamp = sim::wall_now();
  Peer& peer = peers_.by_node.at(node);
  peer.dialogue->arrived(task.task, attempt, stamp);
  const bool last = !peer.dialogue->goes_on(task.task);
  parcels_.file(box, header, task, peer.samples, last,
                [=, this, id = task.task](ParcelWorker::Verdict v) {
                  filed(node, id, attempt, stamp, std::move(v));
                });
}

void UpdateIntake::filed(NodeId node, TaskId id, std::int32_t attempt, sim::WallTime stamp,
                         ParcelWorker::Verdict verdict) {
  Peer* peer = peers_.at(node);
  if (peer == nullptr) return;
  NodeDialogue& dialogue = *peer->dialogue;
  // This machine could not save the update (a full disk, say). The node keeps its result, since it
  // gets no acknowledgement.
  if (!verdict.unsaved.empty()) {
    trouble_(fmt::format("the update of task {} could not be kept: {}", id, verdict.unsaved));
    return;
  }
  if (!verdict.trouble.empty()) {
    dialogue.failed(id, attempt, -1, 0, verdict.cause, verdict.trouble);
    return;
  }
  if (!dialogue.knows(id)) return;  // cancelled meanwhile
  parcels_.keep(id, std::move(verdict.outcome));
  if (!dialogue.filed(id, attempt, stamp)) parcels_.forget(id);
}

}  // namespace convoy::hil
