#pragma once

// How many bytes a submodel's update has on the wire.

#include "engine/codec/codec.hpp"
#include "engine/model/submodel.hpp"

namespace convoy::engine {

// Parameters as they are compressed, running statistics whole, in FP32; `with_masks`: and which
// members of each group the node keeps, a bit for each.
double update_bytes(const Architecture& architecture, const Submodel& submodel,
                    const Compression& compression, bool with_masks = false);

}  // namespace convoy::engine
