#include "sim/world/flow_weight.hpp"

#include <algorithm>
#include <simgrid/s4u.hpp>

namespace convoy::sim {
void FlowWeights::begins(const simgrid::s4u::Activity* comm, simgrid::s4u::Link* own,
                         double latency_s, double bytes_per_s) {
  const std::uint64_t id = next_++;
  flows_[comm] = {id, own, own->get_latency(), false};
  on_[own] = comm;
  const double now = simgrid::s4u::Engine::get_clock();
  at_(now + latency_s, [this, comm, id, latency_s, bytes_per_s] {
    const auto found = flows_.find(comm);
    if (found == flows_.end() || found->second.id != id) return;
    Flow& flow = found->second;
    const double more = penalty_of_a_byte_per_s / bytes_per_s - latency_s;
    flow.raised = true;
    flow.own->set_latency(std::max(0.0, flow.latency_s + more));
  });
}

void FlowWeights::restore(Flow& flow) {
  if (flow.raised) flow.own->set_latency(flow.latency_s);
  flow.raised = false;
}

void FlowWeights::ends(const simgrid::s4u::Activity* comm) {
  const auto found = flows_.find(comm);
  if (found == flows_.end()) return;
  restore(found->second);
  if (on_[found->second.own] == comm) on_.erase(found->second.own);
  flows_.erase(found);
}

void FlowWeights::clears(simgrid::s4u::Link* own) {
  if (const auto there = on_.find(own); there != on_.end()) ends(there->second);
}

}  // namespace convoy::sim
