#pragma once

// The keys that all kinds of pipelines share, in [schedule.pipeline]: micro-batches, where the
// model may be cut, a plan made by hand, and when a plan is made anew.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/table_reader.hpp"
#include "sim/plan/replanner.hpp"
#include "sim/schedule/pipeline_costs.hpp"

namespace convoy::sim {

// A stage given by hand. Names are checked when the fleet is known.
struct StageByHand {
  std::string to;                  // the last layer or block, a position, or "end"
  std::vector<std::string> nodes;  // names of nodes, of groups of nodes or of devices
  std::vector<int> samples;        // of each micro-batch, by node; empty: allocated
  std::optional<int> window;       // micro-batches in flight; nothing: by the kind's policy
};

constexpr int most_microbatches = 4096;  // of a round

// Each device of the plan tells the server every `period_s` that it is there, from the run's start
// on. A device that is lost is noticed when so many of its heartbeats have not come.
struct HeartbeatOptions {
  std::optional<double>
      period_s;       // s, above 0; nothing: none are sent, and a loss is known at once
  int missed = 3;     // at least 1
  double bytes = 64;  // of each, at least 0

  // When a loss at `lost_s` is noticed.
  [[nodiscard]] double noticed_s(double lost_s) const;
};

struct PipelineKeys {
  PipelineModelOptions model;
  std::optional<int> microbatch;  // B: samples; nothing: the batch of the first worker
  int microbatches = 8;           // M, of a round
  // The number and the size of micro-batches are searched, with as many samples in a round.
  bool searches = false;
  int rounds = 1;  // of a task
  std::vector<StageByHand> stages;
  ReplanOptions replan;
  // After each round the device of a stage of one gives its weights to a device of the next stage.
  bool replicates = false;
  HeartbeatOptions heartbeat;
};

// Reads [schedule.pipeline].
PipelineKeys read_pipeline_keys(base::TableReader& common);

// The keys' B for a setting.
int microbatch_of(const PipelineKeys& keys, const Setting& setting);

// A hand-made plan for the devices of a case: layers and members; samples that are not given are 0.
// Throws base::UserError, naming the key, for names that are no layer's or no node's, a node twice,
// a stage that ends before it begins, layers that are left out, and an empty group.
struct HandMadeStage {
  LayerRange layers;
  std::vector<StageMember> members;
  std::optional<int> window;
  bool has_samples = false;
};
std::vector<HandMadeStage> stages_by_hand(const PipelineKeys& keys, const Setting& setting,
                                          const PipelineModel& model,
                                          std::span<const NodeId> nodes);

}  // namespace convoy::sim
