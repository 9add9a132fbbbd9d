#pragma once

// Compressed updates and models (engine/codec): the scenario's options, how they change over the
// run, and the costs of encoding and decoding.

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

// The cost of encoding an update with so many parameters: passes over them, each limited by memory
// bandwidth. Our own estimate from engine/codec; nobody measured it on a device.
StepCost encoding_step(double parameters, const Compression& compression);
// The cost of decoding an update at the server: reads the bytes that came (`encoded_bytes`) and
// writes the whole update. One pass limited by memory bandwidth; our own estimate, too.
Kernel decoding_pass(double encoded_bytes, double update_bytes);
// Bytes of the residual, which a node keeps from task to task; 0 without feedback.
double residual_memory(double parameters, const Compression& compression);
// Bytes in memory during encoding: the weights received and trained, the update, the input and the
// result of encoding, and with feedback the old and the new residual.
double encoding_memory(double parameters, const Compression& compression);

// What it takes to encode so many parameters of a model for a node, and to decode them there:
// passes over them as above.
StepCost model_encoding_step(double parameters, const Compression& compression);
StepCost model_decoding_step(double parameters, const Compression& compression);

}  // namespace convoy::engine
