#pragma once

// Reads a file of tensors with checks; every error names the file (or the node that sent it) and
// the tensor.

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "engine/learning/safetensors.hpp"
#include "engine/learning/tensors.hpp"

namespace convoy::engine {

// All functions that read throw base::UserError if the entry is missing or not as described.
class TensorSource {
 public:
  // `from`: named by errors. `layout` must outlive it.
  TensorSource(const Layout& layout, TensorFile file, std::string from)
      : layout_(layout), from_(std::move(from)), file_(std::move(file)) {}

  [[nodiscard]] const Layout& layout() const { return layout_; }

  // --- tensors -----------------------------------------------------------------------------------

  [[nodiscard]] bool has(const std::string& name) const { return file_.find(name) != nullptr; }
  // The tensor, unchecked; null if there is none. finish() accepts it.
  const Tensor* take(const std::string& name);
  // A tensor of floating-point values of this shape, as FP32.
  Tensor get(const std::string& name, const std::vector<std::int64_t>& shape);
  // The same, of values that are at least 0: squared gradients.
  Tensor squares(const std::string& name, const std::vector<std::int64_t>& shape);
  // A tensor of bytes with one dimension of this size; of size 0 it is not in the file.
  std::vector<std::uint8_t> bytes(const std::string& name, std::int64_t size);
  // A mask (bool) of this shape: from a bit for each element, or from the places of the `kept`
  // elements (engine/codec/places.hpp). A mask that keeps nothing or everything is an error: such
  // masks are not written.
  Tensor flags(const std::string& name, const std::vector<std::int64_t>& shape);
  Tensor places(const std::string& name, std::int64_t kept, const std::vector<std::int64_t>& shape);
  // The size of a tensor with one dimension: at least 1, less than `below`.
  [[nodiscard]] std::int64_t length(const std::string& name, std::int64_t below) const;

  // Rejects negative values of a running variance (their root is NaN); NaN and infinity.
  void check_variance(const ParameterTensor& p, const std::string& name, const Tensor& t) const;
  void check_finite(const std::string& name, const Tensor& t) const;
  // Rejects tensors that were not read.
  void finish() const;

  // --- metadata ----------------------------------------------------------------------------------

  [[nodiscard]] bool says(const std::string& key) const { return file_.metadata.contains(key); }
  [[nodiscard]] const std::string& text(const std::string& key) const;
  [[nodiscard]] double number(const std::string& key) const;
  // A whole number from 0 to 1e15; any of 64 bits; numbers of at least 0, separated by blanks.
  [[nodiscard]] std::int64_t whole(const std::string& key) const;
  [[nodiscard]] std::uint64_t number64(const std::string& key) const;
  [[nodiscard]] std::vector<double> numbers(const std::string& key) const;

  // Throws base::UserError: `what` after the source's name.
  [[noreturn]] void fail(const std::string& what) const;

 private:
  Tensor byte_tensor(const std::string& name, std::int64_t size);
  template <class Decode>
  Tensor decoded_mask(const std::string& name, Decode decode) const;

  const Layout& layout_;
  std::string from_;
  TensorFile file_;
  std::set<std::string> taken_;
};

}  // namespace convoy::engine
