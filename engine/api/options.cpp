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

double TransferOptions::weight_at(std::int64_t version) const {
  if (version < from_version) return 0;
  if (ramp == 0) return weight;
  const std::int64_t passed = std::min(version - from_version, ramp);
  const double missing = 1 - static_cast<double>(passed) / static_cast<double>(ramp);
  return weight * std::exp(-5 * missing * missing);
}

namespace {

OptimizerOptions read_optimizer(base::TableReader reader) {
  OptimizerOptions o;
  o.kind = reader.choice({"kind", "how gradients change weights"}, optimizer_kind_words, o.kind);
  const bool sgd = o.kind == OptimizerKind::sgd;
  o.learning_rate = reader.number({"learning_rate", "size of a step"}, above(0).up_to(1e3),
                                  sgd ? o.learning_rate : 1e-3);
  o.weight_decay = reader.number(
      {"weight_decay", "pull towards zero; sgd: added to the gradient, others: decoupled"},
      at_least(0).up_to(1e3), o.weight_decay);
  if (sgd) {
    o.momentum = reader.number({"momentum", "share of the last step that is kept"},
                               at_least(0).below(1), o.momentum);
    o.nesterov = reader.flag({"nesterov", "look one step ahead; needs a momentum"}, false);
    if (o.nesterov && o.momentum == 0) reader.error("nesterov", "needs a momentum above 0");
  } else {
    if (o.kind == OptimizerKind::adamw) o.betas = {0.9, 0.999};
    if (o.kind == OptimizerKind::adan) o.betas = {0.98, 0.92, 0.99};
    const std::size_t wanted = o.betas.size();
    o.betas = reader.numbers({"betas", "decay of the running means: adamw 2 factors, adan 3"},
                             at_least(0).below(1), o.betas);
    if (o.betas.size() != wanted) {
      reader.error("betas", "expected " + std::to_string(wanted) + " decay factors");
      o.betas.resize(wanted);
    }
    o.epsilon = reader.number({"epsilon", "added to the denominator, against division by zero"},
                              above(0).up_to(1), o.epsilon);
  }
  reader.finish();
  return o;
}

RateSchedule read_rate(base::TableReader reader) {
  RateSchedule rate;
  using Kind = RateSchedule::Kind;
  rate.kind = reader.choice({"kind", "shape of the learning rate over the versions"},
                            RateSchedule::words, rate.kind);
  rate.warmup = reader.integer({"warmup", "versions of a linear rise before the rest"},
                               at_least(0).up_to(1e9), 0);
  if (rate.kind == Kind::step) {
    rate.every =
        reader.integer({"every", "versions between two reductions"}, at_least(1).up_to(1e9), 10);
  }
  if (rate.kind == Kind::step || rate.kind == Kind::exponential) {
    rate.factor = reader.number(
        {"factor",
         "what a reduction (step) or a version (exponential) multiplies the learning rate by"},
        above(0).up_to(1), rate.kind == Kind::step ? 0.1 : 0.99);
  }
  if (rate.kind == Kind::cosine) {
    rate.over =
        reader.integer({"over", "versions from 1 down to the floor"}, at_least(1).up_to(1e9), 100);
    rate.floor = reader.number({"floor", "share of the learning rate that is left in the end"},
                               at_least(0).up_to(1), 0);
  }
  reader.finish();
  return rate;
}

}  // namespace

TrainingOptions read_training(base::TableReader& reader) {
  TrainingOptions t;
  t.optimizer = read_optimizer(reader.table({"optimizer", "how a node trains"}));
  t.rate_schedule = read_rate(
      reader.table({"rate_schedule", "the learning rate by the version that a task starts from"}));
  t.keep_optimizer =
      reader.choice({"optimizer_state", "the optimizer begins each task anew, or goes on"},
                    TrainingOptions::optimizer_states, t.keep_optimizer);
  t.proximal = reader.number({"proximal", "mu of FedProx: mu/2 x |w - received|^2 in the loss"},
                             at_least(0).up_to(1e6), 0);
  t.clip = reader.number({"clip", "largest norm of a gradient; 0: any"}, at_least(0).up_to(1e9), 0);
  return t;
}

MaskOptions read_mask(base::TableReader reader, const MaskOptions& fallback) {
  MaskOptions m = fallback;
  m.selection = reader.choice({"selection", "rule by which a node chooses what it keeps"},
                              selection_words, m.selection);
  const bool shallow = m.selection == Selection::depth;
  m.all_blocks = reader.choice({"blocks", "a submodel has as many as its rate says, or all"},
                               MaskOptions::block_words, m.all_blocks && !shallow);
  if (m.all_blocks && shallow) {
    reader.error("blocks", "leaves selection = \"depth\" nothing to cut");
  }
  m.epochs = static_cast<int>(
      reader.integer({"epochs", "epochs of a mask phase; only if masks are learned"},
                     at_least(1).up_to(1e6), m.epochs));
  m.tasks = static_cast<int>(
      reader.integer({"tasks", "first tasks of a node that choose masks; 0: as nested"},
                     at_least(0).up_to(1e6), m.tasks));
  m.refresh = static_cast<int>(reader.integer({"refresh", "then every so many tasks again; 0: not"},
                                              at_least(0).up_to(1e6), m.refresh));
  m.learning_rate =
      reader.number({"learning_rate", "learning rate of the masks; only if they are learned"},
                    above(0).up_to(1e3), m.learning_rate);
  m.lambda = reader.number({"lambda", "weight of the submodel's size in the loss; 0: gates / 16"},
                           at_least(0).up_to(1e9), m.lambda);
  m.weight_decay =
      reader.number({"weight_decay", "pull of the masks towards a half; only if they are learned"},
                    at_least(0).up_to(1e3), m.weight_decay);
  m.sampled = reader.choice({"draw", "a mask is the highest logits, or drawn by them"},
                            MaskOptions::draws, m.sampled);
  m.normal_logits = reader.choice({"logits", "masks begin at the rate, or at random"},
                                  MaskOptions::logits, m.normal_logits);
  reader.finish();
  return m;
}

TransferOptions read_transfer(base::TableReader reader, const TransferOptions& fallback) {
  TransferOptions t = fallback;
  t.weight = reader.number({"weight", "weight of the transfer in the loss; 0: no transfer"},
                           at_least(0).up_to(1e3), t.weight);
  t.temperature = reader.number({"temperature", "divides the scores before they are compared"},
                                above(0).up_to(1e3), t.temperature);
  t.from_version =
      reader.integer({"from_version", "first version of the global model with transfer"},
                     at_least(0).up_to(1e12), t.from_version);
  t.by_batch = reader.choice({"mean", "taken over batch and classes, or over the batch"},
                             TransferOptions::means, t.by_batch);
  t.detached =
      reader.flag({"detach_teacher", "an exit gets no gradient from those it teaches"}, t.detached);
  t.mutual = reader.choice({"teachers", "the deepest exit teaches the others, or each all others"},
                           TransferOptions::teacher_words, t.mutual);
  t.ramp = reader.integer(
      {"ramp", "versions over which the weight rises from exp(-5) of itself to all; 0: at once"},
      at_least(0).up_to(1e12), t.ramp);
  reader.finish();
  return t;
}

ElementOptions read_elements(base::TableReader reader) {
  ElementOptions e;
  e.kind = reader.choice({"kind", "what is learned of a weight"}, element_words, e.kind);
  e.learning_rate = reader.number({"learning_rate", "of the scores, by Adam"}, above(0).up_to(1e3),
                                  e.learning_rate);
  e.threshold = reader.flag({"threshold", "tested with p > 1/2"}, e.threshold);
  reader.finish();
  return e;
}

}  // namespace convoy::engine
