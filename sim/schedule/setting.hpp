#pragma once

// All that a schedule knows before the run: model, training, fleet. Costs and memory follow from it
// (local_update.hpp).

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/model/architecture.hpp"
#include "engine/model/costs.hpp"
#include "platforms/device.hpp"
#include "platforms/link.hpp"
#include "sim/task/by_group.hpp"
#include "sim/task/by_node.hpp"
#include "sim/task/graph.hpp"
#include "sim/task/node_name.hpp"

namespace convoy::sim {

// Fixed costs that replace those computed from the model ([training.fixed_cost]).
struct FixedCost {
  double compute_s = 0;  // per task, on every node, before its slowdown
  double download_bytes = 0;
  double upload_bytes = 0;
  double aggregate_s = 0;  // on the server
  double memory_bytes = 0;
};

struct NodeSetting {
  NodeName name;
  std::shared_ptr<const platforms::Machine> machine;
  std::int64_t samples = 0;  // training samples per epoch
  int batch = 1;
  platforms::Link link = {};  // its own, as it is without a trace
};

struct Setting {
  std::uint64_t seed = 1;
  // Whose times, memory, bytes and energy tasks have.
  std::shared_ptr<const engine::Architecture> architecture;
  // What is learned in its place (training.learn_as); null: the architecture itself.
  std::shared_ptr<const engine::Architecture> learned_as = nullptr;
  engine::Optimizer optimizer = engine::Optimizer::sgd;
  // For times and memory; learning always uses FP32. fp32, fp32_strict or fp16_mixed.
  engine::Precision precision = engine::Precision::fp32;
  double proximal = 0;  // mu of every task (training.proximal)
  // What costs nothing and not every task can have: a limit of the gradient's norm (0: none), and
  // an optimizer whose state is kept between a node's tasks.
  double clip = 0;
  bool keeps_optimizer = false;
  int local_epochs = 1;
  std::optional<int> local_steps;  // instead of epochs
  bool test_locally = false;       // each node tests what it receives, on its own test part
  std::optional<FixedCost> fixed;
  ByGroup<NodeSetting> nodes;  // the first is the server

  [[nodiscard]] const engine::Architecture& learned() const {
    return learned_as ? *learned_as : *architecture;
  }
  [[nodiscard]] int workers() const { return static_cast<int>(nodes.size()) - 1; }
};

// Values by memory class (nominal GiB). A device takes the value of the largest class not above its
// memory, or else of the smallest class.
template <class T>
class ByMemoryClass {
 public:
  ByMemoryClass() = default;
  ByMemoryClass(std::map<int, T> values) : values_(std::move(values)) {}
  [[nodiscard]] const T& of(int memory_gb) const {
    auto next = values_.upper_bound(memory_gb);
    if (next != values_.begin()) --next;
    return next->second;
  }
  [[nodiscard]] const std::map<int, T>& values() const { return values_; }

 private:
  std::map<int, T> values_;
};

}  // namespace convoy::sim
