#pragma once

// How a schedule divides the model between nodes: plain data, for `convoy plan`.

#include <variant>

#include "sim/schedule/pipeline_explanation.hpp"
#include "sim/schedule/split_explanation.hpp"

namespace convoy::sim {

using Explanation = std::variant<SplitExplanation, PipelineExplanation>;

}  // namespace convoy::sim
