#include "sim/run/evaluations.hpp"

#include "sim/run/own_timers.hpp"

namespace convoy::sim {

void Evaluations::started() {
  if (scenario_.evaluation.every > 0) ask(0);
  ask_later();
}

void Evaluations::published(std::int64_t version) {
  const std::int64_t every = scenario_.evaluation.every;
  if (every > 0 && version % every == 0) ask(version);
}

void Evaluations::ask(std::int64_t version, bool again) {
  if (learner_ == nullptr || (asked_version_ == version && !again)) return;
  if (!pending_.empty() && pending_.back() == version) return;
  asked_version_ = version;
  pending_.push_back(learner_->begin_evaluation());
  world_.set_timer(own_timers::evaluated, world_.now());
}

void Evaluations::ask_later() {
  if (learner_ == nullptr || !scenario_.evaluation.every_s) return;
  world_.set_timer(own_timers::evaluate_next, world_.now() + *scenario_.evaluation.every_s);
}

void Evaluations::finish(Event& event, std::int64_t version) {
  last_ = learner_->finish_evaluation(version);
  event.kind = EventKind::evaluated;
  event.node = server_node;
  event.version = version;
  event.accuracy = last_.accuracy();
}

void Evaluations::make_event_of(Event& timer) {
  if (timer.kind != EventKind::timer_fired || timer.timer != own_timers::evaluated) return;
  finish(timer, pending_.front());
  pending_.pop_front();
}

void Evaluations::fired(std::int64_t timer, std::int64_t version) {
  if (timer != own_timers::evaluate_next) return;
  ask(version);
  ask_later();
}

void Evaluations::told(const Event& event) {
  accuracy_ = event.accuracy;
  told_version_ = event.version;
  recorder_.evaluated(last_, event.version, event.time);
}

void Evaluations::settle() {
  if (!recorder_.has_evaluations()) return;
  double workers = 0;
  for (std::size_t i = 1; i < scenario_.world.nodes.size(); ++i) {
    workers += world_.energy_j(static_cast<NodeId>(i));
  }
  recorder_.settle_evaluations(workers, world_.energy_j(server_node));
}

std::optional<Event> Evaluations::of_the_end(std::int64_t version) {
  if (learner_ == nullptr || told_version_ == version) return std::nullopt;
  asked_version_ = version;
  Event event{.time = world_.now()};
  finish(event, learner_->begin_evaluation());
  event.last = true;
  return event;
}

}  // namespace convoy::sim
