#include "engine/learning/received.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "engine/learning/encoded_model.hpp"
#include "engine/learning/kept_runs.hpp"
#include "engine/learning/stored_tensors.hpp"

namespace convoy::engine {
namespace {

// Of the parameters; running statistics are values, and no changes.
Tensor scaled(const Layout& layout, const Received& received, std::size_t tensor,
              const Tensor& values) {
  if (received.scale == 1 || layout.tensors[tensor].buffer) return values;
  // In double, since the factor may be below the range of FP32.
  return values.to(at::kDouble).mul_(received.scale).to(at::kFloat);
}

}  // namespace

Tensor brought(const Layout& layout, const Received& received, std::size_t tensor) {
  return scaled(layout, received, tensor, received.update->tensor(tensor));
}

Counted counted_of(const Layout& layout, const Received& received, std::size_t tensor,
                   bool by_label) {
  Counted counted = counted_of(layout, *received.update, tensor, by_label);
  counted.values = scaled(layout, received, tensor, counted.values);
  return counted;
}

const TensorWeights& base_of(const Rule& rule, const std::vector<Received>& updates,
                             std::size_t update) {
  if (updates[update].base != nullptr) return *updates[update].base;
  throw base::UserError(
      fmt::format("the rule \"{}\" needs what update {} was trained from, and it is not there",
                  rule.name(), update));
}

Scattered::Scattered(const Layout& layout, const Rule& rule, std::size_t tensor,
                     const std::vector<Received>& updates, std::size_t most)
    : layout_(layout),
      rule_(rule),
      tensor_(tensor),
      updates_(updates),
      changes_(updates.size()),
      holds_(updates.size()),
      received_(updates.size()) {
  for (std::size_t u = 0; u < updates.size(); ++u) {
    changes_[u].resize(most);
    holds_[u].resize(most);
    if (rule.needs().received && updates[u].update->received_as) received_[u].resize(most);
  }
}

void Scattered::fill(std::size_t from, std::size_t n) {
  change_rows_.clear();
  hold_rows_.clear();
  received_rows_.clear();
  for (std::size_t u = 0; u < updates_.size(); ++u) {
    std::fill_n(changes_[u].begin(), n, 0.0F);
    std::fill_n(holds_[u].begin(), n, std::uint8_t{0});
    if (updates_[u].update->has(tensor_)) {
      scatter(u, static_cast<std::int64_t>(from), static_cast<std::int64_t>(n));
    }
    change_rows_.push_back(changes_[u].data());
    hold_rows_.push_back(holds_[u].data());
    if (rule_.needs().received) received_rows_.push_back(began(u, from, n));
  }
}

// Calls `visit(full, part, n)` for what of the slice lies in the stretch.
template <class Visit>
void Scattered::for_each_piece(const Kept& kept, std::int64_t from, std::int64_t n,
                               Visit visit) const {
  for_each_run(layout_.tensors[tensor_], kept,
               [&](std::int64_t full, std::int64_t part, std::int64_t count) {
                 const std::int64_t begin = std::max(full, from);
                 const std::int64_t end = std::min(full + count, from + n);
                 if (begin < end) visit(begin, part + (begin - full), end - begin);
               });
}

void Scattered::scatter(std::size_t update, std::int64_t from, std::int64_t n) {
  const TensorUpdate& brings = *updates_[update].update;
  const bool by_label = rule_.needs().labels;
  Counted counted;
  std::int64_t first = 0;  // of the slice, that is there
  if (brings.stored && !by_label) {
    counted.kept = brought_rows(layout_, brings, tensor_);
    std::int64_t last = 0;
    first = std::numeric_limits<std::int64_t>::max();
    for_each_piece(counted.kept, from, n,
                   [&](std::int64_t /*full*/, std::int64_t part, std::int64_t count) {
                     first = std::min(first, part);
                     last = std::max(last, part + count);
                   });
    if (first >= last) return;
    counted.values = at::empty({last - first}, at::kFloat);
    brings.stored->tensors->read(
        tensor_, first, {counted.values.data_ptr<float>(), static_cast<std::size_t>(last - first)});
    counted.values = scaled(layout_, updates_[update], tensor_, counted.values);
  } else {
    counted = counted_of(layout_, updates_[update], tensor_, by_label);
  }
  const Tensor values = counted.values.contiguous();
  const float* elements = values.data_ptr<float>();
  for_each_piece(
      counted.kept, from, n, [&](std::int64_t full, std::int64_t part, std::int64_t count) {
        std::copy_n(elements + (part - first), count, changes_[update].data() + (full - from));
        std::fill_n(holds_[update].data() + (full - from), count, std::uint8_t{1});
      });
}

// What the update was trained from; copied where it was sent compressed.
const float* Scattered::began(std::size_t update, std::size_t from, std::size_t n) {
  const TensorWeights& base = base_of(rule_, updates_, update);
  const Tensor whole = trained_from(layout_, base, *updates_[update].update, tensor_);
  const float* there = whole.data_ptr<float>() + from;
  if (received_[update].empty()) return there;
  std::copy_n(there, n, received_[update].data());
  return received_[update].data();
}

}  // namespace convoy::engine
