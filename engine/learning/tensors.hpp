#pragma once

// Lists of tensors: the global model, a submodel's slice of it, an update.
// engine/model/parameters.hpp says which rows and columns a submodel keeps. (Slices are added to
// the full model in aggregation.cpp.)

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <memory>
#include <optional>
#include <vector>

#include "engine/api/engine.hpp"
#include "engine/model/parameters.hpp"

namespace convoy::engine {

using at::Tensor;

// As many as the architecture has tensors, in their order; undefined where a submodel has none.
using Tensors = std::vector<Tensor>;

// An architecture with its tensors named.
struct Layout {
  explicit Layout(std::shared_ptr<const Architecture> a)
      : architecture(std::move(a)), tensors(parameter_tensors(*architecture)) {}

  std::shared_ptr<const Architecture> architecture;
  std::vector<ParameterTensor> tensors;

  [[nodiscard]] std::size_t size() const { return tensors.size(); }
};

// The rows and columns of a full tensor that a submodel keeps, as a dense tensor of its own (a copy
// always).
Tensor slice(const Tensor& full, const Kept& kept);
// The slice of a full model that is a submodel; contiguous copies.
Tensors slice(const Tensors& full, const Layout& layout, const Submodel& submodel,
              const at::Device& device);
// No NaN and no infinity.
bool is_finite(const Tensors& tensors);

// --- what the engine hands out ------------------------------------------------------------------

// Which parameters some update has held so far: per tensor null (none), a single byte (all), or a
// byte for each element. Shared between versions.
using Marks = std::vector<std::uint8_t>;
using Trained = std::vector<std::shared_ptr<const Marks>>;

class TensorWeights : public Weights {
 public:
  TensorWeights(Tensors all, Trained so_far, std::optional<Submodel> only = {})
      : tensors(std::move(all)), trained(std::move(so_far)), part(std::move(only)) {}
  Tensors tensors;  // FP32, on the host
  Trained trained;
  std::optional<Submodel> part;  // where it is not the full model: what `tensors` are the slices of
};

// What a submodel has of a model, or of a part of one that holds the submodel: contiguous copies on
// the device. Throws base::UserError where the part does not hold it.
Tensors part_of(const TensorWeights& weights, const Layout& layout, const Submodel& submodel,
                const at::Device& device);
// Of one tensor (that is_in the submodel), on the host; itself and no copy where it is kept whole.
Tensor part_of(const TensorWeights& weights, const Layout& layout, const Submodel& submodel,
               std::size_t tensor);

class TensorUpdate : public Update {
 public:
  Submodel submodel;
  // Sliced, on the host: of parameters by how much they changed, of running statistics (buffers)
  // the values themselves.
  Tensors brings;
  double samples = 0;             // that its node trains on
  double rate = 1;                // of the submodel
  std::int64_t base_version = 0;  // that it was trained from
  std::int64_t steps = 0;         // of the optimizer
};

// What who aggregates remembers. Of the rule: by slot, as the model has tensors (undefined for
// those that no rule touches).
struct RuleState {
  std::vector<std::string> names;
  std::vector<Tensors> slots;
  std::int64_t aggregations = 0;  // so far
  std::vector<double> sizes;  // of the latest updates, where they are bounded: guarded_merge.hpp
  [[nodiscard]] bool is_empty() const { return names.empty() && sizes.empty(); }
};

// Of each parameter its state tensors, by the optimizer's own numbering; and the steps taken.
struct OptimizerState {
  std::vector<Tensors> slots;
  std::int64_t steps = 0;
};

class TensorState : public NodeState {
 public:
  Submodel submodel;
  Tensors logits;                           // by group; undefined where none were learned
  std::optional<OptimizerState> optimizer;  // sliced as the submodel is, on the host
  std::optional<RuleState> rule;            // of who aggregates
};

const TensorWeights& inside(const Weights& weights);
const TensorUpdate& inside(const Update& update);
// Null where it is something else.
std::shared_ptr<const TensorWeights> as_weights(const std::shared_ptr<const Artifact>& artifact);
std::shared_ptr<const TensorUpdate> as_update(const std::shared_ptr<const Artifact>& artifact);
const TensorState& inside(const NodeState& state);

}  // namespace convoy::engine
