#include "hil/bridge/agent_link.hpp"

#include <utility>

namespace convoy::hil {

void AgentLink::assign(const engine::TaskInput& input, std::int32_t attempt) {
  auto assign = of_task<wire::AssignT>(input.task, attempt);
  assign.version = input.version;
  assign.brief = engine::to_text(input.brief);
  assign.split = !input.stages.empty();
  connection().send(std::move(assign));
  parcels_.pack(input, [this, attempt, id = input.task, number = peer().connections](
                           const auto& parcel, const std::string& trouble) {
    Peer& p = peer();
    if (!trouble.empty()) {
      p.dialogue->failed(id, attempt, -1, 0, sim::Cause::failed, trouble);
    } else if (p.connection && p.connections == number && p.dialogue->knows(id)) {
      p.connection->send_parcel(id, attempt, std::move(*parcel));
    }
  });
}

void AgentLink::begin(const wire::BeginT& begin) { connection().send(wire::BeginT(begin)); }

void AgentLink::cross(sim::TaskId task, std::int32_t attempt, int artifact) {
  const engine::Parcel* parcel = splits_.parcel(task, artifact);
  if (parcel != nullptr) connection().send_parcel(task, attempt, *parcel, artifact);
}

void AgentLink::cancel(sim::TaskId task, std::int32_t attempt) {
  connection().drop_parcels(task);
  connection().send(of_task<wire::CancelT>(task, attempt));
}

void AgentLink::kept(sim::TaskId task, std::int32_t attempt) {
  connection().send(of_task<wire::KeptT>(task, attempt));
}

void ClockReports::started(sim::ElasticClock::Id id, sim::WallTime stamp,
                           sim::WallSeconds allowance) {
  if (auto* clock = presence_.clock()) clock->started(id, stamp, allowance);
}
void ClockReports::stopped(sim::ElasticClock::Id id, sim::WallTime stamp) {
  if (auto* clock = presence_.clock()) clock->stopped(id, stamp);
}
void ClockReports::ended(sim::ElasticClock::Id id, sim::WallTime stamp) {
  if (auto* clock = presence_.clock()) clock->ended(id, stamp);
}
void ClockReports::ended_after(sim::ElasticClock::Id id, sim::WallSeconds duration) {
  if (auto* clock = presence_.clock()) clock->ended_after(id, duration);
}
void ClockReports::failed(sim::ElasticClock::Id id, sim::Cause cause, const std::string& why) {
  if (auto* clock = presence_.clock()) clock->failed(id, cause, why);
}

}  // namespace convoy::hil
