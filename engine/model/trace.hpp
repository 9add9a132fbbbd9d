#pragma once

// Walks a submodel layer by layer and works out the shapes of everything that flows through it.

#include <string>
#include <vector>

#include "engine/model/submodel.hpp"

namespace convoy::engine {

// What one sample's tensor looks like inside a submodel.
struct Shape {
  int features = 0;  // kept
  int height = 1;    // positions: height x width; tokens: height
  int width = 1;
  int group = -1;  // the group whose kept members these features are, or -1: all are there

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
  int block = -1;      // it belongs to, or that its exit follows; -1: the stem
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

// Some batch_norm sees a single position: it cannot train on a batch of one sample.
bool needs_two_samples(const Trace& trace);

// All exits up to the submodel's depth, or the deepest one only (`one_exit`: Co-S2P's mask phase).
// Throws base::UserError where the submodel has no exit or the image shrinks to nothing.
Trace trace(const Architecture& architecture, const Submodel& submodel, bool one_exit = false);

}  // namespace convoy::engine
