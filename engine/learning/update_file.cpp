// Updates as safetensors.

#include <fmt/format.h>

#include <cmath>
#include <optional>

#include "engine/learning/file_parts.hpp"
#include "engine/learning/files.hpp"
#include "engine/learning/masks.hpp"
#include "engine/learning/sampled.hpp"

namespace convoy::engine {
namespace {

// Name of an update's tensor: see TensorUpdate.
std::string brought_name(const ParameterTensor& p) {
  return (p.buffer ? "value:" : "delta:") + p.name;
}

// How the model was sent that an update was trained from; nothing: whole.
std::optional<SentModel> read_received_as(const TensorSource& source) {
  if (!source.says("received_keep")) return std::nullopt;
  SentModel sent{read_rates(source, "received_"), source.whole("received_wide") == 1};
  sent.compression.feedback = false;
  return sent;
}

// Labels of the node's samples; none if the update does not say.
std::vector<int> read_labels(const TensorSource& source) {
  std::vector<int> all;
  if (!source.says("labels")) return all;
  for (const double label : source.numbers("labels")) {
    const bool rises = all.empty() || label > all.back();
    if (!rises || label != std::floor(label) || label >= source.layout().architecture->classes) {
      source.fail("\"labels\" in its metadata is no rising list of labels");
    }
    all.push_back(static_cast<int>(label));
  }
  if (all.empty()) source.fail("\"labels\" in its metadata is empty");
  return all;
}

// The block of the parameters that an update holds; nothing: all of its submodel.
std::optional<BlockRows> read_block(const TensorSource& source) {
  if (!source.says("block_from")) return std::nullopt;
  const ParameterBlock block{source.number("block_from"), source.number("block_to")};
  if (!block.is_valid())
    source.fail("\"block_from\" and \"block_to\" in its metadata are no block");
  return BlockRows{block, rows_of(source.layout().tensors, block)};
}

// The masks of an update and its squared gradients.
void read_update_masks(const Layout& layout, TensorSource& source, const TensorWeights* base,
                       TensorUpdate& update) {
  if (layout.elements != ElementKind::pruned) return;
  if (base != nullptr) update.masks = base->masks;
  for (std::size_t i = 0; i < layout.size(); ++i) {
    const ParameterTensor& p = layout.tensors[i];
    if (base == nullptr && is_prunable(p) && source.has("mask:" + p.name)) {
      update.masks.resize(layout.size());
      update.masks[i] = source.flags("mask:" + p.name, p.shape);
    }
    const std::string name = "square:" + p.name;
    if (p.buffer || !source.has(name)) continue;
    update.squares.resize(layout.size());
    update.squares[i] = source.squares(name, p.shape);
  }
  for (std::size_t i = 0; i < update.squares.size(); ++i) {
    if (layout.tensors[i].buffer || update.squares[i].defined()) continue;
    source.fail(fmt::format("has no \"square:{}\"", layout.tensors[i].name));
  }
}

}  // namespace

TensorFile to_file(const Layout& layout, const TensorUpdate& update, Masks masks) {
  TensorFile file;
  put_submodel(layout, update.submodel, file);
  file.metadata["samples"] = fmt::format("{}", update.samples);
  file.metadata["rate"] = fmt::format("{}", update.rate);
  file.metadata["base_version"] = std::to_string(update.base_version);
  file.metadata["steps"] = std::to_string(update.steps);
  if (!update.labels.empty()) {
    file.metadata["labels"] = fmt::format("{}", fmt::join(update.labels, " "));
  }
  put_stages(update.stages, file);
  if (update.rest_is_own) file.metadata["rest_is_own"] = "1";
  if (update.block) {
    file.metadata["block_from"] = fmt::format("{}", update.block->block.from);
    file.metadata["block_to"] = fmt::format("{}", update.block->block.to);
  }
  const bool is_compressed = !update.encoded.empty();
  if (is_compressed) {
    put_compression(update.compression, file);
    file.metadata["draw"] = std::to_string(update.draw);
  }
  if (update.received_as) {
    file.metadata["received_keep"] = fmt::format("{}", update.received_as->compression.keep);
    file.metadata["received_bits"] = std::to_string(update.received_as->compression.bits);
    file.metadata["received_wide"] = std::to_string(update.received_as->is_wide ? 1 : 0);
  }
  for (std::size_t i = 0; i < layout.size(); ++i) {
    const ParameterTensor& p = layout.tensors[i];
    if (!update.brings[i].defined()) continue;
    if (is_compressed && !p.buffer) {
      put_encoded(p, brought_name(p), update.encoded[i], update.compression, file);
    } else if (layout.samples(i)) {
      file.tensors.emplace_back("sample:" + p.name, flags_of(takes_part(update.brings[i])));
    } else if (has_mask(update.masks, i)) {
      const Tensor& mask = update.masks[i];
      file.tensors.emplace_back(brought_name(p), kept_of(update.brings[i], mask));
      if (masks == Masks::with) file.tensors.emplace_back("mask:" + p.name, flags_of(mask));
    } else {
      file.tensors.emplace_back(brought_name(p), update.brings[i]);
    }
  }
  for (std::size_t i = 0; i < update.squares.size(); ++i) {
    if (!update.squares[i].defined()) continue;
    file.tensors.emplace_back("square:" + layout.tensors[i].name, update.squares[i]);
  }
  return file;
}

std::shared_ptr<const TensorUpdate> update_from(const Layout& layout, TensorFile file,
                                                const std::string& from,
                                                const TensorWeights* base) {
  TensorSource source(layout, std::move(file), from);
  const Architecture& a = *layout.architecture;
  auto update = std::make_shared<TensorUpdate>();
  update->submodel = read_submodel(source);
  update->samples = source.number("samples");
  update->rate = source.number("rate");
  update->base_version = source.whole("base_version");
  update->steps = source.whole("steps");
  update->labels = read_labels(source);
  update->brings.resize(layout.size());
  update->received_as = read_received_as(source);
  update->block = read_block(source);
  const std::optional<Compression> compression = compression_of(source);
  if (compression) {
    update->compression = *compression;
    update->draw = source.number64("draw");
    update->encoded.resize(layout.size());
  }
  read_update_masks(layout, source, base, *update);
  update->stages = read_stages(source, update->submodel);
  update->rest_is_own = update->is_partial() && source.says("rest_is_own");
  const std::vector<bool> held = held_by(layout, update->stages, update->submodel);
  for (std::size_t i = 0; i < layout.size(); ++i) {
    const ParameterTensor& p = layout.tensors[i];
    if (!held[i] || layout.freezes(i) || !is_in(p, a, update->submodel)) continue;
    if (update->block && update->block->rows[i].is_empty()) continue;
    const Kept kept =
        update->block ? kept_of(p, update->block->rows[i]) : kept_of(p, a, update->submodel);
    const std::vector<std::int64_t> shape = shape_in(p, kept);
    if (has_mask(update->masks, i)) {
      const Tensor& mask = update->masks[i];
      update->brings[i] =
          spread(source.get(brought_name(p), {mask.sum().item<std::int64_t>()}), mask);
      continue;
    }
    if (layout.samples(i)) {
      update->brings[i] = counted(source.flags("sample:" + p.name, shape));
      continue;
    }
    if (compression && !p.buffer) {
      update->encoded[i] =
          read_encoded(source, p, brought_name(p), c10::multiply_integers(shape), *compression);
      update->brings[i] =
          decoded(source, update->encoded[i], update->compression, update->draw, i, shape);
      continue;
    }
    update->brings[i] = source.get(brought_name(p), shape);
    source.check_variance(p, brought_name(p), update->brings[i]);
  }
  source.finish();
  return update;
}

}  // namespace convoy::engine
