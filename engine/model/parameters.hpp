#pragma once

// The tensors of an architecture: names, shapes, and the groups that their rows and columns follow.
// Parcels, files and updates are lists of these tensors in the order of execution.
//
// Rows are dimension 0 (outputs of a layer), columns dimension 1 (inputs). A member may stand for
// several rows (a head for all its features, three times in a joint q, k and v).

#include <cstdint>
#include <string>
#include <vector>

#include "engine/model/submodel.hpp"

namespace convoy::engine {

enum class TensorRole {
  weight,        // of conv2d [out, in, k, k] and linear [out, in]
  bias,          // [out]
  scale,         // of a norm [features]
  shift,         // of a norm [features]
  cls,           // [features]
  positions,     // [positions, features]
  segments,      // [segments, features]
  words,         // [vocabulary, features]
  running_mean,  // buffers of batch_norm [features]
  running_variance,
  batches_seen,  // [1]
};

struct ParameterTensor {
  std::string name;   // "block3.qkv.weight", unique
  std::string layer;  // "block3.qkv"
  TensorRole role = TensorRole::weight;
  std::vector<std::int64_t> shape;  // full
  int row_group = -1;               // or -1: all rows are kept
  int column_group = -1;
  int block = -1;                   // its block, or the one before its exit; -1: the stem
  int exit = -1;                    // index of its exit, or -1
  bool buffer = false;              // running statistics: no gradient
  bool gated = false;               // Co-S2P gates each member of its row group
  bool trained_with_masks = false;  // trained in the mask phase: CLS, positions, norms, exits
  bool by_class = false;            // of the layer that makes an exit's scores: a row per class

  [[nodiscard]] std::int64_t elements() const;
  [[nodiscard]] std::int64_t rows() const { return shape.front(); }
};

// All tensors of the full model, in the order of execution.
std::vector<ParameterTensor> parameter_tensors(const Architecture& architecture);

// Upper limit in bytes for a parcel of the full model: all values in FP32, and lists of kept
// members. `with_squares`: and as many squared gradients.
std::uint64_t largest_parcel(const Architecture& architecture, bool with_squares = false);

// True if the tensor is part of a submodel. `one_exit`: the submodel has its deepest exit only.
bool is_in(const ParameterTensor& tensor, const Architecture& architecture,
           const Submodel& submodel, bool one_exit = false);

// Rows and columns of a tensor that a submodel keeps; empty: all.
struct Kept {
  std::vector<std::int64_t> rows;
  std::vector<std::int64_t> columns;
};
Kept kept_of(const ParameterTensor& tensor, const Architecture& architecture,
             const Submodel& submodel);

// By row of a tensor that follows a group: the row's member.
std::vector<std::int64_t> members_of_rows(const ParameterTensor& tensor,
                                          const Architecture& architecture);

// The shape of a tensor inside a submodel.
std::vector<std::int64_t> shape_in(const ParameterTensor& tensor, const Kept& kept);

}  // namespace convoy::engine
