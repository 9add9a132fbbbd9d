#pragma once

// What it costs to learn weights element by element (engine/model/elements.hpp): bytes of a version
// and an update on the wire, and what a node takes besides an ordinary training. Running statistics
// go in FP32. Kernels are those of dense weights: masked ones are multiplied like any others.

#include <cstdint>
#include <vector>

#include "engine/model/costs.hpp"
#include "engine/model/elements.hpp"

namespace convoy::engine {

// By tensor: how many elements are kept if of each prunable tensor this share is, at least one.
std::vector<std::int64_t> elements_at(const Architecture& architecture, double density);

// pruned, with so many elements kept by tensor (empty: all). Down go the kept values, and which
// they are (engine/codec/places.hpp). Up go values alone: the receiver has made the mask. Squared
// gradients are those of all parameters, masked or not.
double pruned_down_bytes(const Architecture& architecture, const std::vector<std::int64_t>& kept);
double pruned_up_bytes(const Architecture& architecture, const std::vector<std::int64_t>& kept,
                       bool brings_squares);

// sampled: scores in FP32 down, a bit for each up. Nothing of what is frozen.
double sampled_down_bytes(const Architecture& architecture);
double sampled_up_bytes(const Architecture& architecture);

// A node's work besides that of an ordinary training, tensor by tensor: passes bound by memory,
// after engine/learning. That is ours; it has not been measured on a device.
struct ElementWork {
  StepCost each_step;
  StepCost at_the_end;
  double memory = 0;  // bytes
};
// Weights are multiplied by their masks before each step; gradients are summed, then squared and
// gathered.
ElementWork pruned_work(const Architecture& architecture, bool gathers_squares);
// Before each step what takes part is drawn from the scores and multiplied by the constants; its
// gradient becomes that of the scores. In the end one sample is drawn.
ElementWork sampled_work(const Architecture& architecture);

}  // namespace convoy::engine
