#pragma once

// Pipelines for calculation by hand: costs from tables, plans of a layer a stage, and worlds in
// which they run.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "sim/schedule/pipeline_graph.hpp"
#include "tests/support/small_world.hpp"

namespace convoy::test {

// Every figure by layer, the passes' of one sample on a device of kind 0; a device of kind k takes
// k + 1 times as long.
class HandCosts : public sim::PipelineCosts {
 public:
  std::vector<double> forward;   // s
  std::vector<double> backward;  // s
  double step = 0;               // s a layer
  double ahead = 0;              // bytes of a sample over any cut
  double back = 0;
  double weights = 0;  // bytes of a layer, of which memory has three, and one more a version
  double stash = 0;    // bytes of a sample a layer

  [[nodiscard]] int layers() const override { return static_cast<int>(forward.size()); }
  [[nodiscard]] std::string name(int layer) const override { return std::to_string(layer); }
  [[nodiscard]] double forward_s(int kind, sim::LayerRange range, int samples) const override {
    return (kind + 1) * samples * sum(forward, range);
  }
  [[nodiscard]] double backward_s(int kind, sim::LayerRange range, int samples) const override {
    return (kind + 1) * samples * sum(backward, range);
  }
  [[nodiscard]] double step_s(int kind, sim::LayerRange range) const override {
    return (kind + 1) * step * count(range);
  }
  [[nodiscard]] double forward_bytes(int, int samples) const override { return ahead * samples; }
  [[nodiscard]] double backward_bytes(int, int samples) const override { return back * samples; }
  [[nodiscard]] double weight_bytes(sim::LayerRange range) const override {
    return weights * count(range);
  }
  [[nodiscard]] double memory_bytes(sim::LayerRange range, int samples, int stashes,
                                    int versions) const override {
    return count(range) * (weights * (2 + versions) + stash * samples * stashes);
  }
  [[nodiscard]] double stash_bytes(sim::LayerRange range, int samples) const override {
    return count(range) * stash * samples;
  }

 private:
  static double count(sim::LayerRange range) { return range.last - range.first; }
  static double sum(const std::vector<double>& all, sim::LayerRange range) {
    double total = 0;
    for (int layer = range.first; layer < range.last; ++layer) {
      total += all[static_cast<std::size_t>(layer)];
    }
    return total;
  }
};

// So many equal devices, of kind 0.
inline sim::PipelineProblem hand_problem(const HandCosts& costs, int devices) {
  sim::PipelineProblem problem{.costs = &costs, .devices = {}, .bandwidth_bytes_per_s = {}};
  for (int d = 0; d < devices; ++d) problem.devices.push_back({.name = std::to_string(d)});
  return problem;
}

enum class Windows { remaining, doubled };

// A stage for each layer, on a device each, with micro-batches of one sample.
inline sim::PipelinePlan straight(int stages, int microbatches, Windows windows,
                                  sim::PipelineOrder order = sim::PipelineOrder::one_f_one_b) {
  sim::PipelinePlan plan{.stages = {}, .order = order, .microbatches = microbatches, .planner = ""};
  for (int p = 0; p < stages; ++p) {
    const int left = stages - p;
    const int window = windows == Windows::remaining ? left : 2 * left - 1;
    plan.stages.push_back({{p, p + 1}, {{p, 1}}, std::min(window, microbatches)});
  }
  return plan;
}

// Of so many layers alike.
inline HandCosts equal_costs(int stages, double forward = 1, double backward = 2) {
  HandCosts costs;
  costs.forward.assign(static_cast<std::size_t>(stages), forward);
  costs.backward.assign(static_cast<std::size_t>(stages), backward);
  return costs;
}

inline sim::PipelineGraph made_of(const HandCosts& costs, const sim::PipelinePlan& plan,
                                  const sim::PipelineOptions& options = {}) {
  return sim::make_pipeline(hand_problem(costs, costs.layers()), plan, options);
}

// Stage 0 on three devices with 3, 1 and 2 samples of 6, stage 1 on two with 2 and 4.
inline sim::PipelinePlan two_groups(int microbatches) {
  sim::PipelinePlan plan{.stages = {{{0, 1}, {{0, 3}, {1, 1}, {2, 2}}, std::min(3, microbatches)},
                                    {{1, 2}, {{3, 2}, {4, 4}}, 1}},
                         .microbatch = 6,
                         .microbatches = microbatches,
                         .planner = ""};
  return plan;
}

// With weight stashing (PipeDream).
inline sim::PipelinePlan pipedream(int stages, int microbatches) {
  sim::PipelinePlan plan = straight(stages, microbatches, Windows::remaining);
  plan.stashes_weights = true;
  return plan;
}

// Runs pipelines beside each other, each on workers of its own, from 0 s on.
class PipelineRuns {
 public:
  Witness witness;
  std::vector<sim::PipelineGraph> made;

  // `like`: each of its workers.
  sim::TaskId add(sim::PipelineGraph pipeline, const sim::NodeConfig& like) {
    std::vector<sim::NodeId> members;
    for (std::size_t i = 0; i < pipeline.devices.size(); ++i) {
      members.push_back(static_cast<sim::NodeId>(config_.nodes.size()));
      config_.nodes.push_back(like);
      config_.nodes.back().name = std::to_string(members.back());
    }
    made.push_back(std::move(pipeline));
    members_.push_back(std::move(members));
    return static_cast<sim::TaskId>(made.size()) - 1;
  }

  void run() {
    world_ = std::make_unique<sim::World>(config_, witness);
    for (std::size_t i = 0; i < made.size(); ++i) {
      world_->start(static_cast<sim::TaskId>(i), made[i].graph, members_[i]);
    }
    world_->run();
  }

  // -1: it has not come to its end.
  [[nodiscard]] double end_of(sim::TaskId task) const {
    for (const sim::Event& event : witness.events) {
      if (event.kind == sim::EventKind::task_done && event.task == task) return event.time;
    }
    return -1;
  }
  [[nodiscard]] sim::NodeUsage usage(sim::TaskId task, int role) const {
    return world_->usage(members_[static_cast<std::size_t>(task)][static_cast<std::size_t>(role)]);
  }

 private:
  sim::WorldConfig config_ = simple_world(0);
  std::vector<std::vector<sim::NodeId>> members_;
  std::unique_ptr<sim::World> world_;
};

// A worker with full-duplex links; `transfers` at once in each direction, 0: any number.
inline sim::NodeConfig worker(double bytes_per_s, double latency_s = 0, int transfers = 1) {
  sim::NodeConfig node;
  node.link = {"", "", platforms::Duplex::full, 8 * bytes_per_s, 8 * bytes_per_s, latency_s};
  node.concurrent_transfers = transfers;
  return node;
}

// A file of shared/data/references; null if it is not there.
inline nlohmann::json reference_file(const std::string& name) {
  const std::filesystem::path file =
      std::filesystem::path(CONVOY_SOURCE) / "../shared/data/references" / name;
  if (!std::filesystem::exists(file)) return {};
  std::ifstream in(file);
  return nlohmann::json::parse(in);
}

}  // namespace convoy::test
