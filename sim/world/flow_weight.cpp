#include "sim/world/flow_weight.hpp"

#include <algorithm>
#include <simgrid/kernel/resource/Action.hpp>
#include <simgrid/kernel/resource/Model.hpp>
#include <simgrid/s4u.hpp>
#include <stdexcept>

namespace convoy::sim {

using simgrid::kernel::resource::Action;

Action& flow_of(const simgrid::s4u::Activity& comm) {
  const auto* const wanted = comm.get_impl();
  for (simgrid::kernel::resource::Model* const model :
       simgrid::s4u::Engine::get_instance()->get_all_models()) {
    auto& started = *model->get_started_action_set();
    const auto found = std::find_if(started.rbegin(), started.rend(), [&](const Action& action) {
      return action.get_activity() == wanted;
    });
    if (found != started.rend()) return *found;
  }
  throw std::logic_error("SimGrid has no flow of a transfer that was started");
}

double usual_penalty(const std::vector<simgrid::s4u::Link*>& route, double latency_s, bool lv08) {
  if (latency_s <= 0) return 1;
  constexpr double lv08_bytes = 20537;  // network/weight-S
  double penalty = latency_s;
  for (const simgrid::s4u::Link* link : route) {
    if (lv08) penalty += lv08_bytes / link->get_bandwidth();
  }
  return penalty;
}

void note_penalty(Action& flow, double penalty) { flow.set_sharing_penalty_no_update(penalty); }

void set_penalty(Action& flow, double penalty) {
  if (flow.is_suspended()) {
    note_penalty(flow, penalty);
  } else {
    flow.set_sharing_penalty(penalty);
    look_at_all_links(flow);
  }
}

void look_at_all_links(Action& flow) { flow.set_bound(flow.get_bound()); }

}  // namespace convoy::sim
