#include "sim/run/evaluations.hpp"

namespace convoy::sim {

bool Evaluations::ask(std::int64_t version, bool again) {
  if (learner_ == nullptr || (asked_version_ == version && !again)) return false;
  if (!pending_.empty() && pending_.back() == version) return false;
  asked_version_ = version;
  pending_.push_back(learner_->begin_evaluation());
  return true;
}

void Evaluations::finish(Event& event) {
  event.kind = EventKind::evaluated;
  event.node = server_node;
  event.version = pending_.front();
  pending_.pop_front();
  last_ = learner_->finish_evaluation(event.version);
  event.accuracy = last_.accuracy();
}

std::optional<Event> Evaluations::of_the_end(std::int64_t version, double now) {
  if (learner_ == nullptr || told_version_ == version) return std::nullopt;
  asked_version_ = version;
  last_ = learner_->finish_evaluation(learner_->begin_evaluation());
  Event event{.time = now, .kind = EventKind::evaluated, .node = server_node};
  event.version = version;
  event.accuracy = last_.accuracy();
  event.last = true;
  return event;
}

void Evaluations::told(const Event& event) {
  accuracy_ = event.accuracy;
  told_version_ = event.version;
}

}  // namespace convoy::sim
