#pragma once

// Training options, from [training] and [schedule] of a scenario. No LibTorch here.

#include <cstdint>
#include <vector>

#include "base/table_reader.hpp"
#include "engine/model/costs.hpp"
#include "engine/model/elements.hpp"
#include "engine/rules/rule.hpp"

namespace convoy::engine {

enum class OptimizerKind { sgd, adamw, adan };
inline constexpr base::Words<OptimizerKind> optimizer_kind_words = {
    {OptimizerKind::sgd, "sgd"}, {OptimizerKind::adamw, "adamw"}, {OptimizerKind::adan, "adan"}};

struct OptimizerOptions {
  OptimizerKind kind = OptimizerKind::sgd;
  double learning_rate = 0.05;
  double momentum = 0;      // sgd; [0, 1)
  bool nesterov = false;    // sgd
  double weight_decay = 0;  // sgd: added to the gradient; adamw, adan: decoupled
  // adamw: 2 decay factors of the running means [.9, .999]; adan: 3 [.98, .92, .99]
  std::vector<double> betas;
  double epsilon = 1e-8;  // adamw, adan

  [[nodiscard]] Optimizer cost() const;  // the kind, for the cost model
};

// The learning rate over the run: a factor that depends on the version from which a task starts.
struct RateSchedule {
  enum class Kind { constant, step, cosine, exponential };
  static constexpr base::Words<Kind> words = {{Kind::constant, "constant"},
                                              {Kind::step, "step"},
                                              {Kind::cosine, "cosine"},
                                              {Kind::exponential, "exponential"}};
  Kind kind = Kind::constant;
  std::int64_t every = 10;  // step: versions between two reductions
  double factor = 0.1;      // step: per reduction; exponential: per version
  std::int64_t over = 100;  // cosine: versions to fall from 1 to `floor`
  double floor = 0;         // cosine
  std::int64_t warmup = 0;  // versions of a linear rise from 1/(warmup+1), before all of these

  [[nodiscard]] double at(std::int64_t version) const;
};

// Options of a node's training.
struct TrainingOptions {
  static constexpr base::Words<bool> optimizer_states = {{false, "fresh"}, {true, "kept"}};
  OptimizerOptions optimizer;
  RateSchedule rate_schedule;
  bool keep_optimizer = false;  // keep the state between the node's tasks; else start anew
  double proximal = 0;          // mu: mu/2 x |w - received|^2 is added to the loss (FedProx)
  double clip = 0;              // upper limit of the gradient's norm; 0: no limit
};

// How to choose the members of prunable groups that a node keeps.
enum class Selection {
  learned,     // gates trained on the node's own data (Co-S2P)
  importance,  // largest first-order effect on the loss over the node's own data
  random,      // drawn once for a node
  magnitude,   // largest L1 norm of their rows in the received weights
  nested,      // the first ones
  depth,       // all of them: the rate cuts only the depth, not the width
  rolling,     // a window that moves by one with each version (FedRolex; engine/model/windows.hpp)
  staggered,   // a fixed window for each node (RAM-Fed)
};
inline constexpr base::Words<Selection> selection_words = {
    {Selection::learned, "learned"}, {Selection::importance, "importance"},
    {Selection::random, "random"},   {Selection::magnitude, "magnitude"},
    {Selection::nested, "nested"},   {Selection::depth, "depth"},
    {Selection::rolling, "rolling"}, {Selection::staggered, "staggered"}};

// Chosen at full width on the node's own data: a phase before the weights that takes time.
inline bool has_phase(Selection selection) {
  return selection == Selection::learned || selection == Selection::importance;
}

// A window's first member is known beforehand; so `tasks`, `refresh` and the other mask keys have
// no effect.
inline bool is_window(Selection selection) {
  return selection == Selection::rolling || selection == Selection::staggered;
}

struct MaskOptions {
  static constexpr base::Words<bool> draws = {{false, "top"}, {true, "sampled"}};
  static constexpr base::Words<bool> block_words = {{false, "rate"}, {true, "all"}};
  static constexpr base::Words<bool> logits = {{false, "rate"}, {true, "normal"}};
  Selection selection = Selection::learned;
  bool all_blocks = false;   // the rate cuts only the width; else also the depth (Co-S2P)
  int epochs = 6;            // of a mask phase (learned; Co-S2P's code: 20; importance: 1)
  std::optional<int> steps;  // importance: batches of a phase, instead of epochs
  // importance: a member that the node has counts for this share more, so that few change.
  double hysteresis = 0;
  int tasks = 2;    // first tasks of a node that choose masks; 0: as `nested`
  int refresh = 3;  // afterwards masks are chosen every n tasks; 0: never (Co-S2P's code)
  double learning_rate = 0.05;  // of the logits, by Adan (Co-S2P's code: the weights' rate)
  // Factor of the rate term in the loss; 0: gates / 16, large enough against the cross entropy
  // (Co-S2P's code: 1).
  double lambda = 0;
  double weight_decay = 0;     // of the logits (Co-S2P's code: the weights' decay)
  bool sampled = false;        // draw the final mask; else take the highest logits: exact sizes
  bool normal_logits = false;  // start logits at N(0, 2/n) (Co-S2P's code); else at logit(rate)
};

// Knowledge transfer between the exits: the deepest one teaches the others (Co-S2P, arXiv
// 2410.08457 and its code), or each one all others (DepthFL's mutual self-distillation).
// engine/learning/loss.hpp has the formulas.
struct TransferOptions {
  static constexpr base::Words<bool> means = {{false, "elements"}, {true, "batch"}};
  static constexpr base::Words<bool> teacher_words = {{false, "deepest"}, {true, "all"}};
  bool mutual = false;  // all exits teach
  double weight = 0.5;  // of the divergence; 0: no transfer
  double temperature = 3;
  std::int64_t from_version = 10;  // first version with transfer
  bool by_batch = false;           // mean over the batch; else over batch and classes (the code)
  bool detached = false;           // the teacher gets no gradient (the code: it does)
  // Versions over which the weight rises: n versions after the first with transfer it is
  // weight x exp(-5 (1 - min(n, ramp) / ramp)^2). 0: all of it from the first on.
  std::int64_t ramp = 0;

  // The weight for a task that starts from this version.
  [[nodiscard]] double weight_at(std::int64_t version) const;
};

// Labels that a node has none of among its training samples (HeteroFL).
struct LabelOptions {
  bool masked = false;  // their scores are 0 in the node's training and in its own test
  bool told = false;    // an update says which labels its node has (rules: Needs::labels)
};

// Learning element by element (engine/model/elements.hpp); a kind of schedule asks for it.
struct ElementOptions {
  ElementKind kind = ElementKind::all;
  // sampled:
  double learning_rate = 0.1;  // of the scores, by Adam
  bool threshold = false;      // a version is tested with p > 1/2; else with one sample of it
};

struct LearningRules {
  MaskOptions mask;
  TransferOptions transfer;
  AggregationOptions aggregation;
  ElementOptions elements;
  LabelOptions labels;
  // What the layers of a submodel of rate r < 1 give that follow a group is divided by r, in
  // training only (HeteroFL's scaler).
  bool scaled = false;
  // Batch norms leave their running statistics alone in training (HeteroFL); see Statistics in
  // work.hpp.
  bool static_norms = false;
  // A prediction is the mean of all exits' scores (DepthFL); else those of the deepest exit.
  bool ensemble = false;
  // Each node keeps layers of its own, which nobody aggregates (TaskBrief::own_before): there are
  // as many models as nodes that have worked.
  bool own_layers = false;
};

// Reads these keys of [training]: optimizer, rate_schedule, optimizer_state, proximal, clip.
TrainingOptions read_training(base::TableReader& reader);
// Reads [schedule.mask] and [schedule.transfer].
MaskOptions read_mask(base::TableReader reader, const MaskOptions& fallback = {});
TransferOptions read_transfer(base::TableReader reader, const TransferOptions& fallback);
// Reads what a node is told of it (engine/api/setup.hpp).
ElementOptions read_elements(base::TableReader reader);

}  // namespace convoy::engine
