#include "engine/model/parameters.hpp"

#include <algorithm>
#include <functional>
#include <numeric>

#include "engine/model/trace.hpp"

namespace convoy::engine {
namespace {

// Number of adjacent entries per member in a dimension that follows a group: a head's features
// (three times in a joint q, k and v); else the dimension divided evenly (a flattened image has
// several columns per channel).
std::int64_t features_in_a_row(const Group& group, std::int64_t length) {
  const std::int64_t features = static_cast<std::int64_t>(group.size) * group.width;
  const bool parts = group.kind == GroupKind::attention_head && length > features;
  return parts ? group.width : length / group.size;
}

// Indices in a dimension of `length` that follows a group: its members repeat over `parts` (joint
// q, k and v), each with `width` adjacent features.
std::vector<std::int64_t> expand(const std::vector<int>& members, int size, std::int64_t length,
                                 std::int64_t width) {
  const std::int64_t part = size * width;
  std::vector<std::int64_t> indices;
  indices.reserve(static_cast<std::size_t>(length / size) * members.size());
  for (std::int64_t from = 0; from < length; from += part) {
    for (const int member : members) {
      for (std::int64_t i = 0; i < width; ++i) indices.push_back(from + member * width + i);
    }
  }
  return indices;
}

class Writer {
 public:
  explicit Writer(std::vector<ParameterTensor>& all) : all_(all) {}

  void layer(const TracedLayer& t, const ParameterTensor& place) {
    const Layer& layer = *t.layer;
    ParameterTensor p = place;
    p.layer = t.path;
    const std::int64_t in = t.in.features;
    const std::int64_t out = t.out.features;
    switch (layer.kind) {
      case LayerKind::conv2d:
      case LayerKind::linear: {
        p.row_group = layer.group;
        p.gated = layer.group >= 0;
        p.column_group = t.in.group;
        std::vector<std::int64_t> shape = {out, in / layer.parts};
        if (layer.kind == LayerKind::conv2d) shape.insert(shape.end(), 2, layer.kernel);
        add(p, "weight", TensorRole::weight, std::move(shape));
        p.column_group = -1;
        if (layer.bias) add(p, "bias", TensorRole::bias, {out});
        break;
      }
      case LayerKind::batch_norm:
      case LayerKind::layer_norm: {
        p.row_group = t.in.group;
        p.gated = t.in.group >= 0;
        p.trained_with_masks = true;
        add(p, "weight", TensorRole::scale, {in});
        add(p, "bias", TensorRole::shift, {in});
        if (layer.kind == LayerKind::layer_norm) break;
        p.buffer = true;
        add(p, "running_mean", TensorRole::running_mean, {in});
        add(p, "running_var", TensorRole::running_variance, {in});
        p.row_group = -1;
        add(p, "batches_seen", TensorRole::batches_seen, {1});
        break;
      }
      case LayerKind::tokens:
        p.trained_with_masks = true;
        if (layer.cls) add(p, "cls", TensorRole::cls, {in});
        add(p, "positions", TensorRole::positions,
            {layer.vocabulary > 0 ? layer.vocabulary : t.out.height, in});
        if (layer.segments > 0) add(p, "segments", TensorRole::segments, {layer.segments, in});
        break;
      case LayerKind::embedding:
        add(p, "weight", TensorRole::words, {layer.vocabulary, out});
        break;
      case LayerKind::relu:
      case LayerKind::relu6:
      case LayerKind::gelu:
      case LayerKind::tanh:
      case LayerKind::sigmoid:
      case LayerKind::silu:
      case LayerKind::hard_sigmoid:
      case LayerKind::hard_swish:
      case LayerKind::dropout:
      case LayerKind::max_pool:
      case LayerKind::average_pool:
      case LayerKind::adaptive_pool:
      case LayerKind::global_pool:
      case LayerKind::flatten:
      case LayerKind::attention:
      case LayerKind::select_first:
      case LayerKind::add:
      case LayerKind::scale:
      case LayerKind::upsample:
      case LayerKind::concat:
      case LayerKind::scatter:
        break;  // no tensors
    }
  }

 private:
  void add(ParameterTensor p, const char* what, TensorRole role, std::vector<std::int64_t> shape) {
    p.name = p.layer + "." + what;
    p.role = role;
    p.shape = std::move(shape);
    p.trained_with_masks = !p.buffer && (p.trained_with_masks || p.exit >= 0);
    all_.push_back(std::move(p));
  }

  std::vector<ParameterTensor>& all_;
};

// Of each exit the last layer with weights: its outputs are the classes.
std::vector<const TracedLayer*> score_layers(const Trace& trace) {
  std::vector<const TracedLayer*> last;
  for (const TracedLayer& t : trace.layers) {
    const bool dense = t.layer->kind == LayerKind::conv2d || t.layer->kind == LayerKind::linear;
    if (!t.in_exit() || !dense) continue;
    last.resize(std::max(last.size(), static_cast<std::size_t>(t.exit) + 1));
    last[static_cast<std::size_t>(t.exit)] = &t;
  }
  return last;
}

}  // namespace

std::int64_t ParameterTensor::elements() const {
  return std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
}

std::vector<ParameterTensor> parameter_tensors(const Architecture& architecture) {
  const Trace full = trace(architecture, full_submodel(architecture));
  std::vector<ParameterTensor> all;
  Writer writer(all);
  const std::vector<const TracedLayer*> scores = score_layers(full);
  for (const TracedLayer& t : full.layers) {
    ParameterTensor place;
    place.block = t.block;
    place.exit = t.exit;
    place.by_class = std::find(scores.begin(), scores.end(), &t) != scores.end();
    writer.layer(t, place);
  }
  return all;
}

std::uint64_t largest_parcel(const Architecture& architecture, bool with_squares) {
  constexpr std::uint64_t lists = 16 << 20;
  constexpr std::uint64_t places_a_byte = 8;  // of a compressed update
  std::uint64_t values = 0;
  for (const ParameterTensor& p : parameter_tensors(architecture)) {
    values += static_cast<std::uint64_t>(p.elements());
  }
  const std::uint64_t copies = with_squares ? 2 : 1;
  return copies * sizeof(float) * values + values / places_a_byte + lists;
}

bool is_in(const ParameterTensor& tensor, const Architecture& architecture,
           const Submodel& submodel, bool one_exit) {
  if (tensor.block < 0) return true;
  if (tensor.exit < 0) return tensor.block < submodel.depth;
  const auto deepest = architecture.exit_at(submodel.depth);
  if (!deepest) return false;
  return one_exit ? tensor.exit == *deepest : tensor.exit <= *deepest;
}

Kept kept_of(const ParameterTensor& tensor, const Architecture& architecture,
             const Submodel& submodel) {
  Kept kept;
  const auto along = [&](int group, std::int64_t length, std::vector<std::int64_t>& indices) {
    if (group < 0) return;
    const Group& g = architecture.groups[static_cast<std::size_t>(group)];
    const std::vector<int>& members = submodel.kept[static_cast<std::size_t>(group)];
    if (static_cast<int>(members.size()) == g.size) return;
    indices = expand(members, g.size, length, features_in_a_row(g, length));
  };
  along(tensor.row_group, tensor.shape.front(), kept.rows);
  if (tensor.shape.size() > 1) along(tensor.column_group, tensor.shape[1], kept.columns);
  return kept;
}

std::vector<std::int64_t> members_of_rows(const ParameterTensor& tensor,
                                          const Architecture& architecture) {
  const Group& g = architecture.groups[static_cast<std::size_t>(tensor.row_group)];
  const std::int64_t width = features_in_a_row(g, tensor.rows());
  std::vector<std::int64_t> members(static_cast<std::size_t>(tensor.rows()));
  for (std::int64_t row = 0; row < tensor.rows(); ++row) {
    members[static_cast<std::size_t>(row)] = row / width % g.size;
  }
  return members;
}

std::vector<std::int64_t> shape_in(const ParameterTensor& tensor, const Kept& kept) {
  std::vector<std::int64_t> shape = tensor.shape;
  if (!kept.rows.empty()) shape[0] = static_cast<std::int64_t>(kept.rows.size());
  if (!kept.columns.empty()) shape[1] = static_cast<std::int64_t>(kept.columns.size());
  return shape;
}

}  // namespace convoy::engine
