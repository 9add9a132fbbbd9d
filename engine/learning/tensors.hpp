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
#include "engine/codec/codec.hpp"
#include "engine/model/blocks.hpp"
#include "engine/model/elements.hpp"
#include "engine/model/parameters.hpp"
#include "engine/model/stage.hpp"

namespace convoy::engine {

using at::Tensor;

// A tensor for each tensor of the architecture, in order; undefined if a submodel lacks it.
using Tensors = std::vector<Tensor>;

// An architecture with its tensors named, and what is learned of their elements.
struct Layout {
  explicit Layout(std::shared_ptr<const Architecture> a, ElementKind what = ElementKind::all)
      : architecture(std::move(a)), tensors(parameter_tensors(*architecture)), elements(what) {}

  std::shared_ptr<const Architecture> architecture;
  std::vector<ParameterTensor> tensors;
  ElementKind elements = ElementKind::all;

  [[nodiscard]] std::size_t size() const { return tensors.size(); }
  // True if the tensor has a score for each element instead of values; if nothing of it is learned.
  [[nodiscard]] bool samples(std::size_t tensor) const {
    return elements == ElementKind::sampled && is_sampled(tensors[tensor]);
  }
  [[nodiscard]] bool freezes(std::size_t tensor) const {
    return elements == ElementKind::sampled && is_frozen(tensors[tensor]);
  }
};

// The rows and columns of a full tensor that a submodel keeps, as a dense tensor (always a copy).
Tensor slice(const Tensor& full, const Kept& kept);
// A submodel's slice of a full model; contiguous copies.
Tensors slice(const Tensors& full, const Layout& layout, const Submodel& submodel,
              const at::Device& device);
// True if no value is NaN or infinite.
bool is_finite(const Tensors& tensors);

// --- types given to the engine's users ---------------------------------------------------------

// Which parameters some update has held so far. Per tensor: null (none), one byte (all), or a byte
// for each element. Shared between versions.
using Marks = std::vector<std::uint8_t>;
using Trained = std::vector<std::shared_ptr<const Marks>>;

// State tensors of each parameter, in the optimizer's own order; and the number of steps.
struct OptimizerState {
  static constexpr std::size_t most_slots = 4;  // of any optimizer
  std::vector<Tensors> slots;
  std::int64_t steps = 0;
};

class TensorWeights : public Weights {
 public:
  TensorWeights(Tensors all, Trained so_far, std::optional<Submodel> only = {},
                Tensors kept_elements = {})
      : tensors(std::move(all)),
        trained(std::move(so_far)),
        part(std::move(only)),
        masks(std::move(kept_elements)) {}
  // FP32, on the host. Under ElementKind::pruned also what the masks do not keep (the server's; 0
  // on a node); under ElementKind::sampled scores.
  Tensors tensors;
  Trained trained;
  std::optional<Submodel> part;  // the submodel whose slices `tensors` are; nothing: the full model
  Tensors masks;  // which elements are kept (bool); undefined: all of a tensor; empty: all

  // Of what a pipeline has trained, with which its next task goes on; null: none. Not of the model:
  // whatever makes another version of it leaves this behind.
  std::shared_ptr<const OptimizerState> optimizer;

  // Where they are on their way, encoded: how, and by tensor what is sent; parameters have no
  // tensors then. They must be decoded before they are used.
  Compression compression;
  std::vector<Encoded> encoded;
  [[nodiscard]] bool is_encoded() const { return !encoded.empty(); }
};

// What an update was trained from, where that was sent compressed: it follows from this, the
// version and the update's submodel.
struct SentModel {
  Compression compression;
  bool is_wide = false;  // of the full width of its depth, from which a submodel was then chosen
  friend bool operator==(const SentModel&, const SentModel&) = default;
};

// A submodel's slices of a model, or of a part that contains the submodel: contiguous copies on the
// device. Throws base::UserError if the part does not contain the submodel.
Tensors part_of(const TensorWeights& weights, const Layout& layout, const Submodel& submodel,
                const at::Device& device);
// The same for one tensor (that is_in the submodel), on the host; not copied if kept whole.
Tensor part_of(const TensorWeights& weights, const Layout& layout, const Submodel& submodel,
               std::size_t tensor);

// A block of the parameters, and by tensor its rows.
struct BlockRows {
  ParameterBlock block;
  std::vector<RowRange> rows;
};

// What an update was trained on and from.
struct UpdateOrigin {
  Submodel submodel;
  double samples = 0;             // training samples of its node
  double rate = 1;                // of its submodel
  std::int64_t base_version = 0;  // version it was trained from
  std::int64_t steps = 0;         // of the optimizer
  // Labels of its node's training samples, rising; empty where nobody asks (LabelOptions::told).
  std::vector<int> labels;
  std::optional<SentModel> received_as;  // nothing: it was trained from the version itself
  Tensors masks;                         // of the version it was trained from (see TensorWeights)
  // It holds these rows of the full model alone; nothing: all of its submodel.
  std::optional<BlockRows> block;
  // The layers that it lacks (TensorUpdate::stages) are its node's own, which nobody aggregates.
  bool rest_is_own = false;
};

// Where the tensors of an update lie that waits in a file (stored_tensors.hpp).
class StoredTensors;
struct StoredUpdate {
  std::unique_ptr<const StoredTensors> tensors;
  std::size_t brings = 0;  // numbers of tensors
  std::size_t squares = 0;
  std::vector<float> scales;  // of what is sent compressed, by tensor; or empty
};

class TensorUpdate : public Update, public UpdateOrigin {
 public:
  TensorUpdate() = default;
  explicit TensorUpdate(const UpdateOrigin& origin) : UpdateOrigin(origin) {}

  // It waits in a file: the lists of tensors below are empty, and these read one from there
  // (base::UserError where the file is not as it was). Null: it is in memory.
  std::shared_ptr<const StoredUpdate> stored;
  [[nodiscard]] bool has(std::size_t tensor) const;  // among those that it brings
  [[nodiscard]] Tensor tensor(std::size_t tensor) const;
  [[nodiscard]] bool has_squares() const;
  [[nodiscard]] Tensor square(std::size_t tensor) const;
  [[nodiscard]] std::uint64_t bytes() const override;

  // Sliced, on the host: changes of parameters, values of running statistics (buffers). Under
  // ElementKind::sampled, of parameters: what was sampled, .99 for a one and .01 for a zero.
  Tensors brings;
  // Where it is sent compressed: how, and by parameter what is sent; `brings` is what arrives.
  Compression compression;
  std::uint64_t draw = 0;  // which elements are drawn
  std::vector<Encoded> encoded;
  Tensors squares;  // of parameters: squared gradients, where the task was to bring them; or empty
  // The layers that it holds, of which alone `brings` has tensors; empty: all of its submodel.
  std::vector<Stage> stages;
  [[nodiscard]] bool is_partial() const { return !stages.empty(); }
};

// State of an aggregator. The rule's part: by slot, for each tensor of the model (undefined for
// tensors that no rule changes).
struct RuleState {
  std::vector<std::string> names;
  std::vector<Tensors> slots;
  std::int64_t aggregations = 0;  // so far
  std::vector<double> sizes;      // of the latest updates, with norm_bound: guarded_merge.hpp
  [[nodiscard]] bool is_empty() const { return names.empty() && sizes.empty(); }
};

class TensorState : public NodeState {
 public:
  Submodel submodel;
  Tensors logits;                           // by group; undefined where none were learned
  std::optional<OptimizerState> optimizer;  // sliced as the submodel is, on the host
  std::optional<RuleState> rule;            // of who aggregates
  Tensors residual;  // what compressed updates have not brought, sliced as the submodel; or empty
  Tensors squares;   // squared gradients gathered and not yet brought; or empty
  // Values of the layers that are the node's own, whole, on the host; undefined for others; or
  // empty.
  Tensors own;
  [[nodiscard]] std::uint64_t bytes() const override;
};

const TensorWeights& inside(const Weights& weights);
const TensorUpdate& inside(const Update& update);
// Null for other artifacts. An update that waits in a file is read.
std::shared_ptr<const TensorWeights> as_weights(const std::shared_ptr<const Artifact>& artifact);
std::shared_ptr<const TensorUpdate> as_update(const std::shared_ptr<const Artifact>& artifact);
const TensorState& inside(const NodeState& state);

}  // namespace convoy::engine
