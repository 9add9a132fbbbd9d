#pragma once

// Transfers whose rates the star's solver computes (star_network.hpp) and that timers end, without
// SimGrid's Comms. Internal to sim/world.
//
// The times are those of SimGrid's CM02 (platform.hpp): a transfer first waits for the latencies of
// its links, then its bytes move, whole bytes as in SimGrid. Where flows share a link their weights
// are 1 / the route's latency (1 without one), or as its guarantee says (flow_weight.hpp). Links
// that follow a trace or have background traffic are followed while somebody uses them; a rate of 0
// stops the flows, which go on with the same weights.

#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/non_copyable.hpp"
#include "sim/world/config.hpp"
#include "sim/world/ends.hpp"
#include "sim/world/on_demand.hpp"
#include "sim/world/running.hpp"
#include "sim/world/star_network.hpp"
#include "sim/world/timers.hpp"
#include "sim/world/variation.hpp"

namespace convoy::sim {

class StarTransfers final : public Ending {
 public:
  // `config` must live as long as this. `ended`: called from a timer, or from Ends::end_due(), for
  // each transfer at its end; `at_once`: for those that have nothing to move, as soon as they
  // could.
  StarTransfers(const WorldConfig& config, Timers& timers, Ends& ends,
                std::function<void(RunningActivity&)> at_once,
                std::function<void(RunningActivity&)> ended);

  void start(RunningActivity& a);
  // It has ended, or is given up.
  void remove(const RunningActivity& a);
  [[nodiscard]] double finished_share(const RunningActivity& a) const;  // 0 to 1

  // Plans the next end anew after changes at this instant. They are gathered until a timer at the
  // end of the instant calls this.
  void settle();
  void end_due() override;

 private:
  using Link = StarNetwork::Link;
  // A link in one direction, or a half-duplex one.
  struct Way {
    double bytes_per_s = 0;           // if it does not vary
    std::unique_ptr<Variation> rate;  // in bit/s, if it varies
    Link link = -1;                   // made for the first that uses it
    int users = 0;
    bool is_shared = false;
    bool armed = false;
  };
  // Of a node or a shared link.
  struct Port {
    Way up;
    std::optional<Way> down;  // nothing: half duplex
  };
  struct Moving {
    RunningActivity* a = nullptr;
    std::vector<Way*> path;
    double weight = 1;
    double bytes = 0;
    double limit = StarNetwork::unlimited;
    std::optional<Timers::Id> waits;  // for the latencies
    std::optional<StarNetwork::Flow> flow;
    bool has_ended = false;
  };
  struct Route {
    std::vector<Way*> path;
    double latency_s = 0;   // of its links, at their least
    double left_out_s = 0;  // more latency, that does not count as a weight
  };

  struct Node {
    Port port;
    int shared = -1;
    double latency_s = 0;   // of the own link; of a trace its lowest
    SignalPointer latency;  // of a trace
  };

  [[nodiscard]] static Node made(const NodeConfig& config, bool is_server);
  [[nodiscard]] static Port port_of(const platforms::Link& link, const Behaviour& behaviour,
                                    const std::optional<BackgroundLoad>& traffic, bool is_shared);
  [[nodiscard]] Route route(NodeId from, NodeId to);
  void use(Way& way);
  void follow(Way& way);
  void moves(Moving& moving);
  void changed();

  Timers& timers_;
  Ends& ends_;
  std::function<void(RunningActivity&)> at_once_;
  std::function<void(RunningActivity&)> ended_;
  StarNetwork network_;
  OnDemand<Node> nodes_;
  std::vector<Port> shared_;
  std::vector<double> shared_latency_s_;
  bool server_left_out_ = false;
  std::unordered_map<const RunningActivity*, Moving> moving_;
  std::vector<Moving*> by_flow_;
  bool is_changed_ = false;
};

}  // namespace convoy::sim
