#pragma once

// What the members of a pipeline's groups send one another (engine/api/pipeline_work.hpp), and how
// several of these become one.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/learning/stage.hpp"

namespace convoy::engine {

// Samples [from, to) of a micro-batch.
struct SampleRange {
  int from = 0;
  int to = 0;

  [[nodiscard]] int count() const { return to - from; }
  friend bool operator==(const SampleRange&, const SampleRange&) = default;
};

// From a member of a stage to those of the next, or back.
struct MemberPart : Artifact {
  std::int64_t counted = 0;  // micro-batch, over all rounds of the task
  SampleRange range;
  int cut = 0;  // before the layer of this number
  Boundary tensors;
};
struct PartActivation : MemberPart {
  std::int64_t version = 0;  // steps that the first stage had made when it went through that
};
struct PartGradient : MemberPart {
  double loss = 0;        // mean over its samples, at the exits behind the cut
  bool is_finite = true;  // all that was made behind it
};

// A chunk of the gradients of a stage's members, added up.
struct ChunkSum {
  Stage stage;
  int chunk = 0;
  int chunks = 1;
  int key = -1;   // the micro-batch; -1: of the round
  Tensor values;  // [elements of the chunk]; the parameters' gradients, then running statistics
  std::vector<SampleRange> of;  // whose gradients are in it, rising
  double losses = 0;            // sum over these samples
  bool is_finite = true;
};

struct GradientSum : Artifact, ChunkSum {
  explicit GradientSum(ChunkSum sum) : ChunkSum(std::move(sum)) {}
};

// A stage of a version.
struct StageWeights : Artifact {
  Stage stage;
  Tensors tensors;  // on the host; undefined outside the stage
  OptimizerState optimizer;
  std::int64_t steps = 0;    // in the task
  std::int64_t samples = 0;  // that it was trained on in the task, by all of its members
  double losses = 0;         // sum over these, at the exits at and behind the stage
  bool is_finite = true;
};

// These throw base::UserError that begins with `name`.

// The samples of a range, in their order, from parts of which each has some of them. `what`:
// "activations", "gradients".
Boundary joined(const std::vector<const MemberPart*>& parts, const SampleRange& range,
                const std::string& name, const char* what);

// Of a stage's tensors, in the layout's order: gradients (0 where there are none), then running
// statistics times `share`, in a row.
Tensor in_a_row(const Layout& layout, const Tensors& weights, const Tensors& gradients,
                double share);
// The other way round, in the shapes of the weights; undefined where the stage has no tensor.
Tensors from_a_row(const Layout& layout, const Tensors& weights, const Tensor& row);
// The elements [begin, end) of chunk c of n.
Tensor chunk_of(const Tensor& row, int chunk, int chunks);

// The sum of these chunks, in their order; at least one, all of one chunk. Throws where one has
// gradients that are in another.
ChunkSum sum_of(const std::vector<const ChunkSum*>& sums, const std::string& name);
// All chunks in a row, of all of a micro-batch's samples; sums of the same chunk are added in the
// order of their first samples. Throws where a chunk is missing, or has a sample's gradients twice
// or not at all.
Tensor complete(const std::vector<const ChunkSum*>& sums, int samples, const std::string& name);

// The version that the stages are together. Throws where a layer is in none or two of them, or
// they are not of one training.
std::shared_ptr<const TensorWeights> join_weights(const Layout& layout,
                                                  const std::vector<const StageWeights*>& stages,
                                                  const std::string& name);

}  // namespace convoy::engine
