#pragma once

// Training options, from [training] and [schedule] of a scenario. No LibTorch here.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/table_reader.hpp"
#include "engine/model/costs.hpp"
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
  learned,    // gates trained on the node's own data (Co-S2P)
  random,     // drawn once for a node
  magnitude,  // largest L1 norm of their rows in the received weights
  nested,     // the first ones
  depth,      // all of them: the rate cuts only the depth, not the width
  rolling,    // a window that moves by one with each version (FedRolex; engine/model/windows.hpp)
  staggered,  // a fixed window for each node (RAM-Fed)
};
inline constexpr base::Words<Selection> selection_words = {
    {Selection::learned, "learned"},     {Selection::random, "random"},
    {Selection::magnitude, "magnitude"}, {Selection::nested, "nested"},
    {Selection::depth, "depth"},         {Selection::rolling, "rolling"},
    {Selection::staggered, "staggered"}};

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
  bool all_blocks = false;  // the rate cuts only the width; else also the depth (Co-S2P)
  int epochs = 6;           // learned: epochs of a mask phase (Co-S2P's code: 20)
  int tasks = 2;            // first tasks of a node that choose masks; 0: as `nested`
  int refresh = 3;          // afterwards masks are chosen every n tasks; 0: never (Co-S2P's code)
  double learning_rate = 0.05;  // of the logits, by Adan (Co-S2P's code: the weights' rate)
  // Factor of the rate term in the loss; 0: gates / 16, large enough against the cross entropy
  // (Co-S2P's code: 1).
  double lambda = 0;
  double weight_decay = 0;     // of the logits (Co-S2P's code: the weights' decay)
  bool sampled = false;        // draw the final mask; else take the highest logits: exact sizes
  bool normal_logits = false;  // start logits at N(0, 2/n) (Co-S2P's code); else at logit(rate)
};

// Cross-block knowledge transfer: the deepest exit teaches the others (arXiv 2410.08457 and its
// code).
struct TransferOptions {
  static constexpr base::Words<bool> means = {{false, "elements"}, {true, "batch"}};
  double weight = 0.5;  // of the divergence; 0: no transfer
  double temperature = 3;
  std::int64_t from_version = 10;  // first version with transfer
  bool by_batch = false;           // mean over the batch; else over batch and classes (the code)
  bool detached = false;           // the teacher gets no gradient (the code: it does)
};

struct LearningRules {
  MaskOptions mask;
  TransferOptions transfer;
  AggregationOptions aggregation;
};

// Reads these keys of [training]: optimizer, rate_schedule, optimizer_state, proximal, clip.
TrainingOptions read_training(base::TableReader& reader);
// Reads [schedule.mask] and [schedule.transfer].
MaskOptions read_mask(base::TableReader reader, const MaskOptions& fallback = {});
TransferOptions read_transfer(base::TableReader reader, const TransferOptions& fallback);

}  // namespace convoy::engine
