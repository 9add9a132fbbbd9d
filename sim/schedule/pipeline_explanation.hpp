#pragma once

// The plan of a pipeline as plain data, for `convoy plan`; and its tasks, to simulate it.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sim/schedule/pipeline_round.hpp"

namespace convoy::sim {

enum class PipelineOrder : std::uint8_t;  // sim/plan/pipeline.hpp

// A device of a stage. Memory in bytes, with the device's runtime.
struct PipelineMemberRow {
  NodeId node = no_node;
  int samples = 0;       // of each micro-batch
  double forward_s = 0;  // of them
  double backward_s = 0;
  double needed = 0;     // at the peak; of this:
  double runtime = 0;    // of the device, whatever it computes
  double weights = 0;    // with batch norms' statistics
  double optimizer = 0;  // its state
  double stashes = 0;    // of the micro-batches in flight, and further versions of the weights
  double available = 0;  // infinite: no limit is known
};

struct PipelineStageRow {
  int first = 0;  // layers [first, last) of the model
  int last = 0;
  std::string first_name;  // "block3": the first piece's
  std::string last_name;
  int window = 1;  // micro-batches in flight
  std::vector<PipelineMemberRow> members;
  double sent_bytes = 0;  // to the next stage, of a micro-batch; the last stage: 0
  double transfer_s = 0;  // forward and back
  double all_reduce_s = 0;
  double update_s = 0;
};

struct PipelineTable {
  std::string planner;
  bool by_hand = false;
  PipelineOrder order{};
  bool stashes_weights = false;
  int microbatch = 1;
  int microbatches = 1;
  std::vector<PipelineStageRow> stages;
  double round_s = 0;  // by the closed form, without waiting
  double bubble = 0;   // share of the devices' time, by the closed form
  // What most of a round goes to: the dominant step ("stage 2 computes", "stage 2 sends to stage 3,
  // and back") or what takes longer than all its micro-batches ("the all-reduce of stage 1").
  std::string bottleneck;
  PipelineTask task;  // a round
};

struct PipelineAlternative {
  std::string name;
  std::optional<PipelineTable> table;  // nothing: it is not possible
  std::string why_not;
};

struct PipelineExplanation {
  int layers = 0;  // of the model
  int pieces = 0;  // between which it may be cut
  int idle = 0;    // nodes without a stage
  PipelineTable plan;
  std::optional<PipelineTable> planned;  // the planner's own, where the plan is made by hand
  std::vector<PipelineAlternative> alternatives;
  std::vector<std::string> notes;
};

}  // namespace convoy::sim
