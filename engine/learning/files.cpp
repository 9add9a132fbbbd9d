#include "engine/learning/files.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <functional>
#include <optional>
#include <set>
#include <sstream>

#include "base/text.hpp"
#include "engine/codec/places.hpp"
#include "engine/learning/encoded_update.hpp"
#include "engine/learning/masks.hpp"
#include "engine/learning/sampled.hpp"

namespace convoy::engine {
namespace {

std::string trained_name(const ParameterTensor& p) { return "trained:" + p.name; }

// Name of an update's tensor: see TensorUpdate.
std::string brought_name(const ParameterTensor& p) {
  return (p.buffer ? "value:" : "delta:") + p.name;
}

void put_submodel(const Layout& layout, const Submodel& submodel, TensorFile& file) {
  file.metadata["depth"] = std::to_string(submodel.depth);
  for (std::size_t g = 0; g < submodel.kept.size(); ++g) {
    if (submodel.kept[g].empty()) continue;
    file.tensors.emplace_back("kept:" + layout.architecture->groups[g].name,
                              at::tensor(submodel.kept[g], at::kInt));
  }
}

// Name of a part of a model: see part_to_file().
std::string part_name(const ParameterTensor& p) { return "part:" + p.name; }

// `name`: of its values.
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

void put_compression(const Compression& compression, TensorFile& file) {
  file.metadata["keep"] = fmt::format("{}", compression.keep);
  file.metadata["bits"] = std::to_string(compression.bits);
  file.metadata["drawn"] = compression.drawn ? "1" : "0";
}

// Slots of an optimizer that a node's state has at most, and of a rule; the latter generously.
constexpr std::size_t optimizer_slots = 4;
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

// Reads tensors by name; errors name the source.
class Source {
 public:
  Source(const Layout& layout, TensorFile file, std::string from)
      : layout_(layout), from_(std::move(from)), file_(std::move(file)) {}

  [[nodiscard]] const TensorFile& file() const { return file_; }

  // The tensor as FP32; checks its shape.
  Tensor get(const std::string& name, const std::vector<std::int64_t>& shape) {
    const Tensor* t = take(name);
    if (t == nullptr) {
      fail(fmt::format("has no tensor \"{}\"; {} needs it", name, layout_.architecture->name));
    }
    if (t->sizes().vec() != shape) {
      fail(fmt::format("tensor \"{}\" is of shape [{}], {} has [{}]", name,
                       fmt::join(t->sizes().vec(), ", "), layout_.architecture->name,
                       fmt::join(shape, ", ")));
    }
    if (!at::isFloatingType(t->scalar_type())) {
      fail(fmt::format("tensor \"{}\" holds whole numbers; weights are none", name));
    }
    return t->to(at::kFloat);
  }

  // Negative variances are rejected: their root is NaN.
  void check_variance(const ParameterTensor& p, const std::string& name, const Tensor& t) const {
    if (p.role != TensorRole::running_variance || !at::lt(t, 0).any().item<bool>()) return;
    fail(fmt::format("tensor \"{}\" holds a variance of {}: none is below 0", name,
                     t.min().item<float>()));
  }

  // Rejects NaN and infinity.
  void check_finite(const std::string& name, const Tensor& t) const {
    if (is_finite({t})) return;
    const Tensor bad = at::isfinite(t).logical_not().flatten().nonzero();
    fail(fmt::format("tensor \"{}\" holds NaN or infinity in {} of its {} elements (first at {})",
                     name, bad.size(0), t.numel(), bad[0].item<std::int64_t>()));
  }

  // The bytes of a part of a compressed tensor.
  std::vector<std::uint8_t> bytes(const std::string& name, std::int64_t size) {
    const Tensor* t = size > 0 ? take(name) : nullptr;
    if (size == 0) return {};
    if (t == nullptr || t->scalar_type() != at::kByte || t->dim() != 1 || t->numel() != size) {
      fail(fmt::format("has no \"{}\" of {} bytes", name, size));
    }
    const auto* first = t->data_ptr<std::uint8_t>();
    return {first, first + size};
  }

  // A byte tensor of this length.
  Tensor byte_tensor(const std::string& name, std::int64_t size) {
    const Tensor* t = take(name);
    if (t == nullptr || t->scalar_type() != at::kByte || t->dim() != 1 || t->numel() != size) {
      fail(fmt::format("has no \"{}\" of {} bytes", name, size));
    }
    return *t;
  }

  // A bit for each element. (No mask keeps nothing or everything: that would not be sent.)
  Tensor flags(const std::string& name, const std::vector<std::int64_t>& shape) {
    const std::int64_t size = c10::multiply_integers(shape);
    return decoded_mask(
        name, [&] { return mask_of_flags(byte_tensor(name, bytes_of_bits(size)), shape); });
  }
  Tensor places(const std::string& name, std::int64_t kept,
                const std::vector<std::int64_t>& shape) {
    const std::int64_t size = c10::multiply_integers(shape);
    return decoded_mask(name, [&] {
      return mask_of_places(byte_tensor(name, mask_bytes(size, kept)), kept, shape);
    });
  }

  // Squared gradients of parameters: none is below 0.
  Tensor squares(const std::string& name, const std::vector<std::int64_t>& shape) {
    Tensor t = get(name, shape);
    if (at::lt(t, 0).any().item<bool>()) fail(fmt::format("\"{}\" holds a negative square", name));
    return t;
  }

  [[nodiscard]] bool has(const std::string& name) const { return file_.find(name) != nullptr; }

  // The number of elements of a tensor of one dimension, which are fewer than these.
  std::int64_t length(const std::string& name, std::int64_t below) const {
    const Tensor* t = file_.find(name);
    if (t == nullptr || t->dim() != 1 || t->numel() >= below || t->numel() < 1) {
      fail(fmt::format("has no \"{}\" of some of {} elements", name, below));
    }
    return t->numel();
  }

  // `name`: of its values.
  Encoded encoded(const ParameterTensor& p, const std::string& name, std::int64_t size,
                  const Compression& compression) {
    Encoded e;
    e.places = bytes("places:" + p.name, place_bytes(size, compression));
    e.values = bytes(name, value_bytes(size, compression));
    if (scale_bytes(compression) > 0) e.scale = get("scale:" + p.name, {1}).item<float>();
    return e;
  }

  Tensor decoded(const Encoded& e, const Compression& compression, std::uint64_t draw,
                 std::size_t tensor, const std::vector<std::int64_t>& shape) const {
    try {
      return decompress(e, compression, draw, tensor, shape);
    } catch (const base::UserError& error) {
      fail(fmt::format("tensor \"{}\": {}", layout_.tensors[tensor].name, error.what()));
    }
  }

  // How an update or a model is compressed; nothing: it is not.
  std::optional<Compression> compression() {
    if (!file_.metadata.contains("keep")) return std::nullopt;
    Compression c = rates("");
    c.drawn = whole("drawn") == 1;
    return c;
  }
  // How the model came that an update was trained from; nothing: whole.
  std::optional<SentModel> received_as() {
    if (!file_.metadata.contains("received_keep")) return std::nullopt;
    SentModel sent{rates("received_"), whole("received_wide") == 1};
    sent.compression.feedback = false;
    return sent;
  }
  Compression rates(const std::string& prefix) {
    Compression c;
    c.keep = number(prefix + "keep");
    c.bits = static_cast<int>(whole(prefix + "bits"));
    if (!(c.keep > 0 && c.keep <= 1) || (c.bits != 32 && c.bits != 8 && c.bits != 1)) {
      fail("is compressed in a way that there is none");
    }
    return c;
  }

  // A number of 64 bits.
  std::uint64_t number64(const std::string& key) const {
    const auto found = file_.metadata.find(key);
    std::uint64_t value = 0;
    if (found == file_.metadata.end()) fail(fmt::format("does not say \"{}\"", key));
    const char* end = found->second.data() + found->second.size();
    const auto [stop, failure] = std::from_chars(found->second.data(), end, value);
    if (failure != std::errc() || stop != end) fail(fmt::format("\"{}\" is no number", key));
    return value;
  }

  const Tensor* take(const std::string& name) {
    const Tensor* t = file_.find(name);
    if (t != nullptr) taken_.insert(name);
    return t;
  }

  double number(const std::string& key) const {
    const auto found = file_.metadata.find(key);
    double value = 0;
    if (found == file_.metadata.end() ||
        std::from_chars(found->second.data(), found->second.data() + found->second.size(), value)
                .ec != std::errc()) {
      fail(fmt::format("does not say \"{}\" in its metadata", key));
    }
    return value;
  }

  // Numbers of at least 0, separated by blanks.
  std::vector<double> numbers(const std::string& key) const {
    const auto found = file_.metadata.find(key);
    if (found == file_.metadata.end()) fail(fmt::format("does not say \"{}\"", key));
    std::vector<double> all;
    std::istringstream words(found->second);
    for (std::string word; words >> word;) {
      double value = 0;
      const char* end = word.data() + word.size();
      const auto [stop, failure] = std::from_chars(word.data(), end, value);
      if (failure != std::errc() || stop != end || !(value >= 0) || !std::isfinite(value)) {
        fail(fmt::format("\"{}\" in its metadata holds something that is no size", key));
      }
      all.push_back(value);
    }
    return all;
  }

  std::int64_t whole(const std::string& key) const {
    constexpr double most = 1e15;
    const double value = number(key);
    if (!(value >= 0 && value <= most) || value != std::floor(value)) {
      fail(fmt::format("\"{}\" in its metadata is no whole number of at least 0", key));
    }
    return static_cast<std::int64_t>(value);
  }

  // Of an update; none where it does not say.
  std::vector<int> labels() const {
    std::vector<int> all;
    if (!file_.metadata.contains("labels")) return all;
    for (const double label : numbers("labels")) {
      const bool rises = all.empty() || label > all.back();
      if (!rises || label != std::floor(label) || label >= layout_.architecture->classes) {
        fail("\"labels\" in its metadata is no rising list of labels");
      }
      all.push_back(static_cast<int>(label));
    }
    if (all.empty()) fail("\"labels\" in its metadata is empty");
    return all;
  }

  Submodel submodel() {
    const Architecture& a = *layout_.architecture;
    Submodel s;
    const double depth = number("depth");
    if (!(depth >= 1 && depth <= a.depth())) fail("is of another depth");
    s.depth = static_cast<int>(depth);
    for (const Group& group : a.groups) {
      std::vector<int> kept;
      if (group.block < s.depth) {
        const std::string name = "kept:" + group.name;
        const Tensor* t = take(name);
        if (t == nullptr || t->dim() != 1) fail(fmt::format("has no list \"{}\"", name));
        const Tensor list = t->to(at::kInt).contiguous();
        kept.assign(list.data_ptr<int>(), list.data_ptr<int>() + list.numel());
        int before = -1;
        for (const int member : kept) {
          if (member <= before || member >= group.size) {
            fail(fmt::format("\"{}\" is no rising list of members", name));
          }
          before = member;
        }
        if (kept.empty()) fail(fmt::format("\"{}\" is empty", name));
      }
      s.kept.push_back(std::move(kept));
    }
    return s;
  }

  // Rejects tensors that were not read.
  void finish() const {
    for (const auto& [name, tensor] : file_.tensors) {
      if (taken_.contains(name)) continue;
      std::vector<std::string> known;
      for (const ParameterTensor& p : layout_.tensors) known.push_back(p.name);
      fail(fmt::format("tensor \"{}\" is not of {}{}", name.substr(0, 80),
                       layout_.architecture->name, base::did_you_mean(name, known)));
    }
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw base::UserError(fmt::format("{}: {}", from_, what));
  }

 private:
  template <class Decode>
  Tensor decoded_mask(const std::string& name, Decode decode) const {
    try {
      return decode();
    } catch (const base::UserError& error) {
      if (std::string_view(error.what()).starts_with(from_)) throw;
      fail(fmt::format("\"{}\": {}", name, error.what()));
    }
  }

  const Layout& layout_;
  std::string from_;
  TensorFile file_;
  std::set<std::string> taken_;
};

// Of a version's file: scores in place of the network that stands under the tensors' names; masks,
// and the values that they leave out. A version is also the beginning of another kind of run: then
// the network is what counts.
Tensors read_version_elements(const Layout& layout, Source& source, Tensors& tensors) {
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

// The masks of an update and its squared gradients.
void read_update_masks(const Layout& layout, Source& source, const TensorWeights* base,
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

HeaderLimits file_limits(const Layout& layout) {
  constexpr std::uint64_t metadata = 1 << 20;
  constexpr std::size_t others = 3;  // the tensor itself, a residual, squared gradients
  return limits_of(layout, optimizer_slots + most_rule_slots + others, 2, metadata);
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
  file.metadata["architecture"] = layout.architecture->name;
  file.metadata["trained"] = trained;
  return file;
}

TensorFile to_file(const Layout& layout, const TensorState& state) {
  TensorFile file;
  put_submodel(layout, state.submodel, file);
  for (std::size_t g = 0; g < state.logits.size(); ++g) {
    if (!state.logits[g].defined()) continue;
    file.tensors.emplace_back("logits:" + layout.architecture->groups[g].name, state.logits[g]);
  }
  if (state.optimizer) {
    file.metadata["steps"] = std::to_string(state.optimizer->steps);
    for (std::size_t s = 0; s < state.optimizer->slots.size(); ++s) {
      const Tensors& slot = state.optimizer->slots[s];
      for (std::size_t i = 0; i < slot.size(); ++i) {
        if (!slot[i].defined()) continue;
        file.tensors.emplace_back(fmt::format("optimizer:{}:{}", s, layout.tensors[i].name),
                                  slot[i]);
      }
    }
  }
  for (std::size_t i = 0; i < state.residual.size(); ++i) {
    if (!state.residual[i].defined()) continue;
    file.tensors.emplace_back("residual:" + layout.tensors[i].name, state.residual[i]);
  }
  for (std::size_t i = 0; i < state.squares.size(); ++i) {
    if (!state.squares[i].defined()) continue;
    file.tensors.emplace_back("gathered:" + layout.tensors[i].name, state.squares[i]);
  }
  if (state.rule) {
    file.metadata["rule"] = fmt::format("{}", fmt::join(state.rule->names, " "));
    file.metadata["aggregations"] = std::to_string(state.rule->aggregations);
    file.metadata["sizes"] = fmt::format("{}", fmt::join(state.rule->sizes, " "));
    for (std::size_t s = 0; s < state.rule->slots.size(); ++s) {
      for (std::size_t i = 0; i < layout.size(); ++i) {
        const Tensor& t = state.rule->slots[s][i];
        if (!t.defined()) continue;
        file.tensors.emplace_back(
            fmt::format("rule:{}:{}", state.rule->names[s], layout.tensors[i].name), t);
      }
    }
  }
  return file;
}

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
  const bool is_compressed = !update.encoded.empty();
  if (is_compressed) {
    put_compression(update.compression, file);
    file.metadata["draw"] = std::to_string(update.draw);
  }
  if (update.received_as) {
    file.metadata["received_keep"] = fmt::format("{}", update.received_as->compression.keep);
    file.metadata["received_bits"] = std::to_string(update.received_as->compression.bits);
    file.metadata["received_wide"] = update.received_as->is_wide ? "1" : "0";
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

TensorFile part_to_file(const Layout& layout, const TensorWeights& weights,
                        const Submodel& submodel) {
  TensorFile file;
  put_submodel(layout, submodel, file);
  if (weights.is_encoded()) put_compression(weights.compression, file);
  for (std::size_t i = 0; i < layout.size(); ++i) {
    const ParameterTensor& p = layout.tensors[i];
    if (layout.freezes(i) || !is_in(p, *layout.architecture, submodel)) continue;
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

std::shared_ptr<const TensorWeights> weights_from(const Layout& layout, TensorFile file,
                                                  const std::string& from) {
  Source source(layout, std::move(file), from);
  Tensors tensors;
  for (const ParameterTensor& p : layout.tensors) {
    tensors.push_back(source.get(p.name, p.shape));
    source.check_finite(p.name, tensors.back());
    source.check_variance(p, p.name, tensors.back());
  }
  Tensors masks = read_version_elements(layout, source, tensors);
  Trained trained(layout.size());
  const auto found = source.file().metadata.find("trained");
  if (found != source.file().metadata.end() && found->second.size() == layout.size()) {
    for (std::size_t i = 0; i < layout.size(); ++i) {
      if (found->second[i] == '1') trained[i] = std::make_shared<const Marks>(1, 1);
      if (found->second[i] != 'p') continue;
      const std::string name = trained_name(layout.tensors[i]);
      const Tensor* t = source.take(name);
      if (t == nullptr || t->numel() != layout.tensors[i].elements() ||
          t->scalar_type() != at::kByte) {
        source.fail(fmt::format("tensor \"{}\" is missing or of another shape", name));
      }
      const auto* bytes = t->data_ptr<std::uint8_t>();
      trained[i] = std::make_shared<const Marks>(bytes, bytes + t->numel());
    }
  }
  source.finish();
  return std::make_shared<const TensorWeights>(std::move(tensors), std::move(trained), std::nullopt,
                                               std::move(masks));
}

std::shared_ptr<const TensorWeights> part_from(const Layout& layout, TensorFile file,
                                               const std::string& from) {
  Source source(layout, std::move(file), from);
  const Architecture& a = *layout.architecture;
  Submodel submodel = source.submodel();
  auto part =
      std::make_shared<TensorWeights>(Tensors(layout.size()), Trained(layout.size()), submodel);
  const std::optional<Compression> compression = source.compression();
  if (compression) {
    part->compression = *compression;
    part->compression.feedback = false;
    part->encoded.resize(layout.size());
  }
  for (std::size_t i = 0; i < layout.size(); ++i) {
    const ParameterTensor& p = layout.tensors[i];
    if (layout.freezes(i) || !is_in(p, a, submodel)) continue;
    const std::string name = part_name(p);
    const std::string places = "places:" + p.name;
    const std::vector<std::int64_t> shape = shape_in(p, kept_of(p, a, submodel));
    if (compression && !p.buffer) {
      part->encoded[i] = source.encoded(p, name, c10::multiply_integers(shape), part->compression);
      source.decoded(part->encoded[i], part->compression, 0, i, shape);  // it can be
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

std::shared_ptr<const TensorState> state_from(const Layout& layout, TensorFile file,
                                              const std::string& from) {
  Source source(layout, std::move(file), from);
  const Architecture& a = *layout.architecture;
  auto state = std::make_shared<TensorState>();
  state->submodel = source.submodel();
  state->logits.resize(a.groups.size());
  for (std::size_t g = 0; g < a.groups.size(); ++g) {
    const std::string name = "logits:" + a.groups[g].name;
    if (source.file().find(name) != nullptr)
      state->logits[g] = source.get(name, {a.groups[g].size});
  }
  if (source.file().metadata.contains("steps")) {
    OptimizerState optimizer;
    optimizer.steps = static_cast<std::int64_t>(source.number("steps"));
    optimizer.slots.assign(optimizer_slots, Tensors(layout.size()));
    for (std::size_t s = 0; s < optimizer_slots; ++s) {
      for (std::size_t i = 0; i < layout.size(); ++i) {
        const ParameterTensor& p = layout.tensors[i];
        const std::string name = fmt::format("optimizer:{}:{}", s, p.name);
        if (source.file().find(name) == nullptr) continue;
        optimizer.slots[s][i] = source.get(name, shape_in(p, kept_of(p, a, state->submodel)));
      }
    }
    state->optimizer = std::move(optimizer);
  }
  for (std::size_t i = 0; i < layout.size(); ++i) {
    const ParameterTensor& p = layout.tensors[i];
    const std::string name = "residual:" + p.name;
    if (source.file().find(name) == nullptr) continue;
    state->residual.resize(layout.size());
    state->residual[i] = source.get(name, shape_in(p, kept_of(p, a, state->submodel)));
  }
  for (std::size_t i = 0; i < layout.size(); ++i) {
    const ParameterTensor& p = layout.tensors[i];
    const std::string name = "gathered:" + p.name;
    if (!source.has(name)) continue;
    state->squares.resize(layout.size());
    state->squares[i] = source.squares(name, p.shape);
  }
  if (const auto names = source.file().metadata.find("rule");
      names != source.file().metadata.end()) {
    RuleState rule;
    rule.aggregations = source.whole("aggregations");
    std::istringstream words(names->second);
    for (std::string word; words >> word;) rule.names.push_back(word);
    rule.sizes = source.numbers("sizes");
    for (const std::string& slot : rule.names) {
      rule.slots.emplace_back(layout.size());
      for (std::size_t i = 0; i < layout.size(); ++i) {
        const ParameterTensor& p = layout.tensors[i];
        const std::string name = fmt::format("rule:{}:{}", slot, p.name);
        if (source.file().find(name) != nullptr) rule.slots.back()[i] = source.get(name, p.shape);
      }
    }
    state->rule = std::move(rule);
  }
  source.finish();
  return state;
}

std::shared_ptr<const TensorUpdate> update_from(const Layout& layout, TensorFile file,
                                                const std::string& from,
                                                const TensorWeights* base) {
  Source source(layout, std::move(file), from);
  const Architecture& a = *layout.architecture;
  auto update = std::make_shared<TensorUpdate>();
  update->submodel = source.submodel();
  update->samples = source.number("samples");
  update->rate = source.number("rate");
  update->base_version = source.whole("base_version");
  update->steps = source.whole("steps");
  update->labels = source.labels();
  update->brings.resize(layout.size());
  update->received_as = source.received_as();
  const std::optional<Compression> compression = source.compression();
  if (compression) {
    update->compression = *compression;
    update->draw = source.number64("draw");
    update->encoded.resize(layout.size());
  }
  read_update_masks(layout, source, base, *update);
  for (std::size_t i = 0; i < layout.size(); ++i) {
    const ParameterTensor& p = layout.tensors[i];
    if (layout.freezes(i) || !is_in(p, a, update->submodel)) continue;
    const std::vector<std::int64_t> shape = shape_in(p, kept_of(p, a, update->submodel));
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
          source.encoded(p, brought_name(p), c10::multiply_integers(shape), *compression);
      update->brings[i] =
          source.decoded(update->encoded[i], update->compression, update->draw, i, shape);
      continue;
    }
    update->brings[i] = source.get(brought_name(p), shape);
    source.check_variance(p, brought_name(p), update->brings[i]);
  }
  source.finish();
  return update;
}

}  // namespace convoy::engine
