#pragma once

// The activities of one round of a pipeline, and which of them others need. Internal to analysis.

#include <map>
#include <optional>
#include <tuple>
#include <vector>

#include "analysis/pipeline.hpp"

namespace convoy::analysis {

using PipelineLabels = std::vector<std::optional<sim::PipelineLabel>>;  // by RunTables::labels

PipelineLabels read_pipeline_labels(const RunTables& run);

// The activities of each round that have started, as indices of RunTables::activities, by end; the
// rounds by task, then iteration. Of tasks with a pipeline's labels, all activities.
std::vector<std::vector<std::int32_t>> round_activities(const RunTables& run,
                                                        const PipelineLabels& labels);

class PipelineRoundView {
 public:
  // `activities`: of one round, by end; not empty.
  PipelineRoundView(const RunTables& run, const PipelineLabels& labels,
                    const std::vector<std::int32_t>& activities);

  [[nodiscard]] const PipelineRound& round() const { return round_; }
  [[nodiscard]] const std::vector<std::int32_t>& activities() const { return activities_; }
  // By node: its computes by start.
  [[nodiscard]] const std::map<std::int32_t, std::vector<std::int32_t>>& computes() const {
    return computes_;
  }
  [[nodiscard]] const Activity& of(std::int32_t index) const {
    return run_.activities[static_cast<std::size_t>(index)];
  }
  [[nodiscard]] const std::optional<sim::PipelineLabel>& label(std::int32_t index) const {
    return labels_[static_cast<std::size_t>(of(index).label)];
  }

  // The last of the transfers between stages, or of what is collected, that a compute needs; -1:
  // there is none.
  [[nodiscard]] std::int32_t last_needed(std::int32_t compute) const;
  // The end of the last transfer of an all-reduce to this node; the round's begin: there is none.
  [[nodiscard]] double reduced_until(std::int32_t node) const;
  // The activity whose end made this one ready, as far as labels and times tell; -1: none ended
  // then.
  [[nodiscard]] std::int32_t made_ready(std::int32_t index) const;
  // Who made what a transfer moves; who takes it first there. -1: unknown.
  [[nodiscard]] std::int32_t producer(std::int32_t transfer) const;
  [[nodiscard]] std::int32_t consumer(std::int32_t transfer) const;

 private:
  // Kind, micro-batch, stage (of a transfer: where it goes), node (likewise).
  using Key = std::tuple<sim::PipelineLabel::Kind, int, int, std::int32_t>;

  // How well the labels of two activities fit: 0: not at all; the highest: one needs what the other
  // makes.
  [[nodiscard]] int fits(std::int32_t before, std::int32_t after) const;
  // Of those that ended when this one was ready, or so many s apart, the one that fits best.
  [[nodiscard]] std::int32_t best_within(std::int32_t index, double hair) const;

  const RunTables& run_;
  const PipelineLabels& labels_;
  const std::vector<std::int32_t>& activities_;
  PipelineRound round_;
  std::map<std::int32_t, std::vector<std::int32_t>> computes_;
  std::map<Key, std::int32_t> compute_of_;  // forwards, backwards, steps
  std::map<Key, std::int32_t> arrived_;     // the last of each
  std::map<std::int32_t, double> reduced_until_;
};

// Equal but for rounding.
bool is_same_instant(double a, double b);

}  // namespace convoy::analysis
