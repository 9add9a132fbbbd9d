#pragma once

// Updates that are sent compressed (engine/codec): how a scenario asks for it, and what it costs.

#include "base/table_reader.hpp"
#include "engine/codec/codec.hpp"
#include "engine/model/costs.hpp"

namespace convoy::engine {

// Reads [schedule.compression].
Compression read_compression(base::TableReader reader);

// What encoding an update of so many parameters takes: passes over them, each bound by memory. That
// is ours, from engine/codec; it has not been measured on a device.
StepCost encoding_step(double parameters, const Compression& compression);
// Bytes of what a node has not sent yet, from task to task; 0 without feedback.
double residual_memory(double parameters, const Compression& compression);
// Bytes that are there while it encodes: the weights as received and as trained, the update, what
// is wanted of it, what arrives, and with feedback the residual before and after.
double encoding_memory(double parameters, const Compression& compression);

}  // namespace convoy::engine
