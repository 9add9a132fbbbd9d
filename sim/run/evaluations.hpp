#pragma once

// The evaluations of a run's versions: which of them are asked for, which are under way, and what
// the last one said. They take no virtual time.

#include <cstdint>
#include <deque>
#include <optional>

#include "sim/run/learner.hpp"
#include "sim/task/event.hpp"

namespace convoy::sim {

class Evaluations {
 public:
  // The learner's present version is evaluated; null: the run does not learn, and asks in vain.
  void use(Learner* learner) { learner_ = learner; }

  // Begins to evaluate the present version, `version`. False where there is nothing to do: it is
  // under way, or has been asked for before and this is not `again`. True: the caller calls
  // finish() at this instant, once for each.
  bool ask(std::int64_t version, bool again = false);
  // Waits for the oldest that was asked for and makes `event` its event.
  void finish(Event& event);
  // The event of the last version, where no event has told of it yet.
  std::optional<Event> of_the_end(std::int64_t version, double now);

  // To be called with each event that finish() or of_the_end() has made, when its turn comes.
  void told(const Event& event);

  [[nodiscard]] const engine::Evaluation& last() const {
    return last_;
  }  // of finish() or of_the_end()
  [[nodiscard]] std::optional<double> accuracy() const { return accuracy_; }  // told() last

 private:
  Learner* learner_ = nullptr;
  engine::Evaluation last_;
  std::deque<std::int64_t> pending_;  // versions, in the order in which they were asked for
  std::int64_t asked_version_ = -1;   // last
  std::int64_t told_version_ = -1;    // last
  std::optional<double> accuracy_;
};

}  // namespace convoy::sim
