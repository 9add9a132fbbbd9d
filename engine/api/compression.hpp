#pragma once

// Compressed updates (engine/codec): the scenario's options, and the cost of encoding.

#include "base/table_reader.hpp"
#include "engine/codec/codec.hpp"
#include "engine/model/costs.hpp"

namespace convoy::engine {

// Reads [schedule.compression].
Compression read_compression(base::TableReader reader);

// The cost of encoding an update with so many parameters: passes over them, each limited by memory
// bandwidth. Our own estimate from engine/codec; nobody measured it on a device.
StepCost encoding_step(double parameters, const Compression& compression);
// Bytes of the residual, which a node keeps from task to task; 0 without feedback.
double residual_memory(double parameters, const Compression& compression);
// Bytes in memory during encoding: the weights received and trained, the update, the input and the
// result of encoding, and with feedback the old and the new residual.
double encoding_memory(double parameters, const Compression& compression);

}  // namespace convoy::engine
