#include "engine/learning/masks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "engine/codec/places.hpp"
#include "engine/model/pruning.hpp"

namespace convoy::engine {
namespace {

// A mask's elements, 1 or 0. The mask must be contiguous and on the host.
std::span<const std::uint8_t> flags_in(const Tensor& mask) {
  return {static_cast<const std::uint8_t*>(mask.data_ptr()),
          static_cast<std::size_t>(mask.numel())};
}

Tensor byte_tensor(const std::vector<std::uint8_t>& bytes) {
  return at::tensor(at::ArrayRef<std::uint8_t>(bytes), at::kByte);
}

std::span<const std::uint8_t> bytes_in(const Tensor& bytes) {
  return {bytes.data_ptr<std::uint8_t>(), static_cast<std::size_t>(bytes.numel())};
}

std::span<const float> values_in(const Tensor& tensor) {
  return {tensor.data_ptr<float>(), static_cast<std::size_t>(tensor.numel())};
}

std::vector<std::uint8_t> present_flags(const Tensors& masks, std::size_t tensor, std::int64_t n) {
  if (!has_mask(masks, tensor)) return std::vector<std::uint8_t>(static_cast<std::size_t>(n), 1);
  const std::span<const std::uint8_t> flags = flags_in(masks[tensor]);
  return {flags.begin(), flags.end()};
}

}  // namespace

std::vector<std::int64_t> kept_elements(const Layout& layout, const Tensors& masks) {
  std::vector<std::int64_t> kept;
  if (masks.empty()) return kept;
  for (std::size_t i = 0; i < layout.size(); ++i) {
    kept.push_back(masks[i].defined() ? masks[i].sum().item<std::int64_t>()
                                      : layout.tensors[i].elements());
  }
  return kept;
}

void apply_masks(const Tensors& masks, const Tensors& tensors) {
  const at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (!has_mask(masks, i) || !tensors[i].defined()) continue;
    tensors[i].masked_fill_(masks[i].logical_not(), 0);
  }
}

Tensors on_device(const Tensors& masks, const at::Device& device) {
  Tensors moved;
  for (const Tensor& mask : masks) moved.push_back(mask.defined() ? mask.to(device) : mask);
  return moved;
}

Tensor kept_of(const Tensor& tensor, const Tensor& mask) { return tensor.masked_select(mask); }

Tensor spread(const Tensor& kept, const Tensor& mask) {
  return at::zeros(mask.sizes(), kept.options()).masked_scatter_(mask, kept);
}

Tensor places_of(const Tensor& mask) { return byte_tensor(write_mask(flags_in(mask))); }

Tensor mask_of_places(const Tensor& bytes, std::int64_t kept,
                      const std::vector<std::int64_t>& shape) {
  const std::int64_t size = c10::multiply_integers(shape);
  return byte_tensor(read_mask(bytes_in(bytes), size, kept)).to(at::kBool).view(shape);
}

Tensor flags_of(const Tensor& mask) { return byte_tensor(pack_flags(flags_in(mask))); }

Tensor mask_of_flags(const Tensor& bytes, const std::vector<std::int64_t>& shape) {
  const std::vector<std::uint8_t> flags =
      unpack_flags(bytes_in(bytes), c10::multiply_integers(shape));
  return byte_tensor(flags).to(at::kBool).view(shape);
}

GatheredSquares::GatheredSquares(const Layout& layout, const Tensors& before, int summed_steps,
                                 const at::Device& device)
    : summed_steps_(summed_steps) {
  for (std::size_t i = 0; i < layout.size(); ++i) {
    const ParameterTensor& p = layout.tensors[i];
    sums_.push_back(p.buffer ? Tensor() : at::zeros(p.shape, device));
    squares_.push_back(p.buffer         ? Tensor()
                       : before.empty() ? at::zeros(p.shape, device)
                                        : before[i].to(device, at::kFloat, false, true));
  }
}

void GatheredSquares::add(const Tensors& weights, std::int64_t samples) {
  const at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < sums_.size(); ++i) {
    if (!sums_[i].defined() || !weights[i].defined() || !weights[i].grad().defined()) continue;
    sums_[i].add_(weights[i].grad());
  }
  samples_ += samples;
  if (++steps_ == summed_steps_) end();
}

void GatheredSquares::end() {
  const at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < sums_.size(); ++i) {
    if (!sums_[i].defined()) continue;
    squares_[i].addcmul_(sums_[i], sums_[i], static_cast<double>(samples_));
    sums_[i].zero_();
  }
  steps_ = 0;
  samples_ = 0;
}

Tensors GatheredSquares::result() const {
  Tensors copies;
  for (const Tensor& t : squares_) {
    copies.push_back(t.defined() ? t.to(at::kCPU, at::kFloat, false, true) : t);
  }
  return copies;
}

Tensors reconfigured(const Layout& layout, const TensorWeights& version,
                     const std::vector<const TensorUpdate*>& updates, const Reconfigure& work) {
  const at::NoGradGuard no_grad;
  std::vector<Tensor> sums(layout.size());  // double
  for (const TensorUpdate* update : updates) {
    if (!update->has_squares()) continue;
    for (std::size_t i = 0; i < layout.size(); ++i) {
      if (layout.tensors[i].buffer) continue;
      if (!sums[i].defined()) sums[i] = at::zeros(layout.tensors[i].shape, at::kDouble);
      sums[i].add_(update->square(i));
    }
  }
  if (std::ranges::none_of(sums, [](const Tensor& t) { return t.defined(); })) return version.masks;
  Reconfiguration how{
      .removal = work.removal, .max_density = work.max_density, .rest_s = work.rest_s};
  std::vector<std::size_t> numbers;  // of the prunable tensors
  std::vector<Tensor> weights;
  std::vector<std::vector<std::uint8_t>> kept;
  for (std::size_t i = 0; i < layout.size(); ++i) {
    if (layout.tensors[i].buffer) continue;
    if (!is_prunable(layout.tensors[i])) {
      how.other_squares += sums[i].sum().item<double>();
      continue;
    }
    numbers.push_back(i);
    weights.push_back(version.tensors[i].contiguous());
    kept.push_back(present_flags(version.masks, i, weights.back().numel()));
  }
  if (numbers.size() != work.each.size()) {
    throw base::UserError(
        fmt::format("a reconfiguration names {} times, {} has {} prunable tensors",
                    work.each.size(), layout.architecture->name, numbers.size()));
  }
  std::vector<PrunableLayer> layers;
  for (std::size_t l = 0; l < numbers.size(); ++l) {
    const Tensor& squares = sums[numbers[l]];
    layers.push_back({values_in(weights[l]),
                      {squares.data_ptr<double>(), static_cast<std::size_t>(squares.numel())},
                      kept[l],
                      work.each[l]});
  }
  reconfigure(layers, how);
  Tensors masks(layout.size());
  for (std::size_t l = 0; l < numbers.size(); ++l) {
    if (std::ranges::find(kept[l], 0) == kept[l].end()) continue;
    masks[numbers[l]] = byte_tensor(kept[l]).to(at::kBool).view(layout.tensors[numbers[l]].shape);
  }
  return masks;
}

}  // namespace convoy::engine
