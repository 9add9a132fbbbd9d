#pragma once

// A model trained by a pipeline of groups of devices (Asteroid, arXiv 2408.08015; GPipe, PipeDream,
// DAPPLE): what its planners get, and the plan that they return. Plain data: seconds, bytes,
// limits.
//
// A plan has P stages. Each computes a range of the model's layers on a group of devices that share
// every micro-batch: a device has so many of its samples. In a round M micro-batches of B samples
// go forward and backward through all stages; then the devices of each group sum their gradients (a
// ring all-reduce) and step. A pipeline is seen as S = 2P-1 steps: the even ones compute, the odd
// ones are the transfers between two stages.
//
//   const PipelinePlan plan = plan_asteroid(problem, {});
//   const PipelineForecast forecast = forecast_round(problem, plan);

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace convoy::sim {

// Layers [first, last), not empty.
struct LayerRange {
  int first = 0;
  int last = 0;

  friend bool operator==(const LayerRange&, const LayerRange&) = default;
};

// What the layers of a model cost, on each kind of device. The layers are the pieces between two
// places where the model may be cut. All figures are at least 0 and finite.
class PipelineCosts {
 public:
  virtual ~PipelineCosts() = default;

  [[nodiscard]] virtual int layers() const = 0;
  [[nodiscard]] virtual std::string name(int layer) const = 0;

  // s of one pass of `samples` >= 1 of a micro-batch through the layers on a device of this kind.
  [[nodiscard]] virtual double forward_s(int kind, LayerRange range, int samples) const = 0;
  [[nodiscard]] virtual double backward_s(int kind, LayerRange range, int samples) const = 0;
  // s of the optimizer's step.
  [[nodiscard]] virtual double step_s(int kind, LayerRange range) const = 0;

  // What crosses the cut behind a layer, of `samples`: forward, and the gradients that come back.
  [[nodiscard]] virtual double forward_bytes(int layer, int samples) const = 0;
  [[nodiscard]] virtual double backward_bytes(int layer, int samples) const = 0;
  // Parameters as they are sent: in an all-reduce, in a copy of the weights.
  [[nodiscard]] virtual double weight_bytes(LayerRange range) const = 0;

  // Peak memory of a device with these layers while `stashes` >= 1 micro-batches are in flight,
  // `samples` of each of them at this device, and `versions` >= 1 versions of the weights are kept
  // (weight stashing: more than 1).
  [[nodiscard]] virtual double memory_bytes(LayerRange range, int samples, int stashes,
                                            int versions) const = 0;
  // What of that one micro-batch in flight keeps from its forward to its backward.
  [[nodiscard]] virtual double stash_bytes(LayerRange range, int samples) const = 0;
};

struct PipelineDevice {
  std::string name;
  int kind = 0;  // as PipelineCosts has it
  double memory_bytes = std::numeric_limits<double>::infinity();
  bool is_half_duplex = false;  // it does not send while it receives
};

struct PipelineProblem {
  const PipelineCosts* costs = nullptr;  // outlives the problem
  std::vector<PipelineDevice> devices;   // at least one
  // bytes/s from device to device (row by row; the diagonal is not read), above 0.
  std::vector<double> bandwidth_bytes_per_s;
  double latency_s = 0;  // of a message
  int microbatch = 1;    // B: samples
  int microbatches = 1;  // M: of a round

  [[nodiscard]] double bandwidth(int from, int to) const {
    return bandwidth_bytes_per_s[(static_cast<std::size_t>(from) * devices.size()) +
                                 static_cast<std::size_t>(to)];
  }
};

// In what order a stage computes.
enum class PipelineOrder : std::uint8_t {
  one_f_one_b,    // `window` forwards, then backward and forward in turn
  gpipe,          // all forwards, then all backwards in the order of the forwards
  gpipe_reverse,  // the backwards from the last micro-batch to the first (torchgpipe)
};

// How many micro-batches a stage of 1F1B has in flight, of P stages at stage p (from 0), at most M.
enum class WindowPolicy : std::uint8_t {
  remaining,  // P - p: PipeDream, DeepSpeed, PyTorch, Megatron; DAPPLE's policy A
  doubled,    // 2(P - p) - 1: Asteroid; DAPPLE's policy B
};

// A device of a stage's group, and the samples of each micro-batch that it has (at least 1).
struct StageMember {
  int device = 0;
  int samples = 0;

  friend bool operator==(const StageMember&, const StageMember&) = default;
};

struct PipelineStage {
  LayerRange layers;
  std::vector<StageMember> members;  // their samples sum to B
  int window = 1;                    // micro-batches in flight, at most M

  friend bool operator==(const PipelineStage&, const PipelineStage&) = default;
};

struct PipelinePlan {
  std::vector<PipelineStage> stages;
  PipelineOrder order = PipelineOrder::one_f_one_b;
  int microbatch = 1;    // B
  int microbatches = 1;  // M
  // Stages keep the weights that a micro-batch's forward used until its backward, and step after
  // each backward: no flush between micro-batches (PipeDream).
  bool stashes_weights = false;
  // With these: a micro-batch goes through all stages with the weights after as many steps as the
  // first stage had made when it went through that one (PipeDream's vertical sync). A stage then
  // keeps as many versions as the first one.
  bool vertical_sync = false;
  std::string planner;  // "asteroid", "even", "by hand", ...
};

// The window of stage p of P for M micro-batches.
int window_of(WindowPolicy policy, int stages, int stage, int microbatches);

// Throws base::UserError, naming stage, device or layer, for a plan that leaves a layer out or has
// it twice, an empty group, a device in two groups, samples that do not sum to B, or a window that
// is not in [1, M] or, with 1F1B, larger than that of the stage before (both would wait for ever).
void check_plan(const PipelineProblem& problem, const PipelinePlan& plan);

// One of the 2P-1 steps.
struct PipelineStep {
  double forward_s = 0;  // of one micro-batch
  double backward_s = 0;
};

// Versions of the weights that a device of the stage has at most.
int versions_of(const PipelinePlan& plan, const PipelineStage& stage);

struct MemberMemory {
  int device = 0;
  double needed_bytes = 0;
  double capacity_bytes = 0;
};

// What a plan will take. 1F1B: by the closed form of Asteroid, which leaves out that a step waits
// for others: a lower bound up to the last backward (an all-reduce behind the dominant step may in
// fact begin earlier than it says). GPipe: exact where a transfer has its link alone. With stashed
// weights there is no flush: M times the dominant step, whose backward then has all-reduce and
// update in it.
struct PipelineForecast {
  std::vector<PipelineStep> steps;   // 2P-1
  std::vector<double> all_reduce_s;  // by stage; 0 for one device
  std::vector<double> update_s;      // by stage: the optimizer's step on its slowest device
  int dominant = 0;                  // the step with the largest forward_s + backward_s, the first
  double round_s = 0;
  // The part of the plan's devices' time that they do not compute, with `round_s`: 1 - work /
  // (devices x round), at least 0 (a device that steps while others still go back works in what the
  // closed form leaves out).
  double bubble = 0;
  std::vector<std::vector<MemberMemory>> memory;  // by stage and member
  [[nodiscard]] bool fits() const;
};

// check_plan()'s errors.
PipelineForecast forecast_round(const PipelineProblem& problem, const PipelinePlan& plan);

}  // namespace convoy::sim
