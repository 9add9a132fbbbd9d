#include "engine/learning/engine_context.hpp"

#include "engine/learning/gates.hpp"
#include "engine/learning/sampled.hpp"
#include "engine/learning/stored_tensors.hpp"
#include "engine/model/windows.hpp"

namespace convoy::engine {

Tensors effective(const EngineContext& context, const TensorWeights& version) {
  if (context.layout.elements == ElementKind::sampled) {
    return network_of(context.layout, context.frozen, version.tensors, context.seed,
                      context.rules.elements.threshold);
  }
  Tensors shown = version.tensors;
  for (std::size_t i = 0; i < version.masks.size(); ++i) {
    if (version.masks[i].defined()) shown[i] = shown[i] * version.masks[i];
  }
  return shown;
}

Submodel plain_submodel(const EngineContext& context, double rate) {
  const Architecture& a = *context.layout.architecture;
  const MaskOptions& mask = context.rules.mask;
  return rate >= 1 || mask.selection == Selection::depth
             ? depth_submodel(a, rate, mask.all_blocks)
             : nested_submodel(a, rate, mask.all_blocks);
}

// A node that received only a part of the model starts with exactly that part.
Submodel first_submodel(const EngineContext& context, const TaskInput& input) {
  const MaskOptions& mask = context.rules.mask;
  const Layout& layout = context.layout;
  const Architecture& a = *layout.architecture;
  const double rate = input.brief.rate;
  const int depth = depth_at(a, rate, mask.all_blocks);
  const TensorWeights& received = inside(*input.received);
  if (received.part) return *received.part;
  const Submodel plain = plain_submodel(context, rate);
  if (rate >= 1 || mask.selection == Selection::depth) return plain;
  if (input.brief.choose_masks) {
    switch (mask.selection) {
      case Selection::learned:
      case Selection::importance:
        return depth_submodel(a, rate, mask.all_blocks);  // until the mask phase
      case Selection::random:
        return keep_highest(layout, random_scores(layout, depth, context.seed, input.node), depth,
                            rate);
      case Selection::magnitude:
        return keep_highest(layout, magnitude_scores(layout, received.tensors, depth), depth, rate);
      case Selection::rolling:
        return rolling_submodel(a, plain, input.version);
      case Selection::staggered:
        return staggered_submodel(a, plain, input.brief.place.value_or(0));
      case Selection::nested:
        return plain;  // that of this task's rate
      case Selection::depth:
        break;
    }
  }
  if (input.state) return submodel_in(*input.state);
  return plain;
}

}  // namespace convoy::engine
