#include "engine/api/microbatch_part.hpp"

namespace convoy::engine {

std::optional<MicrobatchPart> microbatch_part(const Work& work) {
  const auto* forward = std::get_if<ForwardPart>(&work);
  if (forward == nullptr) return std::nullopt;
  return MicrobatchPart{.layers = {forward->first, forward->last},
                        .samples = forward->to - forward->from,
                        .of = forward->samples};
}

}  // namespace convoy::engine
