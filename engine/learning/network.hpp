#pragma once

// Computes a submodel: follows the same trace as the cost model and calls LibTorch's operators.
// Tensors are passed with each call, so that one network serves masked and unmasked weights.
// Computes the whole, or one stage of it (engine/model/stage.hpp).

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "engine/learning/tensors.hpp"
#include "engine/model/stage.hpp"

namespace convoy::engine {

struct Mode {
  bool training = false;           // dropout, and statistics of the batch
  bool update_statistics = false;  // running means and variances, in place
  double momentum = 0.1;           // share of the new batch in these
  // In training what a layer that follows a group gives is divided by this, (0, 1]: the submodel's
  // rate, for HeteroFL's scaler.
  double rate = 1;
  // For dropout; each node's task has its own. Training with dropout needs this or `layer_draws`.
  at::Generator generator;
  // Each dropout layer draws from a generator of its own instead, seeded by (this, its number in
  // the trace): what it draws does not depend on which layers were computed before it.
  std::optional<std::uint64_t> layer_draws = {};
};

// A new generator on the device with this seed.
at::Generator make_generator(const at::Device& device, std::uint64_t seed);

class Network {
 public:
  // `one_exit`: the deepest exit only.
  Network(const Layout& layout, const Submodel& submodel, bool one_exit = false);

  // Scores [batch, classes] of each exit, by rising depth. `input`: images [batch, channels,
  // height, width] or token numbers [batch, sequence]. `tensors`: sliced, by the layout's numbers.
  [[nodiscard]] Tensors forward(const Tensors& tensors, const Tensor& input,
                                const Mode& mode) const;
  // As above, but tensors are made (a gate x a weight) just before their layer, by their number in
  // the layout, each once. Backward then handles such a tensor right after its layer, since
  // LibTorch goes through operations in reverse order of creation; if all were made first, all
  // their gradients would be in memory at once.
  using TensorOf = std::function<Tensor(std::size_t number)>;
  [[nodiscard]] Tensors forward(const TensorOf& tensor_of, const Tensor& input,
                                const Mode& mode) const;

  // Only the layers of a stage. `values`: by tensor number of the trace; holds what crosses the
  // stage's first cut (crossing() in engine/model/stage.hpp; before the first layer the input, 0),
  // afterwards what crosses its last cut. Gives the scores of the exits that end in the stage.
  // Stage by stage the operations are those of the whole, in the same order.
  [[nodiscard]] Tensors forward(const Stage& stage, const TensorOf& tensor_of, Tensors& values,
                                const Mode& mode) const;

  [[nodiscard]] const Trace& trace() const { return trace_; }

 private:
  struct Step {
    int traced = 0;             // index in the trace
    int first = -1;             // first of its tensors in the layout, or -1
    Tensor indices;             // scatter: targets of the kept rows
    std::vector<int> released;  // tensor numbers not needed after this layer
    bool is_exit = false;       // its output is the scores of an exit
  };

  [[nodiscard]] Tensor apply(const Step& step, const TensorOf& tensor_of, const Tensors& values,
                             const Tensor& padding, const Mode& mode) const;
  [[nodiscard]] Tensor attention(const TracedLayer& t, const Tensor& qkv,
                                 const Tensor& padding) const;

  const Layout& layout_;
  Trace trace_;
  std::vector<Step> steps_;
};

}  // namespace convoy::engine
