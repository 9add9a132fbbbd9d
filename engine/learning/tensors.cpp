#include "engine/learning/tensors.hpp"

#include <algorithm>
#include <cmath>

#include "engine/learning/stored_tensors.hpp"

namespace convoy::engine {
namespace {

Tensor index_tensor(const std::vector<std::int64_t>& indices, const at::Device& device) {
  return at::tensor(indices, at::kLong).to(device);
}

// Positions of the kept indices among the present ones; empty if they are equal.
std::vector<std::int64_t> within(const std::vector<std::int64_t>& there,
                                 const std::vector<std::int64_t>& kept) {
  if (there.empty()) return kept;  // all are there
  if (there == kept) return {};
  std::vector<std::int64_t> places;
  for (const std::int64_t index : kept) {
    const auto place = std::lower_bound(there.begin(), there.end(), index);
    if (place == there.end() || *place != index) {
      throw base::UserError("the part of the model that was received does not hold the submodel");
    }
    places.push_back(place - there.begin());
  }
  return places;
}
Kept within(const Kept& there, const Kept& kept) {
  // Rows or columns kept whole must be present as a whole.
  if ((kept.rows.empty() && !there.rows.empty()) ||
      (kept.columns.empty() && !there.columns.empty())) {
    throw base::UserError("the part of the model that was received does not hold the submodel");
  }
  return {within(there.rows, kept.rows), within(there.columns, kept.columns)};
}

std::uint64_t bytes_in(const Tensors& tensors) {
  std::uint64_t sum = 0;
  for (const Tensor& t : tensors) sum += t.defined() ? t.nbytes() : 0;
  return sum;
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

bool is_finite(const Tensors& tensors) {
  return std::all_of(tensors.begin(), tensors.end(), [](const Tensor& t) {
    // A NaN or an infinity stays in a sum. In double, which takes a copy of all, only if the sum of
    // large numbers may have become infinite.
    return !t.defined() || std::isfinite(t.sum().item<double>()) ||
           std::isfinite(t.sum(at::kDouble).item<double>());
  });
}

Tensors slice(const Tensors& full, const Layout& layout, const Submodel& submodel,
              const at::Device& device) {
  const Architecture& a = *layout.architecture;
  Tensors parts(layout.size());
  for (std::size_t i = 0; i < layout.size(); ++i) {
    const ParameterTensor& p = layout.tensors[i];
    if (!full[i].defined() || !is_in(p, a, submodel)) continue;
    parts[i] = slice(full[i], kept_of(p, a, submodel)).to(device);
  }
  return parts;
}

Tensor part_of(const TensorWeights& weights, const Layout& layout, const Submodel& submodel,
               std::size_t tensor) {
  const Architecture& a = *layout.architecture;
  const ParameterTensor& p = layout.tensors[tensor];
  Kept kept = kept_of(p, a, submodel);
  if (weights.part) kept = within(kept_of(p, a, *weights.part), kept);
  const bool whole = kept.rows.empty() && kept.columns.empty();
  return whole ? weights.tensors[tensor] : slice(weights.tensors[tensor], kept);
}

Tensors part_of(const TensorWeights& weights, const Layout& layout, const Submodel& submodel,
                const at::Device& device) {
  Tensors parts(layout.size());
  for (std::size_t i = 0; i < layout.size(); ++i) {
    // (Nobody sends what is frozen.)
    if (!is_in(layout.tensors[i], *layout.architecture, submodel)) continue;
    if (!weights.tensors[i].defined()) continue;
    Tensor part = part_of(weights, layout, submodel, i);
    if (part.is_same(weights.tensors[i]) && device.is_cpu()) part = part.clone();
    parts[i] = part.to(device);
  }
  return parts;
}

std::uint64_t TensorUpdate::bytes() const {
  std::uint64_t sum = bytes_in(brings) + bytes_in(squares);
  for (const Encoded& e : encoded) sum += e.places.size() + e.values.size();
  return sum;
}

std::uint64_t TensorState::bytes() const {
  std::uint64_t sum = bytes_in(logits) + bytes_in(residual) + bytes_in(squares) + bytes_in(own);
  for (const Tensors& slot : optimizer ? optimizer->slots : std::vector<Tensors>()) {
    sum += bytes_in(slot);
  }
  return sum;
}

// Only the engine creates these classes, so the casts are safe.
const TensorWeights& inside(const Weights& weights) {
  return static_cast<const TensorWeights&>(weights);  // NOLINT(*-static-cast-downcast)
}
const TensorUpdate& inside(const Update& update) {
  return static_cast<const TensorUpdate&>(update);  // NOLINT(*-static-cast-downcast)
}
std::shared_ptr<const TensorWeights> as_weights(const std::shared_ptr<const Artifact>& artifact) {
  return std::dynamic_pointer_cast<const TensorWeights>(artifact);
}
std::shared_ptr<const TensorUpdate> as_update(const std::shared_ptr<const Artifact>& artifact) {
  return in_memory(std::dynamic_pointer_cast<const TensorUpdate>(artifact));
}
const TensorState& inside(const NodeState& state) {
  return static_cast<const TensorState&>(state);  // NOLINT(*-static-cast-downcast)
}

}  // namespace convoy::engine
