#include "sim/world/weighted_shares.hpp"

#include <algorithm>
#include <cmath>
#include <queue>
#include <utility>

#include "sim/world/compensated_sum.hpp"

namespace convoy::sim {
namespace {

class Filling {
 public:
  Filling(std::span<const SharingFlow> flows, std::span<const double> capacity)
      : flows_(flows), rates_(flows.size(), 0), fixed_(flows.size(), false) {
    for (const SharingFlow& flow : flows)
      used_.insert(used_.end(), flow.links.begin(), flow.links.end());
    std::ranges::sort(used_);
    used_.erase(std::unique(used_.begin(), used_.end()), used_.end());
    links_.resize(used_.size());
    for (std::size_t i = 0; i < flows.size(); ++i) {
      for (const int id : flows[i].links) {
        Link& link = link_of(id);
        link.flows.push_back(i);
        link.weights.add(flows[i].weight);
        ++link.rising;
      }
    }
    for (std::size_t k = 0; k < links_.size(); ++k) {
      const double all = capacity[static_cast<std::size_t>(used_[k])];
      if (std::isinf(all)) continue;  // never full
      links_[k].room.add(all);
      links_[k].can_be_full = true;
      full_at_.emplace(links_[k].level(), k);
    }
  }

  std::vector<double> fill() {
    std::vector<std::size_t> by_ratio(flows_.size());
    for (std::size_t i = 0; i < by_ratio.size(); ++i) by_ratio[i] = i;
    std::ranges::sort(by_ratio, {}, [this](std::size_t i) {
      return std::pair(flows_[i].limit / flows_[i].weight, i);
    });
    for (const std::size_t i : by_ratio) {
      // Links that are full before this flow is at its limit.
      while (!fixed_[i]) {
        drop_old_entries();
        const double ratio = flows_[i].limit / flows_[i].weight;
        if (full_at_.empty() || ratio <= full_at_.top().first) {
          fix(i, flows_[i].limit);
          break;
        }
        const auto [level, k] = full_at_.top();
        for (const std::size_t j : links_[k].flows) {
          if (!fixed_[j]) fix(j, flows_[j].weight * level);
        }
      }
    }
    return std::move(rates_);
  }

 private:
  struct Link {
    CompensatedSum room;
    CompensatedSum weights;  // of the flows that rise
    std::size_t rising = 0;
    bool can_be_full = false;
    std::vector<std::size_t> flows;

    [[nodiscard]] double level() const { return std::max(room.value(), 0.0) / weights.value(); }
  };
  using Entry = std::pair<double, std::size_t>;  // level, link

  Link& link_of(int id) {
    const auto place = std::ranges::lower_bound(used_, id);
    return links_[static_cast<std::size_t>(place - used_.begin())];
  }

  void drop_old_entries() {
    while (!full_at_.empty()) {
      const auto& [level, k] = full_at_.top();
      if (links_[k].rising > 0 && links_[k].level() == level) return;
      full_at_.pop();
    }
  }

  void fix(std::size_t i, double rate) {
    rates_[i] = rate;
    fixed_[i] = true;
    for (const int id : flows_[i].links) {
      Link& link = link_of(id);
      link.room.add(-rate);
      link.weights.add(-flows_[i].weight);
      if (--link.rising == 0 || !link.can_be_full) continue;
      full_at_.emplace(link.level(), static_cast<std::size_t>(&link - links_.data()));
    }
  }

  std::span<const SharingFlow> flows_;
  std::vector<double> rates_;
  std::vector<bool> fixed_;
  std::vector<int> used_;  // numbers of links, rising
  std::vector<Link> links_;
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> full_at_;
};

}  // namespace

std::vector<double> weighted_shares(std::span<const SharingFlow> flows,
                                    std::span<const double> capacity) {
  return Filling(flows, capacity).fill();
}

}  // namespace convoy::sim
