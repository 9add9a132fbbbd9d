#pragma once

// A run in progress, as the live view shows it: the rows of its store as they are written, and the
// status that the run's thread puts into a LiveState.

#include <filesystem>

#include "analysis/live/state.hpp"
#include "analysis/live/subject.hpp"

namespace convoy::analysis {

class ShownRun : public LiveSubject {
 public:
  // `folder`: of the run; `pausable`: false if real devices take part, which cannot be paused.
  // `state` must outlive the object.
  ShownRun(LiveState& state, std::filesystem::path folder, bool pausable)
      : state_(state), folder_(std::move(folder)), pausable_(pausable) {}

  [[nodiscard]] std::string kind() const override { return "run"; }
  [[nodiscard]] bool has_begun() const override { return state_.has_begun(); }
  [[nodiscard]] std::unique_ptr<LiveFeed> feed(bool may_control) override;
  void ask_for_status() override { state_.ask_for_status(); }
  [[nodiscard]] LiveMessage now() const override;
  std::string pause(bool wanted) override;
  LiveMessage end() override;

 private:
  LiveState& state_;
  std::filesystem::path folder_;
  bool pausable_;
};

}  // namespace convoy::analysis
