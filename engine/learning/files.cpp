// Versions of the model and parts of one; limits of all such files. update_file.cpp and
// state_file.cpp have the others.

#include "engine/learning/files.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <optional>

#include "engine/learning/file_parts.hpp"
#include "engine/learning/masks.hpp"
#include "engine/learning/sampled.hpp"

namespace convoy::engine {
namespace {

std::string trained_name(const ParameterTensor& p) { return "trained:" + p.name; }

// Name of a part of a model: see part_to_file().
std::string part_name(const ParameterTensor& p) { return "part:" + p.name; }

// Key in a version's metadata; see put_optimizer().
const char* const version_steps = "optimizer_steps";

// Slots that a rule's state has at most, generously.
constexpr std::size_t most_rule_slots = 8;

// Limits for headers with at most so many tensors per tensor and per group of the model.
HeaderLimits limits_of(const Layout& layout, std::size_t each, std::size_t groups,
                       std::uint64_t metadata) {
  // dtype, shape and two offsets of 20 digits, with blanks of other writers; a character of a name
  // may take six.
  constexpr std::uint64_t entry = 512;
  constexpr std::uint64_t escaped = 6;
  constexpr std::uint64_t prefix = 64;  // "optimizer:3:", "rule:SLOT:"
  HeaderLimits limits{metadata, 0};
  const auto add = [&](std::size_t count, const std::string& name) {
    limits.tensors += count;
    limits.bytes += count * (entry + escaped * (prefix + name.size()));
  };
  for (const ParameterTensor& p : layout.tensors) add(each, p.name);
  for (const Group& group : layout.architecture->groups) add(groups, group.name);
  return limits;
}

// Of a version's file: scores in place of the network that stands under the tensors' names; masks,
// and the values that they leave out. A version is also the beginning of another kind of run: then
// the network is what counts.
Tensors read_version_elements(const Layout& layout, TensorSource& source, Tensors& tensors) {
  Tensors masks;
  for (std::size_t i = 0; i < layout.size(); ++i) {
    const ParameterTensor& p = layout.tensors[i];
    if (layout.samples(i)) {
      tensors[i] = source.get("score:" + p.name, p.shape);
      source.check_finite("score:" + p.name, tensors[i]);
    } else {
      source.take("score:" + p.name);
    }
    const std::string name = "mask:" + p.name;
    if (layout.elements != ElementKind::pruned) {
      source.take(name);
      source.take("masked:" + p.name);
    }
    if (layout.elements != ElementKind::pruned || !is_prunable(p) || !source.has(name)) continue;
    masks.resize(layout.size());
    masks[i] = source.flags(name, p.shape);
    const Tensor others = masks[i].logical_not();
    const Tensor values = source.get("masked:" + p.name, {others.sum().item<std::int64_t>()});
    source.check_finite("masked:" + p.name, values);
    tensors[i] = tensors[i].masked_scatter(others, values);
  }
  return masks;
}

// Which parameters were trained so far: none if the file does not say.
Trained read_trained(TensorSource& source) {
  const Layout& layout = source.layout();
  Trained trained(layout.size());
  if (!source.says("trained")) return trained;
  const std::string& words = source.text("trained");
  if (words.size() != layout.size()) return trained;
  for (std::size_t i = 0; i < layout.size(); ++i) {
    if (words[i] == '1') trained[i] = std::make_shared<const Marks>(1, 1);
    if (words[i] != 'p') continue;
    const std::string name = trained_name(layout.tensors[i]);
    const Tensor* t = source.take(name);
    if (t == nullptr || t->numel() != layout.tensors[i].elements() ||
        t->scalar_type() != at::kByte) {
      source.fail(fmt::format("tensor \"{}\" is missing or of another shape", name));
    }
    const auto* bytes = t->data_ptr<std::uint8_t>();
    trained[i] = std::make_shared<const Marks>(bytes, bytes + t->numel());
  }
  return trained;
}

}  // namespace

std::optional<double> figure_in(const TensorFile& file, const std::string& key) {
  const auto found = file.metadata.find(key);
  if (found == file.metadata.end()) return std::nullopt;
  double value = 0;
  const char* end = found->second.data() + found->second.size();
  const auto [stop, failure] = std::from_chars(found->second.data(), end, value);
  if (failure != std::errc() || stop != end || !std::isfinite(value)) return std::nullopt;
  return value;
}

HeaderLimits file_limits(const Layout& layout) {
  constexpr std::uint64_t metadata = 1 << 20;
  // The tensor itself, a residual, squared gradients, own layers.
  constexpr std::size_t others = 4;
  return limits_of(layout, OptimizerState::most_slots + most_rule_slots + others, 2, metadata);
}

HeaderLimits parcel_limits(const Layout& layout) {
  constexpr std::uint64_t label = 8;  // with a blank
  const std::uint64_t metadata =
      (16 << 10) + label * static_cast<std::uint64_t>(layout.architecture->classes);
  constexpr std::size_t parts = 3;  // of a compressed tensor: places, values, scale
  return limits_of(layout, parts, 1, metadata);
}

TensorFile to_file(const Layout& layout, const TensorWeights& weights,
                   const Engine::Metadata& about, const Tensors& shown) {
  TensorFile file;
  file.metadata = about;
  std::string trained;
  for (std::size_t i = 0; i < layout.size(); ++i) {
    const auto& marks = weights.trained[i];
    trained += !marks ? '0' : marks->size() == 1 ? '1' : 'p';
    file.tensors.emplace_back(layout.tensors[i].name, shown[i]);
  }
  for (std::size_t i = 0; i < layout.size(); ++i) {
    if (trained[i] != 'p') continue;
    const std::vector<std::uint8_t>& marks = *weights.trained[i];
    file.tensors.emplace_back(trained_name(layout.tensors[i]),
                              at::tensor(at::ArrayRef<std::uint8_t>(marks), at::kByte));
  }
  for (std::size_t i = 0; i < layout.size(); ++i) {
    const std::string& name = layout.tensors[i].name;
    if (layout.samples(i)) file.tensors.emplace_back("score:" + name, weights.tensors[i]);
    if (!has_mask(weights.masks, i)) continue;
    const Tensor& mask = weights.masks[i];
    file.tensors.emplace_back("mask:" + name, flags_of(mask));
    file.tensors.emplace_back("masked:" + name, kept_of(weights.tensors[i], mask.logical_not()));
  }
  if (weights.optimizer) put_optimizer(layout, *weights.optimizer, version_steps, file);
  file.metadata["architecture"] = layout.architecture->name;
  file.metadata["trained"] = trained;
  return file;
}

std::shared_ptr<const TensorWeights> weights_from(const Layout& layout, TensorFile file,
                                                  const std::string& from) {
  TensorSource source(layout, std::move(file), from);
  Tensors tensors;
  for (const ParameterTensor& p : layout.tensors) {
    tensors.push_back(source.get(p.name, p.shape));
    source.check_finite(p.name, tensors.back());
    source.check_variance(p, p.name, tensors.back());
  }
  Tensors masks = read_version_elements(layout, source, tensors);
  Trained trained = read_trained(source);
  auto optimizer = read_optimizer(source, full_submodel(*layout.architecture), version_steps);
  source.finish();
  auto version = std::make_shared<TensorWeights>(std::move(tensors), std::move(trained),
                                                 std::nullopt, std::move(masks));
  if (optimizer) version->optimizer = std::make_shared<const OptimizerState>(std::move(*optimizer));
  return version;
}

TensorFile part_to_file(const Layout& layout, const TensorWeights& weights,
                        const Submodel& submodel, const std::vector<Stage>& stages) {
  TensorFile file;
  put_submodel(layout, submodel, file);
  put_stages(stages, file);
  const std::vector<bool> held = held_by(layout, stages, submodel);
  if (weights.is_encoded()) put_compression(weights.compression, file);
  for (std::size_t i = 0; i < layout.size(); ++i) {
    const ParameterTensor& p = layout.tensors[i];
    if (!held[i] || layout.freezes(i) || !is_in(p, *layout.architecture, submodel)) continue;
    if (weights.is_encoded() && !p.buffer) {
      put_encoded(p, part_name(p), weights.encoded[i], weights.compression, file);
      continue;
    }
    const Tensor part = part_of(weights, layout, submodel, i);
    if (!has_mask(weights.masks, i)) {
      file.tensors.emplace_back(part_name(p), part);
      continue;
    }
    file.tensors.emplace_back(part_name(p), kept_of(part, weights.masks[i]));
    file.tensors.emplace_back("places:" + p.name, places_of(weights.masks[i]));
  }
  return file;
}

std::shared_ptr<const TensorWeights> part_from(const Layout& layout, TensorFile file,
                                               const std::string& from) {
  TensorSource source(layout, std::move(file), from);
  const Architecture& a = *layout.architecture;
  Submodel submodel = read_submodel(source);
  const std::vector<bool> held = held_by(layout, read_stages(source, submodel), submodel);
  auto part =
      std::make_shared<TensorWeights>(Tensors(layout.size()), Trained(layout.size()), submodel);
  const std::optional<Compression> compression = compression_of(source);
  if (compression) {
    part->compression = *compression;
    part->compression.feedback = false;
    part->encoded.resize(layout.size());
  }
  for (std::size_t i = 0; i < layout.size(); ++i) {
    const ParameterTensor& p = layout.tensors[i];
    if (!held[i] || layout.freezes(i) || !is_in(p, a, submodel)) continue;
    const std::string name = part_name(p);
    const std::string places = "places:" + p.name;
    const std::vector<std::int64_t> shape = shape_in(p, kept_of(p, a, submodel));
    if (compression && !p.buffer) {
      part->encoded[i] =
          read_encoded(source, p, name, c10::multiply_integers(shape), part->compression);
      decoded(source, part->encoded[i], part->compression, 0, i, shape);  // it can be
      continue;
    }
    if (layout.elements == ElementKind::pruned && is_prunable(p) && source.has(places)) {
      const std::int64_t kept = source.length(name, p.elements());
      part->masks.resize(layout.size());
      part->masks[i] = source.places(places, kept, p.shape);
      part->tensors[i] = spread(source.get(name, {kept}), part->masks[i]);
      continue;
    }
    part->tensors[i] = source.get(name, shape);
    source.check_variance(p, name, part->tensors[i]);
  }
  source.finish();
  return part;
}

}  // namespace convoy::engine
