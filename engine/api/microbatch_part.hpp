#pragma once

// What a work of a pipeline (pipeline_work.hpp) goes through, for checks before a run.

#include <optional>

#include "engine/api/work.hpp"
#include "engine/model/stage.hpp"

namespace convoy::engine {

struct MicrobatchPart {
  Stage layers;
  int samples = 1;  // of the part
  int of = 1;       // of the whole micro-batch
};

// Of a forward through a part of a micro-batch; nothing: it is another work.
std::optional<MicrobatchPart> microbatch_part(const Work& work);

}  // namespace convoy::engine
