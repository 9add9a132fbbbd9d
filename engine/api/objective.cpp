#include "engine/api/objective.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace convoy::engine {

std::string why_no_objective(const Architecture& architecture, const LearningRules& rules) {
  if (rules.elements.kind == ElementKind::sampled) {
    return "fedpm trains the scores of masks, and a version's weights are one sample of them: "
           "there is no gradient to go by; choose another kind of schedule, or leave it out";
  }
  if (rules.own_layers) {
    return "each node keeps layers of its own, so that there is no one model whose loss all lower; "
           "leave it out, or choose a schedule that aggregates the whole model (splitfed: "
           "version = \"v1\")";
  }
  const auto normalizes = [](const Block& block) {
    return std::ranges::any_of(block.layers,
                               [](const Layer& l) { return l.kind == LayerKind::batch_norm; });
  };
  const bool any = normalizes(architecture.stem) ||
                   std::ranges::any_of(architecture.blocks, normalizes) ||
                   std::ranges::any_of(architecture.exits,
                                       [&](const Exit& exit) { return normalizes(exit.head); });
  if (!any) return "";
  return fmt::format(
      "{} has batch norms: the training loss of a sample depends on the others of its batch, so "
      "that the loss over all samples is no function of the weights; choose a model without "
      "(linear, mlp, cnn-small, vit-*, bert-*), or leave it out",
      architecture.name);
}

}  // namespace convoy::engine
