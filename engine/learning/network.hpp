#pragma once

// A submodel as something that computes: walks the same trace that the costs are made of and calls
// LibTorch's operators. Its tensors are given with each call, so that one network serves masked and
// unmasked weights.

#include <ATen/ATen.h>

#include <functional>
#include <vector>

#include "engine/learning/tensors.hpp"
#include "engine/model/trace.hpp"

namespace convoy::engine {

struct Mode {
  bool training = false;           // dropout, and statistics of the batch
  bool update_statistics = false;  // running means and variances, in place
  // Draws the dropout; a node's task has one of its own. Needed where training with dropout.
  at::Generator generator;
};

// A generator of its own on the device, seeded.
at::Generator make_generator(const at::Device& device, std::uint64_t seed);

class Network {
 public:
  // `one_exit`: of the exits only the deepest.
  Network(const Layout& layout, const Submodel& submodel, bool one_exit = false);

  // Scores [batch, classes] of each exit, by rising depth. `input`: images [batch, channels,
  // height, width] or token numbers [batch, sequence]. `tensors`: sliced, by the layout's numbers.
  [[nodiscard]] Tensors forward(const Tensors& tensors, const Tensor& input,
                                const Mode& mode) const;
  // The same with tensors that are made (a gate x a weight) when their layer comes: by their
  // number in the layout, each once. Backward is done with such a tensor right after its layer,
  // since LibTorch takes what was made last first; made in front, all their gradients would be
  // there at once.
  using TensorOf = std::function<Tensor(std::size_t number)>;
  [[nodiscard]] Tensors forward(const TensorOf& tensor_of, const Tensor& input,
                                const Mode& mode) const;

  [[nodiscard]] const Trace& trace() const { return trace_; }

 private:
  struct Step {
    int traced = 0;              // index in the trace
    int first = -1;              // of its tensors in the layout, or -1
    Tensor indices;              // scatter: where the kept rows go
    std::vector<int> last_uses;  // tensor numbers that nobody needs after it
    bool is_exit = false;        // its output is an exit's scores
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
