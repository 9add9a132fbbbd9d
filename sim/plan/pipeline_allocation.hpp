#pragma once

// Shares a micro-batch among the devices of a stage (Asteroid, arXiv 2408.08015): samples in
// proportion to the devices' speeds, as far as their memories allow; then single samples move from
// the slowest device to another one while that makes the slowest faster. The result has the
// smallest possible time of the slowest device (forward + backward) if times do not fall with more
// samples.
//
//   StageTimes times(problem);
//   const std::vector<StageMember> members = allocate(times, {0, 4}, {2, 0, 5}, window, 1);

#include <span>
#include <vector>

#include "sim/plan/pipeline.hpp"

namespace convoy::sim {

// The costs of a problem, asked for once and kept. Not for several threads.
class StageTimes {
 public:
  explicit StageTimes(const PipelineProblem& problem);  // which outlives it; costs are given

  [[nodiscard]] const PipelineProblem& problem() const { return problem_; }
  // s on this device; 0 for no sample.
  [[nodiscard]] PipelineStep pass(int device, LayerRange layers, int samples);
  // Samples of each micro-batch that fit the device's memory, from 0 to B.
  [[nodiscard]] int most_samples(int device, LayerRange layers, int stashes, int versions);
  // The same, and a pass forward and backward takes less than `longest_s`.
  [[nodiscard]] int fast_samples(int device, LayerRange layers, double longest_s, int stashes);
  // Devices with the same kind and memory are of one class, from 0.
  [[nodiscard]] int class_of(int device) const {
    return classes_[static_cast<std::size_t>(device)];
  }

 private:
  [[nodiscard]] std::size_t range_of(LayerRange layers) const {
    return static_cast<std::size_t>((layers.first * layers_) + layers.last - 1);
  }

  const PipelineProblem& problem_;
  int layers_ = 0;
  std::vector<int> classes_;
  std::vector<std::vector<PipelineStep>> passes_;  // by kind and range: by samples
  std::vector<std::vector<int>> most_;             // by class and range: by stashes, 1 version
};

// By position in the group: samples, possibly 0; empty where the group's memories do not hold the
// micro-batch. The group has at least one device.
std::vector<int> allocate_samples(StageTimes& times, LayerRange layers, std::span<const int> group,
                                  int stashes, int versions);

// Without the devices that got no sample; empty where it does not fit.
std::vector<StageMember> allocate(StageTimes& times, LayerRange layers, std::span<const int> group,
                                  int stashes, int versions);

}  // namespace convoy::sim
