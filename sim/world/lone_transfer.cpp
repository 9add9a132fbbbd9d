#include "sim/world/lone_transfer.hpp"

#include <algorithm>
#include <limits>

namespace convoy::sim {
namespace {

// SimGrid's LV08; the network's description prints the same values.
constexpr double lv08_rate = 0.97;
constexpr double lv08_way_back = 0.05;

// A link, and how often data and acknowledgements pass it in each direction.
struct Passed {
  const platforms::Link* link = nullptr;
  int up = 0;
  int down = 0;
  int up_back = 0;
  int down_back = 0;

  // The rate at which the link's capacity is used up.
  [[nodiscard]] double limit_bps(double way_back) const {
    const double weight_up = up + way_back * up_back;
    const double weight_down = down + way_back * down_back;
    const double never = std::numeric_limits<double>::infinity();
    if (link->duplex == platforms::Duplex::half) {
      const double weight = weight_up + weight_down;
      return weight > 0 ? link->up_bps / weight : never;
    }
    return std::min(weight_up > 0 ? link->up_bps / weight_up : never,
                    weight_down > 0 ? link->down_bps / weight_down : never);
  }
};

}  // namespace

LoneTransfers::LoneTransfers(const WorldConfig& config)
    : model_(config.network), nodes_(config.nodes) {
  for (const SharedLinkConfig& shared : config.shared_links) shared_.push_back(shared.link);
}

double LoneTransfers::seconds(NodeId from, NodeId to, double bytes, double limit) const {
  const NodeConfig& a = nodes_[from];
  const NodeConfig& b = nodes_[to];
  std::vector<Passed> passed = {{&a.link, 1, 0, 0, 1}, {&b.link, 0, 1, 1, 0}};
  const auto medium = [&](int shared) { return &shared_[static_cast<std::size_t>(shared)]; };
  if (a.shared_link >= 0 && a.shared_link == b.shared_link) {
    // A route in SimGrid's star contains each link once.
    const bool half = medium(a.shared_link)->duplex == platforms::Duplex::half;
    passed.push_back(half ? Passed{medium(a.shared_link), 1, 0, 0, 1}
                          : Passed{medium(a.shared_link), 1, 1, 1, 1});
  } else {
    if (a.shared_link >= 0) passed.push_back({medium(a.shared_link), 1, 0, 0, 1});
    if (b.shared_link >= 0) passed.push_back({medium(b.shared_link), 0, 1, 1, 0});
  }
  const bool lv08 = model_ == NetworkModel::lv08;
  double latency = 0;
  double rate = std::numeric_limits<double>::infinity();
  for (const Passed& p : passed) {
    latency += (p.up + p.down) * p.link->latency_s;
    rate = std::min(rate, p.limit_bps(lv08 ? lv08_way_back : 0) * (lv08 ? lv08_rate : 1));
  }
  if (limit > 0) rate = std::min(rate, 8 * limit);
  return latency * (lv08 ? lv08_latency_factor : 1) + 8 * bytes / rate;
}

}  // namespace convoy::sim
