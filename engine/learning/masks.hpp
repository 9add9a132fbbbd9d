#pragma once

// Versions whose weights are pruned one by one (ElementKind::pruned): masks, squared gradients and
// their reconfiguration (engine/model/pruning.hpp).

#include "engine/api/work.hpp"
#include "engine/learning/tensors.hpp"

namespace convoy::engine {

// True if the masks leave out something of the tensor.
inline bool has_mask(const Tensors& masks, std::size_t tensor) {
  return !masks.empty() && masks[tensor].defined();
}

// See Submodel::elements; empty without masks.
std::vector<std::int64_t> kept_elements(const Layout& layout, const Tensors& masks);

// Sets to 0, in place, what the masks do not keep; nothing without masks. On any device.
void apply_masks(const Tensors& masks, const Tensors& tensors);
Tensors on_device(const Tensors& masks, const at::Device& device);

// The kept elements of a tensor in a row, and back again, 0 where nothing is kept.
Tensor kept_of(const Tensor& tensor, const Tensor& mask);
Tensor spread(const Tensor& kept, const Tensor& mask);

// As engine/codec/places.hpp writes masks: in the shortest form, for those who know how many are
// kept; and as a bit for each element.
Tensor places_of(const Tensor& mask);
Tensor mask_of_places(const Tensor& bytes, std::int64_t kept,
                      const std::vector<std::int64_t>& shape);
Tensor flags_of(const Tensor& mask);
Tensor mask_of_flags(const Tensor& bytes, const std::vector<std::int64_t>& shape);

// A task's squared gradients: sums of gradients over some steps, squared, times the samples of
// these steps, added to what was gathered before.
class GatheredSquares {
 public:
  // `before`: on any device; empty: nothing. `summed_steps`: 0: all steps until end().
  GatheredSquares(const Layout& layout, const Tensors& before, int summed_steps,
                  const at::Device& device);

  // The gradients of a step on so many samples; they stay as they are.
  void add(const Tensors& weights, std::int64_t samples);
  // No further step belongs to these.
  void end();
  // By tensor, FP32, copies on the host; undefined for running statistics.
  [[nodiscard]] Tensors result() const;

 private:
  int summed_steps_;
  int steps_ = 0;
  std::int64_t samples_ = 0;
  Tensors sums_;
  Tensors squares_;
};

// The masks after a reconfiguration of a version by what these updates bring; those before where
// none of them brings squared gradients. Throws base::UserError if the work does not name a time
// for each prunable tensor.
Tensors reconfigured(const Layout& layout, const TensorWeights& version,
                     const std::vector<const TensorUpdate*>& updates, const Reconfigure& work);

}  // namespace convoy::engine
