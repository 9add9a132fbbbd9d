#include "engine/learning/class_rows.hpp"

#include <set>

namespace convoy::engine {

Kept brought_rows(const Layout& layout, const TensorUpdate& update, std::size_t tensor) {
  const ParameterTensor& p = layout.tensors[tensor];
  return update.block ? kept_of(p, update.block->rows[tensor])
                      : kept_of(p, *layout.architecture, update.submodel);
}

Counted counted_of(const Layout& layout, const TensorUpdate& update, std::size_t tensor,
                   bool by_label) {
  const ParameterTensor& p = layout.tensors[tensor];
  const Tensor values = update.tensor(tensor);
  Kept kept = brought_rows(layout, update, tensor);
  if (update.block && by_label) {
    throw base::UserError(
        "an update holds a block of the parameters, and the rule of the aggregation counts rows by "
        "the labels of its node; take another schedule.aggregation");
  }
  if (!by_label || !p.by_class) return {values, std::move(kept)};
  if (update.labels.empty()) {
    throw base::UserError(
        "an update does not say which labels its node has, and the rule of the aggregation needs "
        "that; is it of a run with another schedule.aggregation?");
  }
  if (static_cast<std::int64_t>(update.labels.size()) == p.rows()) return {values, std::move(kept)};
  // Rows of classes follow no group, so all are there.
  kept.rows.assign(update.labels.begin(), update.labels.end());
  return {values.index_select(0, at::tensor(kept.rows, at::kLong)), std::move(kept)};
}

std::vector<int> labels_of(const std::vector<const TensorUpdate*>& updates) {
  std::set<int> all;
  for (const TensorUpdate* update : updates) {
    all.insert(update->labels.begin(), update->labels.end());
  }
  return {all.begin(), all.end()};
}

}  // namespace convoy::engine
