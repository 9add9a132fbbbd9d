#pragma once

// The updates of an aggregation, tensor by tensor: what each of them brings and what of it counts,
// and all of them side by side for rules that ask for each update's elements. An update that waits
// in a file is read when its turn comes, and no more of it than that takes.

#include "engine/learning/class_rows.hpp"
#include "engine/learning/tensors.hpp"
#include "engine/rules/rule.hpp"

namespace convoy::engine {

// An update and the version it was trained from (of which its node may have been sent less:
// trained_from()).
struct Received {
  const TensorUpdate* update = nullptr;
  const TensorWeights* base = nullptr;  // null unless the rule needs it
  double scale = 1;                     // of the changes of its parameters
};

// A tensor that the update brings, scaled.
Tensor brought(const Layout& layout, const Received& received, std::size_t tensor);
// What counts of it; see class_rows.hpp.
Counted counted_of(const Layout& layout, const Received& received, std::size_t tensor,
                   bool by_label);
// The version that an update was trained from. Throws base::UserError if it is not there.
const TensorWeights& base_of(const Rule& rule, const std::vector<Received>& updates,
                             std::size_t update);

// The elements of a stretch of a tensor by update, scattered into the full tensor, and what they
// were trained from: as in Elements.
class Scattered {
 public:
  // Stretches of at most `most` elements. The updates must stay.
  Scattered(const Layout& layout, const Rule& rule, std::size_t tensor,
            const std::vector<Received>& updates, std::size_t most);

  // Takes the elements [from, from + n), which replace those before.
  void fill(std::size_t from, std::size_t n);

  [[nodiscard]] const std::vector<const float*>& changes() const { return change_rows_; }
  [[nodiscard]] const std::vector<const std::uint8_t*>& holds() const { return hold_rows_; }
  // Empty unless the rule needs them.
  [[nodiscard]] const std::vector<const float*>& received() const { return received_rows_; }

 private:
  template <class Visit>
  void for_each_piece(const Kept& kept, std::int64_t from, std::int64_t n, Visit visit) const;
  void scatter(std::size_t update, std::int64_t from, std::int64_t n);
  const float* began(std::size_t update, std::size_t from, std::size_t n);

  const Layout& layout_;
  const Rule& rule_;
  std::size_t tensor_;
  const std::vector<Received>& updates_;
  std::vector<std::vector<float>> changes_;
  std::vector<std::vector<std::uint8_t>> holds_;
  std::vector<std::vector<float>> received_;  // copies, of those that were sent compressed
  std::vector<const float*> change_rows_;
  std::vector<const std::uint8_t*> hold_rows_;
  std::vector<const float*> received_rows_;
};

}  // namespace convoy::engine
