#pragma once

// Goes through a submodel layer by layer and computes all shapes.

#include <string>
#include <vector>

#include "engine/model/submodel.hpp"

namespace convoy::engine {

// Shape of one sample's tensor inside a submodel.
struct Shape {
  int features = 0;  // kept
  int height = 1;    // positions: height x width; tokens: height
  int width = 1;
  int group = -1;  // group whose kept members these features are, or -1: all

  [[nodiscard]] double positions() const { return static_cast<double>(height) * width; }
  [[nodiscard]] double elements() const { return features * positions(); }
};

struct TracedLayer {
  const Layer* layer = nullptr;
  std::string path;         // "block3.qkv", "exit12.classifier"
  std::vector<int> inputs;  // tensor numbers; 0 is the network's input
  int output = 0;           // tensor number
  Shape in;                 // of the first input
  Shape out;
  double parameters = 0;  // trainable
  double buffers = 0;     // running statistics
  int parameter_tensors = 0;
  bool gated = false;  // its rows follow a group (Co-S2P has a gate on each member)
  int block = -1;      // its block, or the one before its exit; -1: the stem
  int exit = -1;       // index of its exit, or -1
  [[nodiscard]] bool in_exit() const { return exit >= 0; }
  int heads = 0;  // attention: heads kept
};

struct Trace {
  std::vector<TracedLayer> layers;  // in the order of execution
  int tensors = 1;                  // tensor numbers are below this

  [[nodiscard]] double parameters() const;
  [[nodiscard]] double buffers() const;
  [[nodiscard]] int parameter_tensors() const;
};

// True if some batch_norm sees a single position: it cannot be trained on one sample.
bool needs_two_samples(const Trace& trace);

// Includes all exits up to the submodel's depth, or only the deepest (`one_exit`: Co-S2P's mask
// phase). Throws base::UserError if the submodel has no exit or the image becomes empty.
Trace trace(const Architecture& architecture, const Submodel& submodel, bool one_exit = false);

}  // namespace convoy::engine
