#pragma once

// A run of pipelines: its rounds, what each device waits for in them, their critical paths, and who
// handed what to whom. Read from the labels of recorded activities (sim/task/pipeline_label.hpp); a
// run without such labels has none of this.
//
// A round is one pass of a task's graph: it begins when its first activity is ready and lasts to
// the end of its last. A task with weight versions instead of flushes has one long round.
//
// A device is idle in a round while none of the round's computes runs on it. Every moment of that
// has one cause (PipelineWait), which follows from the device's next compute of the round:
//   activation  it is a forward, and a stage before has not made its activations yet: while the
//               pipeline fills, and wherever the stage before is slower
//   gradient    it is a backward, and the stage behind has not made its gradients yet: while the
//               pipeline drains
//   link        what it needs is made, and is on its way, or waits to be sent
//   all_reduce  it takes, adds or steps, and the gradients of its group are not all there; or it is
//               none, and what a parameter server has stepped is not there
//   done        there is none: the device is through, and others are not; also before it joins what
//               stages have stepped
//   other       all is there, and it does not begin: the device computes for another task, waits
//   for
//               memory, is away; or the label says nothing

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "analysis/tables.hpp"
#include "base/words.hpp"
#include "sim/task/pipeline_label.hpp"

namespace convoy::analysis {

enum class PipelineWait { activation, gradient, link, all_reduce, done, other };
inline constexpr base::Words<PipelineWait> pipeline_wait_words = {
    {PipelineWait::activation, "activation"},
    {PipelineWait::gradient, "gradient"},
    {PipelineWait::link, "link"},
    {PipelineWait::all_reduce, "all_reduce"},
    {PipelineWait::done, "done"},
    {PipelineWait::other, "other"}};

inline constexpr base::Words<sim::PipelineLabel::Kind> pipeline_kind_words = {
    {sim::PipelineLabel::Kind::forward, "forward"},
    {sim::PipelineLabel::Kind::backward, "backward"},
    {sim::PipelineLabel::Kind::take, "take"},
    {sim::PipelineLabel::Kind::all_reduce, "all_reduce"},
    {sim::PipelineLabel::Kind::add, "add"},
    {sim::PipelineLabel::Kind::step, "step"},
    {sim::PipelineLabel::Kind::give, "give"},
    {sim::PipelineLabel::Kind::collect, "collect"},
    {sim::PipelineLabel::Kind::join, "join"}};

// An idle interval of a device in a round.
struct Bubble {
  std::int32_t round = 0;  // index
  std::int32_t node = 0;
  double begin_s = 0;
  double end_s = 0;
  PipelineWait cause = PipelineWait::other;
};

// A piece of a round's critical path: the time of an activity, or the wait of one that was ready
// (for a lane, or for memory).
struct PathPiece {
  std::int32_t round = 0;
  std::int32_t activity = -1;  // index of RunTables::activities; -1: nothing known ran
  bool waits = false;
  double begin_s = 0;
  double end_s = 0;
};

struct PipelineRound {
  std::int64_t task = 0;
  std::int32_t iteration = 0;
  double begin_s = 0;
  double end_s = 0;
};

// What a device did in all rounds together.
struct PipelineDevice {
  std::int32_t node = 0;
  std::int32_t stage = -1;  // of its last compute of a stage
  std::int64_t rounds = 0;  // in which it computed
  double rounds_s = 0;      // their time: computing_s and all of waiting_s together
  double computing_s = 0;
  std::array<double, pipeline_wait_words.size()> waiting_s{};  // by PipelineWait
};

// Someone's artifact comes to another device: producer, transfer, consumer.
struct PipelineFlow {
  std::int32_t from = -1;  // index of RunTables::activities: compute that made it; -1: unknown
  std::int32_t transfer = 0;
  std::int32_t to = -1;  // the compute, or next transfer, that took it first; -1: unknown
};

struct PipelineTables {
  // By RunTables::labels; nothing: a label of another form.
  std::vector<std::optional<sim::PipelineLabel>> labels;
  std::vector<PipelineRound> rounds;    // by begin
  std::vector<Bubble> bubbles;          // by round, node, time; without gaps and overlaps
  std::vector<PathPiece> path;          // by round, then time; a round's pieces follow each other
  std::vector<PipelineDevice> devices;  // by node
};

// True if the run has activities with labels of a pipeline.
bool has_pipeline(const RunTables& run);

// Of all rounds; for a run in progress, of what is recorded.
PipelineTables read_pipeline(const RunTables& run);

// By transfer between stages and devices of a stage.
std::vector<PipelineFlow> pipeline_flows(const RunTables& run);

}  // namespace convoy::analysis
