#include "engine/learning/file_parts.hpp"

#include <fmt/format.h>

#include <cmath>

#include "base/diagnostics.hpp"
#include "engine/learning/encoded_update.hpp"
#include "engine/learning/stage.hpp"

namespace convoy::engine {

Parcel packed(const TensorFile& file) {
  auto tensors = std::make_shared<Tensors>();
  Parcel parcel;
  parcel.header = header_of(file);
  for (const auto& [name, tensor] : file.tensors) {
    tensors->push_back(tensor.cpu().contiguous());
    const Tensor& t = tensors->back();
    parcel.pieces.emplace_back(static_cast<const std::byte*>(t.data_ptr()), t.nbytes());
  }
  parcel.keeps = std::move(tensors);
  return parcel;
}

void put_submodel(const Layout& layout, const Submodel& submodel, TensorFile& file) {
  file.metadata["depth"] = std::to_string(submodel.depth);
  for (std::size_t g = 0; g < submodel.kept.size(); ++g) {
    if (submodel.kept[g].empty()) continue;
    file.tensors.emplace_back("kept:" + layout.architecture->groups[g].name,
                              at::tensor(submodel.kept[g], at::kInt));
  }
}

Submodel read_submodel(TensorSource& source) {
  const Architecture& a = *source.layout().architecture;
  Submodel s;
  const double depth = source.number("depth");
  if (!(depth >= 1 && depth <= a.depth())) source.fail("is of another depth");
  s.depth = static_cast<int>(depth);
  for (const Group& group : a.groups) {
    std::vector<int> kept;
    if (group.block < s.depth) {
      const std::string name = "kept:" + group.name;
      const Tensor* t = source.take(name);
      if (t == nullptr || t->dim() != 1) source.fail(fmt::format("has no list \"{}\"", name));
      const Tensor list = t->to(at::kInt).contiguous();
      kept.assign(list.data_ptr<int>(), list.data_ptr<int>() + list.numel());
      int before = -1;
      for (const int member : kept) {
        if (member <= before || member >= group.size) {
          source.fail(fmt::format("\"{}\" is no rising list of members", name));
        }
        before = member;
      }
      if (kept.empty()) source.fail(fmt::format("\"{}\" is empty", name));
    }
    s.kept.push_back(std::move(kept));
  }
  return s;
}

void put_stages(const std::vector<Stage>& stages, TensorFile& file) {
  if (stages.empty()) return;
  std::vector<int> layers;
  for (const Stage& stage : stages) layers.insert(layers.end(), {stage.first, stage.last});
  file.metadata["layers"] = fmt::format("{}", fmt::join(layers, " "));
}

std::vector<Stage> read_stages(const TensorSource& source, const Submodel& submodel) {
  if (!source.says("layers")) return {};
  std::vector<Stage> stages;
  const std::vector<double> ends = source.numbers("layers");
  const double layers = whole(engine::trace(*source.layout().architecture, submodel)).last;
  for (std::size_t i = 0; i + 1 < ends.size(); i += 2) {
    const double first = ends[i];
    const double last = ends[i + 1];
    const bool are_whole = first == std::floor(first) && last == std::floor(last);
    if (!are_whole || first < 0 || last <= first || last > layers) break;
    stages.push_back({static_cast<int>(first), static_cast<int>(last)});
  }
  if (!stages.empty() && 2 * stages.size() == ends.size()) return stages;
  source.fail("\"layers\" in its metadata are no stages of the model");
}

std::vector<bool> held_by(const Layout& layout, const std::vector<Stage>& stages,
                          const Submodel& submodel) {
  if (stages.empty()) return std::vector<bool>(layout.size(), true);
  std::vector<bool> held(layout.size(), false);
  const Trace trace = engine::trace(*layout.architecture, submodel);
  for (const Stage& stage : stages) {
    for (const std::size_t tensor : tensors_of(layout, trace, stage)) held[tensor] = true;
  }
  return held;
}

void put_optimizer(const Layout& layout, const OptimizerState& optimizer, const std::string& steps,
                   TensorFile& file) {
  file.metadata[steps] = std::to_string(optimizer.steps);
  for (std::size_t s = 0; s < optimizer.slots.size(); ++s) {
    const Tensors& slot = optimizer.slots[s];
    for (std::size_t i = 0; i < slot.size(); ++i) {
      if (!slot[i].defined()) continue;
      file.tensors.emplace_back(fmt::format("optimizer:{}:{}", s, layout.tensors[i].name), slot[i]);
    }
  }
}

std::optional<OptimizerState> read_optimizer(TensorSource& source, const Submodel& submodel,
                                             const std::string& steps) {
  if (!source.says(steps)) return std::nullopt;
  const Layout& layout = source.layout();
  const Architecture& a = *layout.architecture;
  OptimizerState optimizer;
  optimizer.steps = static_cast<std::int64_t>(source.number(steps));
  optimizer.slots.assign(OptimizerState::most_slots, Tensors(layout.size()));
  for (std::size_t s = 0; s < OptimizerState::most_slots; ++s) {
    for (std::size_t i = 0; i < layout.size(); ++i) {
      const ParameterTensor& p = layout.tensors[i];
      const std::string name = fmt::format("optimizer:{}:{}", s, p.name);
      if (!source.has(name)) continue;
      optimizer.slots[s][i] = source.get(name, shape_in(p, kept_of(p, a, submodel)));
    }
  }
  return optimizer;
}

void put_compression(const Compression& compression, TensorFile& file) {
  file.metadata["keep"] = fmt::format("{}", compression.keep);
  file.metadata["bits"] = std::to_string(compression.bits);
  file.metadata["drawn"] = compression.drawn ? "1" : "0";
}

std::optional<Compression> compression_of(const TensorSource& source) {
  if (!source.says("keep")) return std::nullopt;
  Compression c = read_rates(source, "");
  c.drawn = source.whole("drawn") == 1;
  return c;
}

Compression read_rates(const TensorSource& source, const std::string& prefix) {
  Compression c;
  c.keep = source.number(prefix + "keep");
  c.bits = static_cast<int>(source.whole(prefix + "bits"));
  if (!(c.keep > 0 && c.keep <= 1) || (c.bits != 32 && c.bits != 8 && c.bits != 1)) {
    source.fail("is compressed in a way that there is none");
  }
  return c;
}

void put_encoded(const ParameterTensor& p, const std::string& name, const Encoded& encoded,
                 const Compression& compression, TensorFile& file) {
  const auto bytes = [&](const std::vector<std::uint8_t>& part) {
    return at::tensor(at::ArrayRef<std::uint8_t>(part), at::kByte);
  };
  if (!encoded.places.empty()) file.tensors.emplace_back("places:" + p.name, bytes(encoded.places));
  file.tensors.emplace_back(name, bytes(encoded.values));
  if (scale_bytes(compression) == 0) return;
  file.tensors.emplace_back("scale:" + p.name, at::full({1}, encoded.scale, at::kFloat));
}

Encoded read_encoded(TensorSource& source, const ParameterTensor& p, const std::string& name,
                     std::int64_t size, const Compression& compression) {
  Encoded e;
  e.places = source.bytes("places:" + p.name, place_bytes(size, compression));
  e.values = source.bytes(name, value_bytes(size, compression));
  if (scale_bytes(compression) > 0) e.scale = source.get("scale:" + p.name, {1}).item<float>();
  return e;
}

Tensor decoded(const TensorSource& source, const Encoded& e, const Compression& compression,
               std::uint64_t draw, std::size_t tensor, const std::vector<std::int64_t>& shape) {
  try {
    return decompress(e, compression, draw, tensor, shape);
  } catch (const base::UserError& error) {
    source.fail(
        fmt::format("tensor \"{}\": {}", source.layout().tensors[tensor].name, error.what()));
  }
}

}  // namespace convoy::engine
