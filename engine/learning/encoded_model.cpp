#include "engine/learning/encoded_model.hpp"

#include <numeric>
#include <utility>

#include "engine/learning/encoded_update.hpp"

namespace convoy::engine {
namespace {

// Of a model the largest elements are sent: nothing is drawn.
constexpr std::uint64_t no_draw = 0;

Encoded encoded(const Tensor& part, const Compression& compression) {
  const Tensor values = part.contiguous();
  return encode({values.data_ptr<float>(), static_cast<std::size_t>(values.numel())}, compression,
                no_draw);
}

// All members of its blocks.
Submodel widened(const Architecture& architecture, const Submodel& submodel) {
  Submodel wide = submodel;
  for (std::size_t g = 0; g < wide.kept.size(); ++g) {
    const Group& group = architecture.groups[g];
    wide.kept[g].resize(group.block < wide.depth ? static_cast<std::size_t>(group.size) : 0);
    std::iota(wide.kept[g].begin(), wide.kept[g].end(), 0);
  }
  return wide;
}

// `full` with a part of it replaced.
Tensor replaced(const Tensor& full, const Kept& kept, const Tensor& part) {
  if (kept.rows.empty() && kept.columns.empty()) return part;
  const auto index = [](const std::vector<std::int64_t>& of) { return at::tensor(of, at::kLong); };
  Tensor whole = full.clone();
  if (kept.columns.empty()) return whole.index_copy_(0, index(kept.rows), part);
  if (kept.rows.empty()) return whole.index_copy_(1, index(kept.columns), part);
  const Tensor rows = whole.index_select(0, index(kept.rows));
  return whole.index_copy_(0, index(kept.rows), rows.index_copy(1, index(kept.columns), part));
}

}  // namespace

std::shared_ptr<const TensorWeights> encode_model(const Layout& layout,
                                                  const TensorWeights& version,
                                                  const Submodel& part,
                                                  const Compression& compression) {
  const at::NoGradGuard no_grad;
  auto sent = std::make_shared<TensorWeights>(Tensors(layout.size()), Trained(layout.size()), part);
  sent->compression = compression;
  sent->encoded.resize(layout.size());
  for (std::size_t i = 0; i < layout.size(); ++i) {
    const ParameterTensor& p = layout.tensors[i];
    if (!is_in(p, *layout.architecture, part)) continue;
    const Tensor values = part_of(version, layout, part, i);
    if (p.buffer) {
      sent->tensors[i] = values;
    } else {
      sent->encoded[i] = encoded(values, compression);
    }
  }
  return sent;
}

std::shared_ptr<const TensorWeights> decode_model(const Layout& layout,
                                                  const TensorWeights& encoded) {
  const at::NoGradGuard no_grad;
  const Architecture& a = *layout.architecture;
  Tensors tensors = encoded.tensors;
  for (std::size_t i = 0; i < layout.size(); ++i) {
    const ParameterTensor& p = layout.tensors[i];
    if (p.buffer || !is_in(p, a, *encoded.part)) continue;
    tensors[i] = decompress(encoded.encoded[i], encoded.compression, no_draw, i,
                            shape_in(p, kept_of(p, a, *encoded.part)));
  }
  return std::make_shared<const TensorWeights>(std::move(tensors), Trained(layout.size()),
                                               encoded.part);
}

Tensor trained_from(const Layout& layout, const TensorWeights& version, const TensorUpdate& update,
                    std::size_t tensor) {
  const ParameterTensor& p = layout.tensors[tensor];
  const Tensor& full = version.tensors[tensor];
  if (!update.received_as || p.buffer || !update.has(tensor)) return full;
  const at::NoGradGuard no_grad;
  const Architecture& a = *layout.architecture;
  const Submodel sent = update.received_as->is_wide ? widened(a, update.submodel) : update.submodel;
  const Kept kept = kept_of(p, a, sent);
  const Compression& compression = update.received_as->compression;
  const Tensor part = decompress(encoded(slice(full, kept), compression), compression, no_draw,
                                 tensor, shape_in(p, kept));
  return replaced(full, kept, part);
}

}  // namespace convoy::engine
