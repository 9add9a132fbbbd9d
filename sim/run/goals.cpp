#include "sim/run/goals.hpp"

#include <algorithm>

namespace convoy::sim {

void Goals::published(std::int64_t updates) {
  ++version_;
  updates_ += updates;
}

bool Goals::are_reached() const {
  const bool rounds = stop_.rounds && version_ >= *stop_.rounds;
  const bool tasks = stop_.tasks && updates_ >= *stop_.tasks;
  return rounds || tasks;
}

double Goals::share(double virtual_time_s) const {
  double share = 0;
  const auto reach = [&](double now, double goal) { share = std::max(share, now / goal); };
  if (stop_.rounds) reach(static_cast<double>(version_), static_cast<double>(*stop_.rounds));
  if (stop_.tasks) reach(static_cast<double>(updates_), static_cast<double>(*stop_.tasks));
  if (stop_.virtual_time_s) reach(virtual_time_s, *stop_.virtual_time_s);
  return std::min(share, 1.0);
}

double Goals::share_with(std::size_t under_way) const {
  double share = 0;
  if (stop_.rounds) {
    share = static_cast<double>(version_ + 1) / static_cast<double>(*stop_.rounds);
  }
  if (stop_.tasks) {
    const double updates = static_cast<double>(updates_) + static_cast<double>(under_way);
    share = std::max(share, updates / static_cast<double>(*stop_.tasks));
  }
  return std::min(share, 1.0);
}

}  // namespace convoy::sim
