#include "engine/learning/tensors.hpp"

namespace convoy::engine {
namespace {

Tensor index_tensor(const std::vector<std::int64_t>& indices, const at::Device& device) {
  return at::tensor(indices, at::kLong).to(device);
}

}  // namespace

Tensor slice(const Tensor& full, const Kept& kept) {
  Tensor part = full;
  if (!kept.rows.empty()) part = part.index_select(0, index_tensor(kept.rows, full.device()));
  if (!kept.columns.empty()) {
    part = part.index_select(1, index_tensor(kept.columns, full.device()));
  }
  return part.is_same(full) ? full.clone() : part;
}

Tensors slice(const Tensors& full, const Layout& layout, const Submodel& submodel,
              const at::Device& device, bool one_exit) {
  const Architecture& a = *layout.architecture;
  Tensors parts(layout.size());
  for (std::size_t i = 0; i < layout.size(); ++i) {
    const ParameterTensor& p = layout.tensors[i];
    if (!full[i].defined() || !is_in(p, a, submodel, one_exit)) continue;
    parts[i] = slice(full[i], kept_of(p, a, submodel)).to(device);
  }
  return parts;
}

// The engine is the only one who makes these.
const WeightsHeld& held(const Weights& weights) {
  return static_cast<const WeightsHeld&>(weights);  // NOLINT(*-static-cast-downcast)
}
const UpdateHeld& held(const Update& update) {
  return static_cast<const UpdateHeld&>(update);  // NOLINT(*-static-cast-downcast)
}
const StateHeld& held(const NodeState& state) {
  return static_cast<const StateHeld&>(state);  // NOLINT(*-static-cast-downcast)
}

}  // namespace convoy::engine
