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
  o.learning_rate = reader.number({"learning_rate", "step size"}, above(0).up_to(1e3),
                                  sgd ? o.learning_rate : 1e-3);
  o.weight_decay = reader.number(
      {"weight_decay", "decay of the weights; sgd: added to the gradient, others: decoupled"},
      at_least(0).up_to(1e3), o.weight_decay);
  if (sgd) {
    o.momentum = reader.number({"momentum", "share of the last step that is added to the next"},
                               at_least(0).below(1), o.momentum);
    o.nesterov = reader.flag({"nesterov", "Nesterov momentum; needs momentum above 0"}, false);
    if (o.nesterov && o.momentum == 0) reader.error("nesterov", "needs a momentum above 0");
  } else {
    if (o.kind == OptimizerKind::adamw) o.betas = {0.9, 0.999};
    if (o.kind == OptimizerKind::adan) o.betas = {0.98, 0.92, 0.99};
    const std::size_t wanted = o.betas.size();
    o.betas =
        reader.numbers({"betas", "decay factors of the running means: 2 for adamw, 3 for adan"},
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
  rate.warmup = reader.integer({"warmup", "versions of a linear rise at the start"},
                               at_least(0).up_to(1e9), 0);
  if (rate.kind == Kind::step) {
    rate.every =
        reader.integer({"every", "versions between two reductions"}, at_least(1).up_to(1e9), 10);
  }
  if (rate.kind == Kind::step || rate.kind == Kind::exponential) {
    rate.factor = reader.number(
        {"factor", "factor on the learning rate per reduction (step) or per version (exponential)"},
        above(0).up_to(1), rate.kind == Kind::step ? 0.1 : 0.99);
  }
  if (rate.kind == Kind::cosine) {
    rate.over = reader.integer({"over", "versions in which the factor falls from 1 to the floor"},
                               at_least(1).up_to(1e9), 100);
    rate.floor =
        reader.number({"floor", "final factor on the learning rate"}, at_least(0).up_to(1), 0);
  }
  reader.finish();
  return rate;
}

}  // namespace

TrainingOptions read_training(base::TableReader& reader) {
  TrainingOptions t;
  t.optimizer = read_optimizer(reader.table({"optimizer", "how a node trains"}));
  t.rate_schedule = read_rate(
      reader.table({"rate_schedule", "learning rate by the version that a task starts from"}));
  t.keep_optimizer =
      reader.choice({"optimizer_state",
                     "each task begins with a new optimizer, or continues the node's last one"},
                    TrainingOptions::optimizer_states, t.keep_optimizer);
  t.proximal = reader.number({"proximal", "mu of FedProx: mu/2 x |w - received|^2 in the loss"},
                             at_least(0).up_to(1e6), 0);
  t.clip = reader.number({"clip", "upper limit of a gradient's norm; 0: no limit"},
                         at_least(0).up_to(1e9), 0);
  return t;
}

MaskOptions read_mask(base::TableReader reader, const MaskOptions& fallback) {
  MaskOptions m = fallback;
  m.selection = reader.choice({"selection", "how a node chooses the members that it keeps"},
                              selection_words, m.selection);
  const bool shallow = m.selection == Selection::depth;
  m.all_blocks = reader.choice({"blocks", "blocks of a submodel: as its rate says, or all"},
                               MaskOptions::block_words, m.all_blocks && !shallow);
  if (m.all_blocks && shallow) {
    reader.error("blocks", "leaves selection = \"depth\" nothing to cut");
  }
  const bool scores = m.selection == Selection::importance;
  m.epochs = static_cast<int>(
      reader.integer({"epochs", "epochs of a mask phase (learned masks; importance: 1)"},
                     at_least(1).up_to(1e6), scores ? 1 : m.epochs));
  if (const auto steps = reader.maybe_integer(
          {"steps", "batches of a mask phase, instead of epochs (importance only)"},
          at_least(1).up_to(1e9))) {
    m.steps = static_cast<int>(*steps);
    if (scores && reader.has("epochs")) reader.error("steps", "give either epochs or steps");
  }
  m.hysteresis = reader.number(
      {"hysteresis", "share by which a member that the node has counts for more (importance only)"},
      at_least(0).up_to(1e6), m.hysteresis);
  m.tasks = static_cast<int>(
      reader.integer({"tasks", "first tasks of a node that choose masks; 0: masks as nested"},
                     at_least(0).up_to(1e6), m.tasks));
  m.refresh = static_cast<int>(
      reader.integer({"refresh", "afterwards masks are chosen again every n tasks; 0: never"},
                     at_least(0).up_to(1e6), m.refresh));
  m.learning_rate =
      reader.number({"learning_rate", "learning rate of the masks (learned masks only)"},
                    above(0).up_to(1e3), m.learning_rate);
  m.lambda = reader.number({"lambda", "weight of the submodel's size in the loss; 0: gates / 16"},
                           at_least(0).up_to(1e9), m.lambda);
  m.weight_decay =
      reader.number({"weight_decay", "weight decay of the masks' logits (learned masks only)"},
                    at_least(0).up_to(1e3), m.weight_decay);
  m.sampled = reader.choice({"draw", "a mask keeps the highest logits, or is drawn by them"},
                            MaskOptions::draws, m.sampled);
  m.normal_logits = reader.choice({"logits", "initial logits: by the rate, or random"},
                                  MaskOptions::logits, m.normal_logits);
  reader.finish();
  return m;
}

TransferOptions read_transfer(base::TableReader reader, const TransferOptions& fallback) {
  TransferOptions t = fallback;
  t.weight = reader.number({"weight", "weight of the transfer in the loss; 0: no transfer"},
                           at_least(0).up_to(1e3), t.weight);
  t.temperature = reader.number({"temperature", "divisor of the scores before they are compared"},
                                above(0).up_to(1e3), t.temperature);
  t.from_version =
      reader.integer({"from_version", "first version of the global model with transfer"},
                     at_least(0).up_to(1e12), t.from_version);
  t.by_batch = reader.choice({"mean", "mean over batch and classes, or over the batch only"},
                             TransferOptions::means, t.by_batch);
  t.detached = reader.flag(
      {"detach_teacher", "an exit gets no gradient from the exits that it teaches"}, t.detached);
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
