#pragma once

// "What leaves a device": the traffic of a run (TrafficRow) summed by kind and direction, over all
// devices or over groups of them. The server is no device.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/words.hpp"
#include "sim/store/rows.hpp"

namespace convoy::sim {

enum class Way {
  up,       // from a device to the server
  down,     // from the server to a device
  between,  // from a device to another: it leaves one and comes to the other
};
inline constexpr base::Words<Way> way_words = {
    {Way::up, "up"}, {Way::down, "down"}, {Way::between, "between"}};

struct TrafficSum {
  std::string label;
  std::string artifact;
  Way way = Way::up;
  std::string group;           // of its devices
  std::int64_t devices = 0;    // that had such a transfer: up, between: that sent it
  std::int64_t transfers = 0;  // complete
  double bytes = 0;            // of these
  double share = 0;            // of all bytes of the run
  double least_bytes = 0;      // of one of these devices
  double most_bytes = 0;
  std::int64_t broken_off = 0;

  // Of a transfer; 0 if none is complete.
  [[nodiscard]] double mean_bytes() const {
    return transfers > 0 ? bytes / static_cast<double>(transfers) : 0;
  }
};

// What leaves devices first, then what comes to them; within these in the rows' order. `group_of`:
// the group of a device by its id; a group's sums stand together with those of the same kind.
std::vector<TrafficSum> traffic_sums(
    const std::vector<TrafficRow>& rows,
    const std::function<std::string(std::int64_t)>& group_of = nullptr);

}  // namespace convoy::sim
