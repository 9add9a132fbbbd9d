#include "sim/world/real_model.hpp"

#include <algorithm>
#include <simgrid/kernel/resource/Action.hpp>
#include <simgrid/kernel/resource/Model.hpp>
#include <simgrid/s4u.hpp>
#include <utility>

namespace convoy::sim {
namespace {

// SimGrid asks models that are not idempotent last, with the time to its own next event (negative:
// none). They may answer with an earlier time, and may block.
class RealModel : public simgrid::kernel::resource::Model {
 public:
  RealModel(ElasticClock& clock, double epoch,
            std::function<void(const std::vector<ElasticClock::Due>&)> due,
            std::function<void()> look_around)
      : Model("elastic clock"),
        clock_(clock),
        epoch_(epoch),
        due_(std::move(due)),
        look_around_(std::move(look_around)) {}

  bool next_occurring_event_is_idempotent() override { return false; }

  double next_occurring_event(double horizon) override {
    const double now = simgrid::s4u::Engine::get_clock() - epoch_;
    const double next_own = horizon < 0 ? ElasticClock::never : now + horizon;
    const double next = clock_.next(now, next_own);
    waiting_ = next == now && next < next_own;
    if (next >= next_own) return horizon;  // exactly SimGrid's own value
    return std::max(0.0, next - now);
  }

  void update_actions_state(double now, double /*delta*/) override {
    const bool held = clock_.holds();
    const std::vector<ElasticClock::Due> due = clock_.take(now - epoch_);
    if (!due.empty() || (held && !clock_.holds())) due_(due);
    if (std::exchange(waiting_, false)) look_around_();
  }

 private:
  ElasticClock& clock_;
  double epoch_;
  std::function<void(const std::vector<ElasticClock::Due>&)> due_;
  std::function<void()> look_around_;
  bool waiting_ = false;
};

}  // namespace

void couple(ElasticClock& clock, double epoch,
            std::function<void(const std::vector<ElasticClock::Due>&)> due,
            std::function<void()> look_around) {
  simgrid::s4u::Engine::get_instance()->add_model(
      std::make_shared<RealModel>(clock, epoch, std::move(due), std::move(look_around)));
}

}  // namespace convoy::sim
