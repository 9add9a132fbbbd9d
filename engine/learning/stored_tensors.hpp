#pragma once

// Tensors that wait in a file (base/scratch_file.hpp): read one by one, or in parts of one. The
// file goes with the object.

#include <vector>

#include "base/scratch_file.hpp"
#include "engine/learning/tensors.hpp"

namespace convoy::engine {

class StoredTensors : base::NonCopyable {
 public:
  // Undefined tensors stay undefined. Throws base::UserError where the file cannot be written.
  StoredTensors(const std::filesystem::path& file, const Tensors& tensors);

  [[nodiscard]] std::size_t size() const { return shapes_.size(); }
  [[nodiscard]] bool has(std::size_t tensor) const { return shapes_[tensor].is_there; }
  // On the host, contiguous, with the bits that were written; undefined where there is none. Throws
  // base::UserError where the file is not as it was.
  [[nodiscard]] Tensor read(std::size_t tensor) const;
  // The elements [from, from + n) of a float tensor, in the order in which they lie there.
  void read(std::size_t tensor, std::int64_t from, std::span<float> elements) const;

 private:
  struct Shape {
    bool is_there = false;
    std::vector<std::int64_t> sizes = {};
    at::ScalarType type = at::kFloat;
  };

  std::vector<Shape> shapes_;
  base::ScratchFile file_;
};

// The same with its tensors in a new file, of an update or the state of a node that trains;
// anything else, and what is in a file already, stays as it is. What `in_memory` gives has the same
// bits.
std::shared_ptr<const Artifact> stored(const std::shared_ptr<const Artifact>& artifact,
                                       const std::filesystem::path& file);
std::shared_ptr<const TensorUpdate> stored(const TensorUpdate& update,
                                           const std::filesystem::path& file);
std::shared_ptr<const NodeState> stored(const std::shared_ptr<const NodeState>& state,
                                        const std::filesystem::path& file);

// Itself, or read from its file. Throws base::UserError where that is not as it was. Of a
// reference: what it refers to must stay as long as the result.
std::shared_ptr<const TensorUpdate> in_memory(const std::shared_ptr<const TensorUpdate>& update);
std::shared_ptr<const TensorUpdate> in_memory(const TensorUpdate& update);
std::shared_ptr<const TensorState> in_memory(const std::shared_ptr<const NodeState>& state);
std::shared_ptr<const TensorState> in_memory(const NodeState& state);
// What of a state is in memory always.
const Submodel& submodel_in(const NodeState& state);

}  // namespace convoy::engine
