#pragma once

// The evaluations of a run's versions: when one is due, which are under way, and what the last one
// said. They take no virtual time.

#include <cstdint>
#include <deque>
#include <optional>

#include "sim/run/learner.hpp"
#include "sim/run/recorder.hpp"
#include "sim/scenario/scenario.hpp"
#include "sim/world/world.hpp"

namespace convoy::sim {

class Evaluations {
 public:
  Evaluations(const Scenario& scenario, World& world, Recorder& recorder)
      : scenario_(scenario), world_(world), recorder_(recorder) {}

  // The learner's present version is evaluated. Without a learner all that is asked is in vain.
  void use(Learner* learner) { learner_ = learner; }

  // The run has started, or published this version: evaluates it where [evaluation] says so.
  void started();
  void published(std::int64_t version);
  // Begins to evaluate the present version, `version`, unless that is under way, or has been asked
  // for before and this is not `again`. A timer of the run's own follows at this instant.
  void ask(std::int64_t version, bool again = false);
  // A timer of the run's own fired. That of an evaluation becomes its event: waits for the
  // evaluation. That of evaluation.every_s begins the next one.
  void make_event_of(Event& timer);
  void fired(std::int64_t timer, std::int64_t version);

  // The event of an evaluation has its turn. What the model had taken by then is written down by
  // settle(), when the instant is over: what else ends in it, or is given up, has been counted.
  void told(const Event& event);
  void settle();
  // The event of the run's last version, where no event has told of it yet.
  std::optional<Event> of_the_end(std::int64_t version);

  [[nodiscard]] std::optional<double> accuracy() const { return accuracy_; }  // told() last

 private:
  void ask_later();
  // Waits for the evaluation, and makes `event` its event.
  void finish(Event& event, std::int64_t version);

  const Scenario& scenario_;
  World& world_;
  Recorder& recorder_;
  Learner* learner_ = nullptr;
  engine::Evaluation last_;           // of the event made last
  std::deque<std::int64_t> pending_;  // versions, in the order in which they were asked for
  std::int64_t asked_version_ = -1;   // last
  std::int64_t told_version_ = -1;    // last
  std::optional<double> accuracy_;
};

}  // namespace convoy::sim
