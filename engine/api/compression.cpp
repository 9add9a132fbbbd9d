#include "engine/api/compression.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <utility>

namespace convoy::engine {
namespace {

constexpr double word = sizeof(float);

enum class Which { largest, drawn };
constexpr base::Words<Which> which_words = {{Which::largest, "largest"}, {Which::drawn, "drawn"}};

// In the order in which bits fall.
constexpr std::array<int, 3> bit_steps = {32, 8, 1};

bool is_possible(int bits) { return std::ranges::find(bit_steps, bits) != bit_steps.end(); }

// base^exponent by products alone, which are the same on every machine.
double power(double base, std::int64_t exponent) {
  double result = 1;
  for (; exponent > 0; exponent /= 2, base *= base) {
    if (exponent % 2 == 1) result *= base;
  }
  return result;
}

int bits_after(int from, int to, std::int64_t steps) {
  const auto at = [](int bits) { return std::ranges::find(bit_steps, bits) - bit_steps.begin(); };
  const std::int64_t way = at(to) - at(from);
  const std::int64_t gone = std::min<std::int64_t>(steps, std::abs(way));
  return bit_steps[static_cast<std::size_t>(at(from) + (way < 0 ? -gone : gone))];
}

bool costs_more_than_it_saves(const Compression& c) {
  constexpr std::int64_t many = 1 << 20;
  return !c.is_none() && encoded_bytes(many, c) >= encoded_bytes(many, {});
}

// [schedule.compression.decay]
class DecayReader {
 public:
  DecayReader(base::TableReader reader, CompressionPlan& plan)
      : reader_(std::move(reader)), plan_(plan) {}

  void read() {
    plan_.every = reader_.integer({"every", "versions between two steps"},
                                  base::at_least(1).up_to(1e9), plan_.every);
    plan_.factor = reader_.number({"factor", "what a step multiplies keep by"},
                                  base::above(0).up_to(100), plan_.factor);
    const auto keep_to = reader_.maybe_number(
        {"keep_to", "where keep stops", "0.01, or 1 where the factor is above 1"},
        base::above(0).up_to(1));
    plan_.keep_to = keep_to.value_or(plan_.factor < 1 ? std::min(0.01, plan_.first.keep) : 1);
    const auto bits_to = reader_.maybe_integer(
        {"bits_to", "where bits stop: a step along 32, 8, 1 at a time", "bits"},
        base::at_least(1).up_to(32));
    plan_.bits_to = static_cast<int>(bits_to.value_or(plan_.first.bits));
    if (!reader_.describes()) check(bits_to.has_value());
    reader_.finish();
    plan_.bits_change = plan_.bits_to != plan_.first.bits;
  }

 private:
  void check(bool says_bits) {
    if (says_bits && !is_possible(plan_.bits_to)) {
      error("bits_to", fmt::format("{} is none of 32, 8, 1", plan_.bits_to));
      plan_.bits_to = plan_.first.bits;
    }
    constexpr double slowest = 1e-3;  // else it takes more steps than a run has
    if (plan_.factor != 1 && std::abs(plan_.factor - 1) < slowest) {
      error("factor", fmt::format("{} changes nothing that one would see; 1 leaves keep as it is",
                                  plan_.factor));
      plan_.factor = 1;
    }
    if (reader_.has("every") && plan_.factor == 1 && plan_.bits_to == plan_.first.bits) {
      error("every", "changes nothing without a factor or bits_to");
    }
    const bool says_where = reader_.has("keep_to");
    if (says_where && plan_.factor == 1) {
      error("keep_to", "needs a factor that is not 1");
    } else if (says_where && (plan_.keep_to < plan_.first.keep) != (plan_.factor < 1)) {
      error("keep_to", fmt::format("{} is not where keep = {} gets to by a factor of {}",
                                   plan_.keep_to, plan_.first.keep, plan_.factor));
    }
  }

  void error(const char* key, const std::string& what) {
    reader_.problems().error(reader_.raw(key)->where,
                             fmt::format("{}: {}", reader_.full(key), what));
  }

  base::TableReader reader_;
  CompressionPlan& plan_;
};

// Every compression on the way must be of use.
void check_savings(base::TableReader& reader, const CompressionPlan& plan) {
  Compression before;
  for (std::int64_t step = 0;; ++step) {
    const Compression c = plan.at(step * plan.every);
    if (step > 0 && c == before) return;
    before = c;
    if (costs_more_than_it_saves(c)) {
      const std::string when =
          step == 0 ? "" : fmt::format(" from version {} on", step * plan.every);
      const char* key = step == 0 ? "keep" : "decay";
      reader.problems().error(
          reader.raw(key)->where,
          fmt::format("{}: with {}{} the places need more bytes than compression saves",
                      reader.full(key), c.keep, when));
      return;
    }
    if (!plan.changes()) return;
  }
}

// Reads keep, bits and their decay; the caller has read the other keys.
void read_plan(base::TableReader& reader, CompressionPlan& plan, const std::string& of) {
  Compression& c = plan.first;
  c.keep = reader.number({"keep", "share of each tensor's elements that " + of},
                         base::above(0).up_to(1), c.keep);
  c.bits = static_cast<int>(
      reader.integer({"bits", "bits per value: 32, 8 or 1"}, base::at_least(1).up_to(32), c.bits));
  if (!is_possible(c.bits)) {
    reader.problems().error(reader.raw("bits")->where,
                            fmt::format("{}: {} is none of 32, 8, 1", reader.full("bits"), c.bits));
    c.bits = 32;
  }
  DecayReader(reader.table({"decay", "how keep and bits change with the versions"}), plan).read();
  if (!reader.describes()) check_savings(reader, plan);
}

}  // namespace

Compression CompressionPlan::at(std::int64_t version) const {
  Compression c = first;
  if (!changes()) return c;
  const std::int64_t steps = version / every;
  const double keep = first.keep * power(factor, steps);
  if (factor != 1) c.keep = factor < 1 ? std::max(keep, keep_to) : std::min(keep, keep_to);
  if (bits_change) c.bits = bits_after(first.bits, bits_to, steps);
  return c;
}

Compression CompressionPlan::last() const {
  Compression c = first;
  if (factor != 1) c.keep = keep_to;
  if (bits_change) c.bits = bits_to;
  return c;
}

bool CompressionPlan::is_none() const { return first.is_none() && last().is_none(); }

CompressionPlans read_compression(base::TableReader reader) {
  CompressionPlans plans;
  Compression& c = plans.update.first;
  c.drawn = reader.choice({"which", "elements to send: the largest, or drawn ones"}, which_words,
                          Which::largest) == Which::drawn;
  c.feedback =
      reader.flag({"feedback", "add what was not sent to the node's next update"}, c.feedback);
  read_plan(reader, plans.update, "is sent");
  base::TableReader download =
      reader.table({"download", "the same for the model that a node is sent"});
  plans.download.first.feedback = false;
  read_plan(download, plans.download, "is sent, the largest; the others are 0 at the node");
  download.finish();
  reader.finish();
  return plans;
}

namespace {

// Passes over so many parameters, one after the other.
class Passes {
 public:
  explicit Passes(double parameters) : parameters_(parameters) {}
  // FLOPs and words moved, of a parameter.
  void add(double flops, double words) {
    cost_.kernels.push_back(
        {OpClass::elementwise, flops * parameters_, words * word * parameters_});
  }
  // Finding the elements to be sent, and writing them.
  void encode(const Compression& compression) {
    constexpr double counting = 3;  // passes that find the largest (engine/codec)
    if (compression.keep < 1 && !compression.drawn) add(counting, counting);
    add(2, 2);  // quantized and written
  }
  [[nodiscard]] StepCost cost() && { return std::move(cost_); }

 private:
  double parameters_;
  StepCost cost_;
};

}  // namespace

StepCost encoding_step(double parameters, const Compression& compression) {
  Passes passes(parameters);
  if (compression.feedback) passes.add(1, 3);
  passes.encode(compression);
  passes.add(1, 1);  // decodes, to know what arrives
  if (compression.feedback) passes.add(1, 3);
  return std::move(passes).cost();
}

StepCost model_encoding_step(double parameters, const Compression& compression) {
  Passes passes(parameters);
  passes.encode(compression);
  return std::move(passes).cost();
}

StepCost model_decoding_step(double parameters, const Compression& compression) {
  Passes passes(parameters);
  passes.add(0, 1);                 // writes 0 everywhere
  passes.add(1, compression.keep);  // writes the kept elements
  return std::move(passes).cost();
}

Kernel decoding_pass(double encoded_bytes, double update_bytes) {
  return {OpClass::elementwise, update_bytes / word, encoded_bytes + update_bytes};
}

double residual_memory(double parameters, const Compression& compression) {
  return compression.feedback && !compression.is_none() ? word * parameters : 0;
}

double encoding_memory(double parameters, const Compression& compression) {
  constexpr double others = 5;  // weights received and trained, update, input and output of encode
  return others * word * parameters + 2 * residual_memory(parameters, compression);
}

}  // namespace convoy::engine
