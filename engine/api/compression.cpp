#include "engine/api/compression.hpp"

#include <fmt/format.h>

namespace convoy::engine {
namespace {

constexpr double word = sizeof(float);

enum class Which { largest, drawn };
constexpr base::Words<Which> which_words = {{Which::largest, "largest"}, {Which::drawn, "drawn"}};

}  // namespace

Compression read_compression(base::TableReader reader) {
  Compression c;
  c.keep = reader.number({"keep", "share of each tensor's elements that is sent"},
                         base::above(0).up_to(1), c.keep);
  c.drawn = reader.choice({"which", "elements to send: the largest, or drawn ones"}, which_words,
                          Which::largest) == Which::drawn;
  c.bits = static_cast<int>(
      reader.integer({"bits", "bits per value: 32, 8 or 1"}, base::at_least(1).up_to(32), c.bits));
  c.feedback =
      reader.flag({"feedback", "add what was not sent to the node's next update"}, c.feedback);
  if (c.bits != 32 && c.bits != 8 && c.bits != 1) {
    reader.problems().error(reader.raw("bits")->where,
                            fmt::format("{}: {} is none of 32, 8, 1", reader.full("bits"), c.bits));
  } else if (constexpr std::int64_t many = 1 << 20;
             !c.is_none() && encoded_bytes(many, c) >= encoded_bytes(many, {})) {
    reader.problems().error(
        reader.raw("keep")->where,
        fmt::format("{}: with {} the places need more bytes than compression saves",
                    reader.full("keep"), c.keep));
  }
  reader.finish();
  return c;
}

StepCost encoding_step(double parameters, const Compression& compression) {
  StepCost cost;
  const auto pass = [&](double flops, double words) {
    cost.kernels.push_back({OpClass::elementwise, flops * parameters, words * word * parameters});
  };
  constexpr double counting = 3;  // passes to find the largest elements (engine/codec)
  if (compression.feedback) pass(1, 3);
  if (compression.keep < 1 && !compression.drawn) pass(counting, counting);
  pass(2, 2);  // quantizes and writes
  pass(1, 1);  // decodes, to know what arrives
  if (compression.feedback) pass(1, 3);
  return cost;
}

double residual_memory(double parameters, const Compression& compression) {
  return compression.feedback && !compression.is_none() ? word * parameters : 0;
}

double encoding_memory(double parameters, const Compression& compression) {
  constexpr double others = 5;  // weights received and trained, update, input and output of encode
  return others * word * parameters + 2 * residual_memory(parameters, compression);
}

}  // namespace convoy::engine
