#include "engine/learning/at_work.hpp"

#include <algorithm>

#include "engine/learning/kept_runs.hpp"
#include "engine/learning/stored_tensors.hpp"
#include "engine/model/windows.hpp"

namespace convoy::engine {
namespace {

Holder holder_of(const EngineContext& context, const TaskAtWork& task) {
  const Architecture& a = *context.layout.architecture;
  const MaskOptions& mask = context.rules.mask;
  Holder holder;
  holder.samples =
      static_cast<double>(context.parts.at(static_cast<std::size_t>(task.node)).count());
  holder.submodel = plain_submodel(context, task.brief.rate);
  if (task.brief.rate >= 1) return holder;
  switch (mask.selection) {
    case Selection::nested:
    case Selection::depth:
      return holder;
    case Selection::rolling:
      holder.submodel = rolling_submodel(a, std::move(holder.submodel), task.version);
      return holder;
    case Selection::staggered:
      holder.submodel =
          staggered_submodel(a, std::move(holder.submodel), task.brief.place.value_or(0));
      return holder;
    case Selection::learned:
    case Selection::importance:
    case Selection::random:
    case Selection::magnitude:
      break;
  }
  if (task.state) holder.submodel = submodel_in(*task.state);
  holder.is_expected = !task.state && task.brief.choose_masks;
  return holder;
}

}  // namespace

std::vector<Holder> holders_of(const EngineContext& context, const std::vector<TaskAtWork>& tasks) {
  std::vector<Holder> holders;
  holders.reserve(tasks.size());
  for (const TaskAtWork& task : tasks) holders.push_back(holder_of(context, task));
  return holders;
}

std::vector<float> weight_at_work(const Layout& layout, std::size_t tensor,
                                  const std::vector<Holder>& holders, double per_sample) {
  const ParameterTensor& p = layout.tensors[tensor];
  const Architecture& a = *layout.architecture;
  std::vector<double> weight(static_cast<std::size_t>(p.elements()), 0);
  double of_all = 0;  // what every element has
  for (const Holder& holder : holders) {
    if (!is_in(p, a, holder.submodel)) continue;
    const double share = per_sample * holder.samples;
    const Kept kept = kept_of(p, a, holder.submodel);
    if (holder.is_expected || (kept.rows.empty() && kept.columns.empty())) {
      const auto elements = static_cast<double>(c10::multiply_integers(shape_in(p, kept)));
      of_all += share * elements / static_cast<double>(p.elements());
      continue;
    }
    for_each_run(p, kept, [&](std::int64_t full, std::int64_t, std::int64_t n) {
      double* at = weight.data() + full;
      for (std::int64_t i = 0; i < n; ++i) at[i] += share;
    });
  }
  std::vector<float> sums(weight.size());
  std::ranges::transform(weight, sums.begin(),
                         [&](double w) { return static_cast<float>(w + of_all); });
  return sums;
}

}  // namespace convoy::engine
