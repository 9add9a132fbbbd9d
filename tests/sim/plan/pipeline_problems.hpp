#pragma once

// Pipelines at random: costs per layer that fall with neither samples nor layers, and devices of
// unequal speed and memory.

#include <cmath>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "sim/plan/pipeline.hpp"

namespace convoy::sim {

// Every figure by layer; a device of kind k is `slowness[k]` times as slow.
class LayerCosts : public PipelineCosts {
 public:
  std::vector<double> forward, backward;   // s a sample
  std::vector<double> launch;              // s a pass, whatever its samples
  std::vector<double> out, weights, kept;  // bytes: a sample crosses, parameters, a sample keeps
  std::vector<double> slowness;
  double step = 0;  // s a byte of weights

  [[nodiscard]] int layers() const override { return static_cast<int>(forward.size()); }
  [[nodiscard]] std::string name(int layer) const override {
    return "layer" + std::to_string(layer);
  }
  [[nodiscard]] double forward_s(int kind, LayerRange range, int samples) const override {
    return slowness[kind] * (sum(launch, range) + samples * sum(forward, range));
  }
  [[nodiscard]] double backward_s(int kind, LayerRange range, int samples) const override {
    return slowness[kind] * (sum(launch, range) + samples * sum(backward, range));
  }
  [[nodiscard]] double step_s(int kind, LayerRange range) const override {
    return slowness[kind] * step * sum(weights, range);
  }
  [[nodiscard]] double forward_bytes(int layer, int samples) const override {
    return out[layer] * samples;
  }
  [[nodiscard]] double backward_bytes(int layer, int samples) const override {
    return out[layer] * samples;
  }
  [[nodiscard]] double weight_bytes(LayerRange range) const override { return sum(weights, range); }
  [[nodiscard]] double memory_bytes(LayerRange range, int samples, int stashes,
                                    int versions) const override {
    return (2.0 + versions) * sum(weights, range) + stashes * stash_bytes(range, samples);
  }
  [[nodiscard]] double stash_bytes(LayerRange range, int samples) const override {
    return double(samples) * sum(kept, range);
  }

 private:
  static double sum(const std::vector<double>& all, LayerRange range) {
    double total = 0;
    for (int layer = range.first; layer < range.last; ++layer) total += all[layer];
    return total;
  }
};

inline LayerCosts random_costs(std::uint64_t seed, int layers, int kinds) {
  base::Random random({seed, 0x6c61796572ULL});
  LayerCosts costs;
  for (int layer = 0; layer < layers; ++layer) {
    costs.forward.push_back(0.001 * std::exp(2 * random.uniform()));
    costs.backward.push_back(costs.forward.back() * (1 + 2 * random.uniform()));
    costs.launch.push_back(0.001 * random.uniform());
    costs.out.push_back(1e4 * std::exp(3 * random.uniform()));
    costs.weights.push_back(1e5 * std::exp(4 * random.uniform()));
    costs.kept.push_back(2e5 * std::exp(3 * random.uniform()));
  }
  for (int kind = 0; kind < kinds; ++kind) {
    costs.slowness.push_back(std::exp(2 * random.uniform()));
  }
  costs.step = 1e-11;
  return costs;
}

// Each device of a kind of its own; memories so that often one device does not hold the model.
inline PipelineProblem random_problem(std::uint64_t seed, const LayerCosts& costs, int devices,
                                      int microbatch, int microbatches, bool is_uniform) {
  base::Random random({seed, 0x70726f62ULL});
  PipelineProblem problem{.costs = &costs, .microbatch = microbatch, .microbatches = microbatches};
  const double whole = costs.memory_bytes({0, costs.layers()}, microbatch, 2, 1);
  for (int device = 0; device < devices; ++device) {
    problem.devices.push_back({"d" + std::to_string(device),
                               device % static_cast<int>(costs.slowness.size()),
                               whole * (0.25 + 1.5 * random.uniform())});
  }
  const double bandwidth = 1e6 * std::exp(3 * random.uniform());
  for (int a = 0; a < devices; ++a) {
    for (int b = 0; b < devices; ++b) {
      problem.bandwidth_bytes_per_s.push_back(is_uniform ? bandwidth
                                                         : bandwidth * std::exp(random.uniform()));
    }
  }
  problem.latency_s = 0.0005 * random.uniform();
  return problem;
}

}  // namespace convoy::sim
