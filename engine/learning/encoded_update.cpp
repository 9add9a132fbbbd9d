#include "engine/learning/encoded_update.hpp"

#include "base/random.hpp"

namespace convoy::engine {
namespace {

std::uint64_t seed_of(std::uint64_t draw, std::size_t tensor) {
  return base::Random({draw, tensor}).bits();
}

std::span<float> values_of(const Tensor& tensor) {
  return {tensor.data_ptr<float>(), static_cast<std::size_t>(tensor.numel())};
}

// Writes a slice of a tensor into a full tensor of zeros.
Tensor spread(const Tensor& part, const ParameterTensor& tensor, const Kept& kept) {
  if (kept.rows.empty() && kept.columns.empty()) return part;
  Tensor full = at::zeros(tensor.shape, at::kFloat);
  if (kept.columns.empty()) return full.index_copy_(0, at::tensor(kept.rows, at::kLong), part);
  Tensor rows = full;
  if (!kept.rows.empty()) {
    std::vector<std::int64_t> shape = tensor.shape;
    shape[0] = std::ssize(kept.rows);
    rows = at::zeros(shape, at::kFloat);
  }
  rows.index_copy_(1, at::tensor(kept.columns, at::kLong), part);
  if (kept.rows.empty()) return rows;
  return full.index_copy_(0, at::tensor(kept.rows, at::kLong), rows);
}

}  // namespace

std::uint64_t draw_of(std::uint64_t seed, int node, std::int64_t task) {
  constexpr std::uint64_t compression = 0x636f6d707265ULL;
  return base::Random({seed, static_cast<std::uint64_t>(node), static_cast<std::uint64_t>(task),
                       compression})
      .bits();
}

Compressed compress(const Layout& layout, const TensorUpdate& update,
                    const Compression& compression, const Tensors& residual, std::uint64_t draw) {
  const at::NoGradGuard no_grad;
  Compressed made;
  auto sent = std::make_shared<TensorUpdate>(UpdateOrigin(update));
  sent->brings = update.brings;
  sent->compression = compression;
  sent->draw = draw;
  sent->encoded.resize(layout.size());
  if (compression.feedback) made.residual.resize(layout.size());
  for (std::size_t i = 0; i < layout.size(); ++i) {
    if (!update.brings[i].defined() || layout.tensors[i].buffer) continue;
    Tensor wanted = update.brings[i].contiguous();
    if (compression.drawn &&
        !compression.feedback) {  // so that on average the whole update arrives
      const auto sent_of_it = static_cast<double>(sent_of(wanted.numel(), compression));
      wanted = wanted * (static_cast<double>(wanted.numel()) / sent_of_it);
    }
    if (!residual.empty() && residual[i].defined()) wanted = wanted + residual[i];
    sent->encoded[i] = encode(values_of(wanted), compression, seed_of(draw, i));
    sent->brings[i] =
        decompress(sent->encoded[i], compression, draw, i, update.brings[i].sizes().vec());
    if (compression.feedback) made.residual[i] = wanted - sent->brings[i];
  }
  made.update = std::move(sent);
  return made;
}

Tensor decompress(const Encoded& encoded, const Compression& compression, std::uint64_t draw,
                  std::size_t tensor, const std::vector<std::int64_t>& shape) {
  Tensor values = at::empty(shape, at::kFloat);
  decode(encoded, compression, seed_of(draw, tensor), values_of(values));
  return values;
}

Tensors residual_in(const Layout& layout, const Tensors& residual, const Submodel& from,
                    const Submodel& to) {
  if (residual.empty() || from.kept == to.kept) return residual;
  const at::NoGradGuard no_grad;
  Tensors moved(layout.size());
  for (std::size_t i = 0; i < layout.size(); ++i) {
    const ParameterTensor& p = layout.tensors[i];
    if (!residual[i].defined() || !is_in(p, *layout.architecture, to)) continue;
    const Tensor full = spread(residual[i], p, kept_of(p, *layout.architecture, from));
    moved[i] = slice(full, kept_of(p, *layout.architecture, to));
  }
  return moved;
}

}  // namespace convoy::engine
