#include "engine/api/options.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace convoy::engine {

using base::above;
using base::at_least;

Optimizer OptimizerOptions::cost() const {
  switch (kind) {
    case OptimizerKind::adamw:
      return Optimizer::adamw;
    case OptimizerKind::adan:
      return Optimizer::adan;
    case OptimizerKind::sgd:
      break;
  }
  return momentum > 0 ? Optimizer::sgd_momentum : Optimizer::sgd;
}

double RateSchedule::at(std::int64_t version) const {
  if (version < warmup) {
    return static_cast<double>(version + 1) / static_cast<double>(warmup + 1);
  }
  const auto v = static_cast<double>(version - warmup);
  switch (kind) {
    case Kind::step:
      return std::pow(factor, std::floor(v / static_cast<double>(every)));
    case Kind::cosine: {
      const double share = std::min(1.0, v / static_cast<double>(over));
      return floor + (1 - floor) * 0.5 * (1 + std::cos(std::numbers::pi * share));
    }
    case Kind::exponential:
      return std::pow(factor, v);
    case Kind::constant:
      break;
  }
  return 1;
}

namespace {

OptimizerOptions read_optimizer(base::TableReader reader) {
  static const std::vector<std::string> kinds = {"sgd", "adamw", "adan"};
  OptimizerOptions o;
  o.kind = static_cast<OptimizerKind>(reader.choice("kind", kinds, 0));
  const bool sgd = o.kind == OptimizerKind::sgd;
  o.learning_rate =
      reader.number("learning_rate", above(0).up_to(1e3), sgd ? o.learning_rate : 1e-3);
  o.weight_decay = reader.number("weight_decay", at_least(0).up_to(1e3), o.weight_decay);
  if (sgd) {
    o.momentum = reader.number("momentum", at_least(0).below(1), o.momentum);
    o.nesterov = reader.flag("nesterov", false);
    if (o.nesterov && o.momentum == 0) reader.error("nesterov", "needs a momentum above 0");
  } else {
    if (o.kind == OptimizerKind::adamw) o.betas = {0.9, 0.999};
    if (o.kind == OptimizerKind::adan) o.betas = {0.98, 0.92, 0.99};
    const std::size_t wanted = o.betas.size();
    o.betas = reader.numbers("betas", at_least(0).below(1), o.betas);
    if (o.betas.size() != wanted) {
      reader.error("betas", "expected " + std::to_string(wanted) + " decay factors");
      o.betas.resize(wanted);
    }
    o.epsilon = reader.number("epsilon", above(0).up_to(1), o.epsilon);
  }
  reader.finish();
  return o;
}

RateSchedule read_rate(base::TableReader reader) {
  static const std::vector<std::string> kinds = {"constant", "step", "cosine", "exponential"};
  RateSchedule rate;
  using Kind = RateSchedule::Kind;
  rate.kind = static_cast<Kind>(reader.choice("kind", kinds, 0));
  rate.warmup = reader.integer("warmup", at_least(0).up_to(1e9), 0);
  if (rate.kind == Kind::step) rate.every = reader.integer("every", at_least(1).up_to(1e9), 10);
  if (rate.kind == Kind::step || rate.kind == Kind::exponential) {
    rate.factor = reader.number("factor", above(0).up_to(1), rate.kind == Kind::step ? 0.1 : 0.99);
  }
  if (rate.kind == Kind::cosine) {
    rate.over = reader.integer("over", at_least(1).up_to(1e9), 100);
    rate.floor = reader.number("floor", at_least(0).up_to(1), 0);
  }
  reader.finish();
  return rate;
}

}  // namespace

TrainingOptions read_training(base::TableReader& reader) {
  static const std::vector<std::string> states = {"fresh", "kept"};
  TrainingOptions t;
  t.optimizer = read_optimizer(reader.table("optimizer"));
  t.rate_schedule = read_rate(reader.table("rate_schedule"));
  t.keep_optimizer = reader.choice("optimizer_state", states, 0) == 1;
  t.proximal = reader.number("proximal", at_least(0).up_to(1e6), 0);
  t.clip = reader.number("clip", at_least(0).up_to(1e9), 0);
  return t;
}

MaskOptions read_mask(base::TableReader reader) {
  static const std::vector<std::string> selections = {"learned", "random", "magnitude", "nested",
                                                      "depth"};
  static const std::vector<std::string> draws = {"top", "sampled"};
  static const std::vector<std::string> logits = {"rate", "normal"};
  MaskOptions m;
  m.selection = static_cast<Selection>(reader.choice("selection", selections, 0));
  m.epochs = static_cast<int>(reader.integer("epochs", at_least(1).up_to(1e6), m.epochs));
  m.tasks = static_cast<int>(reader.integer("tasks", at_least(0).up_to(1e6), m.tasks));
  m.refresh = static_cast<int>(reader.integer("refresh", at_least(0).up_to(1e6), m.refresh));
  m.learning_rate = reader.number("learning_rate", above(0).up_to(1e3), m.learning_rate);
  m.lambda = reader.number("lambda", at_least(0).up_to(1e9), m.lambda);
  m.weight_decay = reader.number("weight_decay", at_least(0).up_to(1e3), m.weight_decay);
  m.sampled = reader.choice("draw", draws, 0) == 1;
  m.normal_logits = reader.choice("logits", logits, 0) == 1;
  reader.finish();
  return m;
}

TransferOptions read_transfer(base::TableReader reader, const TransferOptions& fallback) {
  static const std::vector<std::string> means = {"elements", "batch"};
  TransferOptions t = fallback;
  t.weight = reader.number("weight", at_least(0).up_to(1e3), t.weight);
  t.temperature = reader.number("temperature", above(0).up_to(1e3), t.temperature);
  t.from_version = reader.integer("from_version", at_least(0).up_to(1e12), t.from_version);
  t.by_batch = reader.choice("mean", means, 0) == 1;
  t.detached = reader.flag("detach_teacher", t.detached);
  reader.finish();
  return t;
}

}  // namespace convoy::engine
