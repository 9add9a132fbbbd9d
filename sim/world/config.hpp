#pragma once

// The configuration of the simulated world. Plain data: no SimGrid here.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "platforms/link.hpp"
#include "platforms/traces/trace.hpp"
#include "sim/task/by_group.hpp"
#include "sim/task/by_node.hpp"
#include "sim/task/node_name.hpp"
#include "sim/world/elastic_clock.hpp"

namespace convoy::sim {

// A background user takes a share of a resource, always or periodically: for busy_s out of every
// period_s, first at offset_s.
struct BackgroundLoad {
  double share = 0;     // share taken, [0, 1)
  double period_s = 0;  // 0: always busy
  double busy_s = 0;    // in (0, period_s)
  double offset_s = 0;  // >= 0
};

struct Outage {
  double at_s = 0;
  double for_s = 0;  // > 0
};

// Random outages: exponential times up and down, drawn by the run's seed and the node.
struct RandomOutages {
  double mean_up_s = 0;
  double mean_down_s = 0;
};

// How a node differs from its profile.
struct Behaviour {
  double slowdown = 1;                    // factor on all computing times; > 0
  double jitter = 0;                      // sigma of a log-normal factor (median 1) on each compute
  std::optional<BackgroundLoad> load;     // on the processor
  std::optional<BackgroundLoad> traffic;  // on the node's own link, in both directions
  std::vector<Outage> outages;            // by rising time, not overlapping
  std::optional<RandomOutages> random_outages;
  std::optional<double> lost_at_s;  // gone for good
  double joins_at_s = 0;
  // Overrides by a trace, column by column: `available` adds to the outages, `speed` multiplies,
  // rates and latency replace those of the node's own link, `power_w` replaces Power,
  // `memory_free_bytes` limits tasks besides NodeConfig::memory.
  std::shared_ptr<const platforms::Trace> trace;
  platforms::TraceUse trace_use;
};

// A node's power draw in its power mode, in watts.
struct Power {
  double idle_w = 0;
  double busy_w = 0;                      // while computing, if the activity has no `watts`
  std::optional<double> communicating_w;  // sending or receiving without computing; nothing: idle_w
};

// A node that is a real device.
struct RealNode {
  static constexpr base::Words<bool> sources = {{true, "measured"}, {false, "modelled"}};
  bool measured_compute = true;  // else the profile says how long it computes
  // Else the network model says how long its transfers take, which alone obeys
  // Activity::bytes_per_s.
  bool measured_network = true;
  bool present = false;  // when the run begins
  // An activity that takes longer than so many times its prediction, and longer than this, failed.
  double deadline_factor = 4;
  double deadline_min_s = 30;
};

struct NodeConfig {
  NodeName name;
  double memory = 0;  // bytes usable by tasks; 0: no limit
  Power power;
  platforms::Link link;
  int shared_link = -1;  // index, or -1: none
  Behaviour behaviour;
  std::optional<RealNode> real;  // nothing: the node is simulated
  // Limit for simultaneous transfers, in each direction; 0: no limit (a server).
  int concurrent_transfers = 1;
  // Limit for computes under way at the same time; 0: no limit. They share the node's speed: see
  // Activity::share.
  int concurrent_computes = 1;
};

// A medium shared by several nodes, such as an access point.
struct SharedLinkConfig {
  std::string name;
  platforms::Link link;
  std::optional<BackgroundLoad> traffic;
};

enum class NetworkModel {
  cm02,  // bytes / bandwidth + latency, max-min shares weighted by 1 / latency; no TCP factors
  lv08,  // SimGrid's default: TCP slow start and acknowledgements by fitted factors
};
inline constexpr base::Words<NetworkModel> network_words = {{NetworkModel::cm02, "cm02"},
                                                            {NetworkModel::lv08, "lv08"}};

// See network_solver.hpp.
enum class NetworkSolver {
  automatic,  // the star's where it is for the network, else SimGrid's
  star,
  simgrid,
};
inline constexpr base::Words<NetworkSolver> solver_words = {{NetworkSolver::automatic, "auto"},
                                                            {NetworkSolver::star, "star"},
                                                            {NetworkSolver::simgrid, "simgrid"}};

struct WorldConfig {
  std::uint64_t seed = 1;
  NetworkModel network = NetworkModel::cm02;
  NetworkSolver solver = NetworkSolver::automatic;
  ClockOptions clock;         // where there are real nodes
  ByGroup<NodeConfig> nodes;  // the first is the server
  std::vector<SharedLinkConfig> shared_links;
};

}  // namespace convoy::sim
