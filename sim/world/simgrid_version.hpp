#pragma once

// Differences between the supported SimGrid versions: 3.32 (Debian 12) and 4.0 (Debian 13).

#include <simgrid/version.h>

#include <simgrid/s4u.hpp>
#include <string>
#include <vector>

namespace convoy::sim {

#define CONVOY_SIMGRID_4 (SIMGRID_VERSION_MAJOR >= 4)

// A star zone for hosts. In 4.0 it must lie within another zone, or it has no models.
inline simgrid::s4u::NetZone* star_zone(const std::string& name) {
#if CONVOY_SIMGRID_4
  return simgrid::s4u::Engine::get_instance()->get_netzone_root()->add_netzone_star(name);
#else
  return simgrid::s4u::create_star_zone(name);
#endif
}

// `speed`: FLOP/s, or a list with the FLOP/s of each pstate.
template <class Speed>
simgrid::s4u::Host* add_host(simgrid::s4u::NetZone* zone, const std::string& name,
                             const Speed& speed) {
#if CONVOY_SIMGRID_4
  return zone->add_host(name, speed);
#else
  return zone->create_host(name, speed);
#endif
}

inline simgrid::s4u::Link* add_link(simgrid::s4u::NetZone* zone, const std::string& name,
                                    double bytes_per_s) {
#if CONVOY_SIMGRID_4
  return zone->add_link(name, bytes_per_s);
#else
  return zone->create_link(name, bytes_per_s);
#endif
}

// In a star each host has a route to the centre (null) and one from it.
inline void add_route(simgrid::s4u::NetZone* zone, const simgrid::s4u::Host* from,
                      const simgrid::s4u::Host* to,
                      const std::vector<simgrid::s4u::LinkInRoute>& links, bool symmetrical) {
#if CONVOY_SIMGRID_4
  zone->add_route(from, to, links, symmetrical);
#else
  auto* const source = from != nullptr ? from->get_netpoint() : nullptr;
  auto* const target = to != nullptr ? to->get_netpoint() : nullptr;
  zone->add_route(source, target, nullptr, nullptr, links, symmetrical);
#endif
}

// Calls `done` with every Exec and Comm that ends, successful or not.
template <class Done>
void on_completion(Done done) {
#if CONVOY_SIMGRID_4
  simgrid::s4u::Exec::on_completion_cb([done](const simgrid::s4u::Exec& e) { done(e); });
  simgrid::s4u::Comm::on_completion_cb([done](const simgrid::s4u::Comm& c) { done(c); });
#else
  simgrid::s4u::Activity::on_completion_cb(done);
#endif
}

template <class Code>
void add_actor(const std::string& name, simgrid::s4u::Host* host, Code code) {
#if CONVOY_SIMGRID_4
  simgrid::s4u::Engine::get_instance()->add_actor(name, host, code);
#else
  simgrid::s4u::Actor::create(name, host, code);
#endif
}

template <class ActivityPtr>
void start(const ActivityPtr& activity) {
#if CONVOY_SIMGRID_4
  activity->start();
#else
  activity->vetoable_start();
#endif
}

#undef CONVOY_SIMGRID_4

}  // namespace convoy::sim
