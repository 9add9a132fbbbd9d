#include "bench/bare.hpp"

#include <chrono>
#include <simgrid/s4u.hpp>
#include <string>
#include <vector>

#include "bench/report.hpp"
#include "sim/world/simgrid_version.hpp"

namespace convoy::bench {
namespace sg = simgrid::s4u;

double run_bare(const Pattern& pattern) {
  std::vector<std::string> words = {"bare", "--log=root.thres:critical", "--cfg=network/model:CM02",
                                    "--cfg=network/crosstraffic:0", "--cfg=network/TCP-gamma:1e15"};
  std::vector<char*> arguments;
  arguments.reserve(words.size() + 1);
  for (std::string& word : words) arguments.push_back(word.data());
  int count = static_cast<int>(arguments.size());
  arguments.push_back(nullptr);
  sg::Engine engine(&count, arguments.data());
  sg::NetZone* zone = sim::star_zone("bare");
  sg::Host* server = sim::add_host(zone, "server", 1e12);
  std::vector<sg::LinkInRoute> server_route;
  if (pattern.server_binds) {
    server_route.emplace_back(sim::add_link(zone, "server", 1.25e8)->seal());
  }
  sim::add_route(zone, server, nullptr, server_route, true);
  server->seal();
  std::vector<sg::Host*> hosts;
  for (int i = 0; i < pattern.nodes; ++i) {
    sg::Host* host = sim::add_host(zone, std::to_string(i), 1e9 * (1 + i % 4));
    const auto up = sim::add_link(zone, std::to_string(i) + "u", 1.25e7)->set_latency(1e-3)->seal();
    const auto down =
        sim::add_link(zone, std::to_string(i) + "d", 1.25e7)->set_latency(1e-3)->seal();
    sim::add_route(zone, host, nullptr, {sg::LinkInRoute(up)}, false);
    sim::add_route(zone, nullptr, host, {sg::LinkInRoute(down)}, false);
    host->seal();
    hosts.push_back(host);
  }
  zone->seal();
  const int each = pattern.tasks / pattern.in_flight;
  for (int i = 0; i < pattern.in_flight; ++i) {
    sim::add_actor("worker", hosts[static_cast<std::size_t>(i)], [&, i] {
      for (int k = 0; k < each; ++k) {
        const auto at =
            (static_cast<std::size_t>(i) +
             static_cast<std::size_t>(k) * static_cast<std::size_t>(pattern.in_flight)) %
            hosts.size();
        sg::Host* host = hosts[at];
        sg::Comm::sendto(server, host, static_cast<std::uint64_t>(pattern.bytes));
        sg::Exec::init()->set_host(host)->set_flops_amount(pattern.seconds * 1e9)->wait();
        sg::Comm::sendto(host, server, static_cast<std::uint64_t>(pattern.bytes));
      }
    });
  }
  const auto start = std::chrono::steady_clock::now();
  engine.run();
  return seconds_since(start);
}

}  // namespace convoy::bench
