#include "sim/run/traffic.hpp"

#include <algorithm>
#include <utility>

namespace convoy::sim {

Traffic::Kind& Traffic::kind(std::string_view label, std::string_view artifact) {
  const auto there = std::ranges::find_if(
      kinds_, [&](const Kind& k) { return k.label == label && k.artifact == artifact; });
  if (there != kinds_.end()) return *there;
  return kinds_.emplace_back(Kind{std::string(label), std::string(artifact), {}});
}

void Traffic::ended(std::string_view label, std::string_view artifact, NodeId from, NodeId to,
                    double bytes, bool complete) {
  if (from == to) return;  // it stays where it is
  const std::uint64_t way = static_cast<std::uint64_t>(static_cast<std::uint32_t>(from)) << 32U |
                            static_cast<std::uint32_t>(to);
  Sums& sums = kind(label, artifact).ways[way];
  if (complete) {
    ++sums.transfers;
    sums.bytes += bytes;
  } else {
    ++sums.broken_off;
  }
}

std::vector<TrafficRow> Traffic::rows() const {
  std::vector<TrafficRow> all;
  for (const Kind& kind : kinds_) {
    const auto first = static_cast<std::ptrdiff_t>(all.size());
    for (const auto& [way, sums] : kind.ways) {
      all.push_back({kind.label, kind.artifact, static_cast<std::int64_t>(way >> 32U),
                     static_cast<std::int64_t>(static_cast<std::uint32_t>(way)), sums.transfers,
                     sums.bytes, sums.broken_off});
    }
    std::sort(all.begin() + first, all.end(), [](const TrafficRow& a, const TrafficRow& b) {
      return std::pair(a.node, a.peer) < std::pair(b.node, b.peer);
    });
  }
  return all;
}

}  // namespace convoy::sim
