#pragma once

// Real nodes as a store remembers them: what they did takes as long, fails and ends as it did then,
// so that a run with real nodes can be simulated again without them. With live nodes behind it the
// recording comes first: that is how such a run is resumed.

#include <map>
#include <optional>
#include <tuple>

#include "sim/run/participants.hpp"
#include "sim/run/real_nodes.hpp"
#include "sim/run/update_folder.hpp"
#include "sim/scenario/scenario.hpp"
#include "sim/store/store.hpp"

namespace convoy::sim {

// The nodes that were real then are so again, and are there at the start where they were there
// then. Throws StoreError for the recording of a run with another number of nodes.
Participants participants_of(const Recording& recording, const Scenario& scenario);

class RecordedNodes : public RealNodes {
 public:
  // `updates`: where those that were sent lie; nothing: the run computes results itself.
  // `live`: who goes on where the recording ends; null: nobody, it ends there.
  RecordedNodes(Recording recording, std::optional<UpdateFolder> updates, RealNodes* live);

  void attach(ElasticClock& clock) override;
  void detach() override;
  void begin(const RealActivity& activity) override;
  void give_up(TaskId task) override;
  void use(std::shared_ptr<const engine::Engine> engine) override;
  [[nodiscard]] bool bring_results() const override;
  void assigned(const engine::TaskInput& input, std::shared_ptr<const TaskGraph> graph) override;
  engine::Outcome outcome(TaskId task) override;
  bool has_outcome(TaskId task) override;
  [[nodiscard]] bool has_orders() const override;
  void flush_orders() override;
  [[nodiscard]] std::string trouble() override;
  std::vector<ReadingRow> readings() override;

 private:
  void pass_on(TaskId task);

  using Key = std::tuple<std::int64_t, std::int64_t, std::int64_t>;  // task, activity, iteration

  std::map<Key, Recording::Activity> activities_;
  std::vector<PresenceRow> presence_;
  double live_from_s_;
  std::optional<UpdateFolder> updates_;
  RealNodes* live_;
  std::shared_ptr<const engine::Engine> engine_;
  struct Assigned {
    engine::TaskInput input;
    std::shared_ptr<const TaskGraph> graph;
    bool passed_on = false;
  };
  std::map<TaskId, Assigned> inputs_;
  ElasticClock* clock_ = nullptr;
};

}  // namespace convoy::sim
