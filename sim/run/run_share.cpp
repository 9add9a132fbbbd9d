#include "sim/run/run_share.hpp"

#include <algorithm>

namespace convoy::sim {

void RunShare::look(double now_s, std::size_t tasks, const Learner* learner) {
  constexpr std::chrono::milliseconds every(40);  // asking all tasks takes longer than an event
  double share = goals_.share(now_s);
  if (learner != nullptr) {
    const auto wall = std::chrono::steady_clock::now();
    if (wall - seen_ > every) {
      work_ = learner->work();
      seen_ = wall;
    }
    if (work_.assigned <= 0) before_ = share;
    const double begun = goals_.share_with(tasks);
    if (work_.assigned > 0 && begun > before_) {
      share = std::max(share, before_ + (begun - before_) * work_.done / work_.assigned);
    }
  }
  share_ = std::max(share_, share);
}

}  // namespace convoy::sim
