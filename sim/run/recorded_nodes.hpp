#pragma once

// Replays real nodes from a store: their activities take as long and fail as recorded, so that a
// run with real nodes can be simulated again without them. With live nodes added, the recording is
// replayed first: so such a run is resumed.

#include <map>
#include <optional>
#include <tuple>

#include "sim/run/participants.hpp"
#include "sim/run/real_nodes.hpp"
#include "sim/run/update_folder.hpp"
#include "sim/scenario/scenario.hpp"
#include "sim/store/store.hpp"

namespace convoy::sim {

// The nodes that were real in the recording, present at the start if they were present then. Throws
// StoreError if the recorded run has another number of nodes.
Participants participants_of(const Recording& recording, const Scenario& scenario);

class RecordedNodes : public RealNodes {
 public:
  // `updates`: folder of the recorded updates; nothing: the run computes results itself. `live`:
  // takes over where the recording ends; null: the run ends there.
  RecordedNodes(Recording recording, std::optional<UpdateFolder> updates, RealNodes* live);

  void attach(ElasticClock& clock) override;
  void detach() override;
  void begin(const RealActivity& activity) override;
  void give_up(TaskId task) override;
  void use(std::shared_ptr<const engine::Engine> engine) override;
  [[nodiscard]] bool bring_results() const override;
  void assigned(const engine::TaskInput& input, std::shared_ptr<const TaskGraph> graph) override;
  engine::Outcome outcome(TaskId task) override;
  void taken_before(NodeId node, TaskId task) override;
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
