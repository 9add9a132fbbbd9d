#pragma once

// A star zone to which hosts, links and routes can be added while the simulation runs. Internal to
// sim/world.
//
// When a simulation begins, SimGrid closes the zones of its tree for good. This one is in no tree,
// so that nobody closes it, and has the models of the root. What all hosts of the platform are in
// needs no way to other zones. Uses SimGrid's internals.

#include <memory>
#include <simgrid/kernel/routing/StarZone.hpp>
#include <simgrid/s4u.hpp>
#include <string>

namespace convoy::sim {

class OpenZone : public simgrid::kernel::routing::StarZone {
 public:
  // To be destroyed before SimGrid's engine.
  OpenZone(const std::string& name, simgrid::s4u::NetZone& root) : StarZone(name) {
    auto* const models = root.get_impl();
    set_cpu_pm_model(models->get_cpu_pm_model());
    set_cpu_vm_model(models->get_cpu_vm_model());
    set_network_model(models->get_network_model());
    set_disk_model(models->get_disk_model());
    set_host_model(models->get_host_model());
  }
  ~OpenZone() override = default;
};

}  // namespace convoy::sim
