#include <algorithm>
#include <vector>

#include "sim/plan/stage_search.hpp"

namespace convoy::sim {

// Whether the memories hold any plan, whatever its time: the same states as of run_below().
bool StageSearch::is_possible() {
  const auto places = static_cast<std::size_t>(devices_ + 1);
  std::vector<bool> reached(states_.size(), false);
  const auto at = [&](int layers, int devices, int stages) {
    return (((static_cast<std::size_t>(layers) * places) + static_cast<std::size_t>(devices)) *
            static_cast<std::size_t>(stages_ + 1)) +
           static_cast<std::size_t>(stages);
  };
  std::vector<int> room(places, 0);  // samples that the devices before a place hold
  for (int layers = 1; layers <= layers_; ++layers) {
    for (int rest = 0; rest < layers; ++rest) {
      const LayerRange range{layers_ - layers, layers_ - rest};
      const int most = rest == 0 ? 1 : std::min(stages_, rest + 1);
      for (int p = rest == 0 ? 1 : 2; p <= most; ++p) {
        for (std::size_t place = 0; place < order_.size(); ++place) {
          room[place + 1] = room[place] + times_.most_samples(order_[place], range, window(p), 1);
        }
        for (int devices = 1; devices <= devices_; ++devices) {
          const int begin = devices_ - devices;
          for (int behind = 0; behind < devices; ++behind) {
            if (rest == 0 ? behind > 0 : !reached[at(rest, behind, p - 1)]) continue;
            const int end = devices_ - behind;
            const bool fits =
                sizes_[static_cast<std::size_t>(end - begin)] &&
                room[static_cast<std::size_t>(end)] - room[static_cast<std::size_t>(begin)] >=
                    problem_.microbatch;
            if (fits) reached[at(layers, devices, p)] = true;
          }
        }
      }
    }
    for (int devices = 1; options_.may_leave_out && devices <= devices_; ++devices) {
      for (int p = 1; p <= stages_; ++p) {
        if (reached[at(layers, devices - 1, p)]) reached[at(layers, devices, p)] = true;
      }
    }
  }
  for (int p = 1; p <= stages_; ++p) {
    if (reached[at(layers_, devices_, p)]) return true;
  }
  return false;
}

}  // namespace convoy::sim
