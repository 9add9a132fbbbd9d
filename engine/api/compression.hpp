#pragma once

// Updates and models that are sent compressed (engine/codec): how a scenario asks for it, how that
// changes over the run, and what it costs.

#include <cstdint>

#include "base/table_reader.hpp"
#include "engine/codec/codec.hpp"
#include "engine/model/costs.hpp"

namespace convoy::engine {

// A compression that changes with the version from which a task starts: every so many versions
// `keep` is multiplied by a factor until it reaches a limit, and bits go one step along 32, 8, 1
// towards theirs.
struct CompressionPlan {
  Compression first;        // of version 0
  std::int64_t every = 10;  // versions between two steps, at least 1
  double factor = 1;        // of `keep` at a step, above 0; 1: it stays
  double keep_to = 1;       // where `keep` stops, (0, 1]; nothing where the factor is 1
  int bits_to = 32;         // where bits stop: 32, 8 or 1; nothing where `bits_change` is false
  bool bits_change = false;

  [[nodiscard]] bool changes() const { return factor != 1 || bits_change; }
  // Of tasks that start from this version.
  [[nodiscard]] Compression at(std::int64_t version) const;
  // In the end, when nothing changes any more.
  [[nodiscard]] Compression last() const;
  // At no version is anything compressed.
  [[nodiscard]] bool is_none() const;
  // A node keeps what its updates did not bring, also at versions that are sent whole.
  [[nodiscard]] bool keeps_residual() const { return first.feedback && !is_none(); }
};

// Of a task's updates, and of what is sent to its node.
struct CompressionPlans {
  CompressionPlan update;
  CompressionPlan download;  // always the largest elements, without feedback

  [[nodiscard]] bool is_none() const { return update.is_none() && download.is_none(); }
};
// Reads [schedule.compression].
CompressionPlans read_compression(base::TableReader reader);

// What encoding an update of so many parameters takes: passes over them, each bound by memory. That
// is ours, from engine/codec; it has not been measured on a device.
StepCost encoding_step(double parameters, const Compression& compression);
// What decoding takes at the server: what came (`encoded_bytes`) is read, and the update written,
// whole. A pass bound by memory; ours, too.
Kernel decoding_pass(double encoded_bytes, double update_bytes);
// Bytes of what a node has not sent yet, from task to task; 0 without feedback.
double residual_memory(double parameters, const Compression& compression);
// Bytes that are there while it encodes: the weights as received and as trained, the update, what
// is wanted of it, what arrives, and with feedback the residual before and after.
double encoding_memory(double parameters, const Compression& compression);

// What it takes to encode so many parameters of a model for a node, and to decode them there:
// passes over them as above.
StepCost model_encoding_step(double parameters, const Compression& compression);
StepCost model_decoding_step(double parameters, const Compression& compression);

}  // namespace convoy::engine
