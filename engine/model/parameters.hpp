#pragma once

// The tensors of an architecture: names, shapes, which group their rows and columns follow. What is
// on the wire, in a file and in an update is a row of these, in the order of execution.
//
// Rows are dimension 0 (a layer's outputs), columns dimension 1 (its inputs). A group's members may
// stand for several rows each (a head has its features, three times over in a joint q, k and v).

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
  std::string name;   // "block3.qkv.weight", unique in the architecture
  std::string layer;  // "block3.qkv"
  TensorRole role = TensorRole::weight;
  std::vector<std::int64_t> shape;  // full
  int row_group = -1;               // or -1: all rows are always there
  int column_group = -1;
  int block = -1;                   // that it belongs to, or that its exit follows; -1: the stem
  int exit = -1;                    // index of its exit, or -1
  bool buffer = false;              // running statistics: no gradient
  bool gated = false;               // Co-S2P has a gate on each member of its row group
  bool trained_with_masks = false;  // what the mask phase trains: CLS, positions, norms, exits

  [[nodiscard]] std::int64_t elements() const;
  [[nodiscard]] std::int64_t rows() const { return shape.front(); }
};

// All tensors of the full model, in the order of execution.
std::vector<ParameterTensor> parameter_tensors(const Architecture& architecture);

// Bytes that a parcel of all of them may have, between machines: the values in FP32, and lists of
// kept members.
std::uint64_t largest_parcel(const Architecture& architecture);

// Is the tensor part of a submodel? `one_exit`: of its exits only the deepest is.
bool is_in(const ParameterTensor& tensor, const Architecture& architecture,
           const Submodel& submodel, bool one_exit = false);

// Which rows and columns of a tensor a submodel keeps; empty: all of them.
struct Kept {
  std::vector<std::int64_t> rows;
  std::vector<std::int64_t> columns;
};
Kept kept_of(const ParameterTensor& tensor, const Architecture& architecture,
             const Submodel& submodel);

// For each row of a tensor that follows a group, the member it belongs to.
std::vector<std::int64_t> members_of_rows(const ParameterTensor& tensor,
                                          const Architecture& architecture);

// The shape of a tensor inside a submodel.
std::vector<std::int64_t> shape_in(const ParameterTensor& tensor, const Kept& kept);

}  // namespace convoy::engine
