#include "engine/learning/tensors.hpp"

namespace convoy::engine {
namespace {

Tensor index_tensor(const std::vector<std::int64_t>& indices, const at::Device& device) {
  return at::tensor(indices, at::kLong).to(device);
}

}  // namespace

std::int64_t bytes_of(const Tensors& tensors) {
  std::int64_t bytes = 0;
  for (const Tensor& t : tensors) bytes += t.defined() ? static_cast<std::int64_t>(t.nbytes()) : 0;
  return bytes;
}

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

Tensor scatter(const Tensor& part, const Kept& kept, at::IntArrayRef shape) {
  if (kept.rows.empty() && kept.columns.empty()) return part.clone();
  const at::Device device = part.device();
  Tensor rows = part;
  if (!kept.columns.empty()) {
    std::vector<std::int64_t> wide = part.sizes().vec();
    wide[1] = shape[1];
    rows = at::zeros(wide, part.options());
    rows.index_copy_(1, index_tensor(kept.columns, device), part);
  }
  if (kept.rows.empty()) return rows;
  Tensor full = at::zeros(shape, part.options());
  full.index_copy_(0, index_tensor(kept.rows, device), rows);
  return full;
}

Tensors scatter(const Tensors& parts, const Layout& layout, const Submodel& submodel) {
  Tensors full(layout.size());
  for (std::size_t i = 0; i < layout.size(); ++i) {
    const ParameterTensor& p = layout.tensors[i];
    if (!parts[i].defined()) continue;
    full[i] = scatter(parts[i], kept_of(p, *layout.architecture, submodel), p.shape);
  }
  return full;
}

std::int64_t StateHeld::bytes() const {
  std::int64_t sum = bytes_of(logits);
  if (optimizer) {
    for (const Tensors& slot : optimizer->slots) sum += bytes_of(slot);
  }
  return sum;
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
