#pragma once

// Evaluations of a run's versions: which are due, which are under way, and the last result.
// Evaluations take no virtual time.

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

  // Sets the learner whose present version is evaluated. Without a learner no evaluation is made.
  void use(Learner* learner) { learner_ = learner; }

  // The run has started or published this version: evaluates it if [evaluation] says so.
  void started();
  void published(std::int64_t version);
  // Begins to evaluate the present version, `version`. Does nothing if that is under way, or was
  // asked for before and `again` is false. The run's own timer `evaluated` fires at this instant.
  void ask(std::int64_t version, bool again = false);
  // One of the run's own timers fired. `evaluated`: waits for the evaluation and turns the timer
  // into its event. `evaluate_next` (evaluation.every_s): begins the next evaluation.
  void make_event_of(Event& timer);
  void fired(std::int64_t timer, std::int64_t version);

  // Handles the event of an evaluation. settle() records the costs so far at the end of the
  // instant, when everything else that ends in it has been counted.
  void told(const Event& event);
  void settle();
  // The event of the run's last version, if no event has reported it yet.
  std::optional<Event> of_the_end(std::int64_t version);

  [[nodiscard]] std::optional<double> accuracy() const { return accuracy_; }  // of the last event

 private:
  void ask_later();
  // Waits for the evaluation and turns `event` into its event.
  void finish(Event& event, std::int64_t version);

  const Scenario& scenario_;
  World& world_;
  Recorder& recorder_;
  Learner* learner_ = nullptr;
  engine::Evaluation last_;           // of the last event
  std::deque<std::int64_t> pending_;  // versions, in the order of ask()
  std::int64_t asked_version_ = -1;   // of the last ask()
  std::int64_t told_version_ = -1;    // of the last event
  std::optional<double> accuracy_;
};

}  // namespace convoy::sim
