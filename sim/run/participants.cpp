#include "sim/run/participants.hpp"

#include <memory>
#include <utility>

namespace convoy::sim {

Participants participants_of(const Scenario& scenario) {
  Participants all;
  for (std::size_t i = 0; i < scenario.world.nodes.size(); ++i) {
    const std::optional<RealNode>& real = scenario.world.nodes[i].real;
    all.push_back({real.has_value(), false, scenario.setting->nodes[i].samples, false});
  }
  return all;
}

Scenario with(Scenario scenario, const Participants& participants) {
  auto setting = std::make_shared<Setting>(*scenario.setting);
  scenario.world.nodes.change_all([](NodeConfig& node) { node.real.reset(); });
  for (std::size_t i = 0; i < participants.size(); ++i) {
    const Participant& participant = participants[i];
    if (!participant.is_real) continue;
    std::optional<RealNode>& real = scenario.world.nodes[i].real;
    real = std::as_const(scenario.identities)[i].real;
    real->present = participant.is_present;
    const std::int64_t samples = std::as_const(setting->nodes)[i].samples;
    if (!participant.own_data && participant.samples == samples) continue;
    setting->nodes[i].samples = participant.samples;
    scenario.parts[i] = {.train = {}, .test = {}, .unlisted = participant.samples};
  }
  scenario.setting = std::move(setting);
  return scenario;
}

}  // namespace convoy::sim
