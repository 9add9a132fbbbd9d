#include "engine/learning/stored_tensors.hpp"

#include <fmt/format.h>

namespace convoy::engine {
namespace {

std::vector<std::span<const std::byte>> stored_bytes(const Tensors& tensors) {
  std::vector<std::span<const std::byte>> pieces;
  for (const Tensor& t : tensors) {
    if (!t.defined()) {
      pieces.emplace_back();
      continue;
    }
    pieces.emplace_back(static_cast<const std::byte*>(t.data_ptr()), t.nbytes());
  }
  return pieces;
}

Tensors contiguous(const Tensors& tensors) {
  Tensors all;
  for (const Tensor& t : tensors) all.push_back(t.defined() ? t.cpu().contiguous() : t);
  return all;
}

void append(Tensors& all, const Tensors& more) { all.insert(all.end(), more.begin(), more.end()); }

Tensor octets_as_tensor(const std::vector<std::uint8_t>& bytes) {
  return at::tensor(at::ArrayRef<std::uint8_t>(bytes), at::kByte);
}

std::vector<std::uint8_t> octets_in(const Tensor& tensor) {
  const auto* begin = tensor.data_ptr<std::uint8_t>();
  return {begin, begin + tensor.numel()};
}

// A node's state whose tensors wait in a file. (Of a node that trains: it has no rule.)
class StoredState : public NodeState {
 public:
  StoredState(const TensorState& state, const std::filesystem::path& file)
      : submodel_(state.submodel) {
    Tensors all;
    for (const Tensors* list : {&state.logits, &state.residual, &state.squares, &state.own}) {
      append(all, *list);
      sizes_.push_back(list->size());
    }
    if (state.optimizer) {
      steps_ = state.optimizer->steps;
      for (const Tensors& slot : state.optimizer->slots) {
        append(all, slot);
        sizes_.push_back(slot.size());
      }
    }
    tensors_ = std::make_unique<const StoredTensors>(file, all);
  }

  [[nodiscard]] const Submodel& submodel() const { return submodel_; }
  [[nodiscard]] std::shared_ptr<const TensorState> load() const {
    auto state = std::make_shared<TensorState>();
    state->submodel = submodel_;
    if (steps_) {
      state->optimizer.emplace();
      state->optimizer->steps = *steps_;
    }
    std::vector<Tensors*> lists = {&state->logits, &state->residual, &state->squares, &state->own};
    std::size_t next = 0;
    for (std::size_t l = 0; l < sizes_.size(); ++l) {
      Tensors list;
      for (std::size_t i = 0; i < sizes_[l]; ++i) list.push_back(tensors_->read(next++));
      if (l < lists.size()) {
        *lists[l] = std::move(list);
      } else {
        state->optimizer->slots.push_back(std::move(list));
      }
    }
    return state;
  }

 private:
  Submodel submodel_;
  std::vector<std::size_t> sizes_;     // of the lists: logits, residual, squares, own, slots
  std::optional<std::int64_t> steps_;  // of the optimizer; nothing: there is none
  std::unique_ptr<const StoredTensors> tensors_;
};

}  // namespace

StoredTensors::StoredTensors(const std::filesystem::path& file, const Tensors& tensors)
    : file_(file, stored_bytes(contiguous(tensors))) {
  for (const Tensor& t : tensors) {
    shapes_.push_back(t.defined() ? Shape{true, t.sizes().vec(), t.scalar_type()} : Shape{});
  }
}

Tensor StoredTensors::read(std::size_t tensor) const {
  const Shape& shape = shapes_[tensor];
  if (!shape.is_there) return {};
  Tensor t = at::empty(shape.sizes, shape.type);
  file_.read(tensor, 0, {static_cast<std::byte*>(t.data_ptr()), t.nbytes()});
  return t;
}

void StoredTensors::read(std::size_t tensor, std::int64_t from, std::span<float> elements) const {
  file_.read(tensor, static_cast<std::uint64_t>(from) * sizeof(float),
             std::as_writable_bytes(elements));
}

// In the file: what it brings, squared gradients, then of what is sent compressed places and
// values. A list that is empty has no place there.
std::shared_ptr<const TensorUpdate> stored(const TensorUpdate& update,
                                           const std::filesystem::path& file) {
  auto made = std::make_shared<TensorUpdate>(UpdateOrigin(update));
  made->stages = update.stages;
  made->compression = update.compression;
  made->draw = update.draw;
  Tensors all = update.brings;
  append(all, update.squares);
  for (const Encoded& e : update.encoded) {
    all.push_back(octets_as_tensor(e.places));
    all.push_back(octets_as_tensor(e.values));
  }
  auto where = std::make_shared<StoredUpdate>();
  where->brings = update.brings.size();
  where->squares = update.squares.size();
  for (const Encoded& e : update.encoded) where->scales.push_back(e.scale);
  where->tensors = std::make_unique<const StoredTensors>(file, all);
  made->stored = std::move(where);
  return made;
}

std::shared_ptr<const Artifact> stored(const std::shared_ptr<const Artifact>& artifact,
                                       const std::filesystem::path& file) {
  const auto* update = dynamic_cast<const TensorUpdate*>(artifact.get());
  if (update == nullptr || update->stored) return artifact;
  return stored(*update, file);
}

std::shared_ptr<const NodeState> stored(const std::shared_ptr<const NodeState>& state,
                                        const std::filesystem::path& file) {
  const auto* there = dynamic_cast<const TensorState*>(state.get());
  if (there == nullptr || there->rule) return state;
  return std::make_shared<const StoredState>(*there, file);
}

namespace {

// Of an object that somebody else owns.
template <class T>
std::shared_ptr<const T> borrowed(const T& object) {
  return {std::shared_ptr<const void>(), &object};
}

std::shared_ptr<const TensorUpdate> load(const TensorUpdate& update) {
  const StoredUpdate& there = *update.stored;
  auto made = std::make_shared<TensorUpdate>(UpdateOrigin(update));
  made->stages = update.stages;
  made->compression = update.compression;
  made->draw = update.draw;
  std::size_t next = 0;
  for (std::size_t i = 0; i < there.brings; ++i) {
    made->brings.push_back(there.tensors->read(next++));
  }
  for (std::size_t i = 0; i < there.squares; ++i) {
    made->squares.push_back(there.tensors->read(next++));
  }
  for (const float scale : there.scales) {
    Encoded& e = made->encoded.emplace_back();
    e.places = octets_in(there.tensors->read(next++));
    e.values = octets_in(there.tensors->read(next++));
    e.scale = scale;
  }
  return made;
}

}  // namespace

std::shared_ptr<const TensorUpdate> in_memory(const std::shared_ptr<const TensorUpdate>& update) {
  return update && update->stored ? load(*update) : update;
}
std::shared_ptr<const TensorUpdate> in_memory(const TensorUpdate& update) {
  return update.stored ? load(update) : borrowed(update);
}

std::shared_ptr<const TensorState> in_memory(const std::shared_ptr<const NodeState>& state) {
  if (const auto* there = dynamic_cast<const StoredState*>(state.get())) return there->load();
  return std::static_pointer_cast<const TensorState>(state);
}
std::shared_ptr<const TensorState> in_memory(const NodeState& state) {
  const auto* there = dynamic_cast<const StoredState*>(&state);
  return there != nullptr ? there->load() : borrowed(inside(state));
}

const Submodel& submodel_in(const NodeState& state) {
  const auto* there = dynamic_cast<const StoredState*>(&state);
  return there != nullptr ? there->submodel() : inside(state).submodel;
}

// --- TensorUpdate ------------------------------------------------------------------------------

bool TensorUpdate::has(std::size_t tensor) const {
  return stored ? stored->tensors->has(tensor) : brings[tensor].defined();
}

Tensor TensorUpdate::tensor(std::size_t tensor) const {
  return stored ? stored->tensors->read(tensor) : brings[tensor];
}

bool TensorUpdate::has_squares() const { return stored ? stored->squares > 0 : !squares.empty(); }

Tensor TensorUpdate::square(std::size_t tensor) const {
  return stored ? stored->tensors->read(stored->brings + tensor) : squares[tensor];
}

}  // namespace convoy::engine
