#pragma once

// Options of the workers of a federated schedule, and their keys in [schedule].

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "base/table_reader.hpp"
#include "engine/api/compression.hpp"
#include "engine/api/options.hpp"
#include "sim/schedule/memory_class.hpp"
#include "sim/schedule/split_work.hpp"
#include "sim/task/graph.hpp"

namespace convoy::sim {

struct ClientPoolOptions {
  // Rate of the submodel by memory class; nothing: all train the full model.
  std::optional<ByMemoryClass<double>> rates;
  engine::LearningRules learning;
  engine::CompressionPlans compression;  // of updates, and of the models sent to nodes
  double proximal = 0;                   // mu of each task; 0: the training's
  // With static norms: the server recomputes the batch norms' statistics after the first
  // aggregation and then after every so many.
  int statistics_every = 1;
  engine::Statistics statistics;
  // How a node's tasks are split between it and the server (split_update.hpp): membership is judged
  // by it, and tasks have it unless TaskChanges has another. Empty: they are not split.
  std::function<SplitWork(NodeId)> split;
  bool skip_unfit = true;  // leave out nodes whose memory does not hold their task; else an error
  static constexpr base::Words<bool> unfit_words = {{true, "skip"}, {false, "error"}};
  WhenFull when_full = WhenFull::wait;  // of split tasks
};

// Reads rates, mask, transfer, compression, unfit and aggregation. `rates`, `transfer`, `mask` and
// `rule` are the defaults.
ClientPoolOptions read_client_pool(base::TableReader& reader, std::map<int, double> rates,
                                   const engine::TransferOptions& transfer,
                                   const engine::MaskOptions& mask = {},
                                   const std::string& rule = "coverage");

// The same without rates and mask, where all nodes train the full model. Knowledge transfer is off
// by default.
ClientPoolOptions read_client_pool_whole(base::TableReader& reader,
                                         const std::string& rule = "coverage");

// The same without rates and mask, for weights that are learned element by element; aggregation
// only for pruned ones. What they cannot be had with is refused where the pool is made.
ClientPoolOptions read_client_pool_by_elements(base::TableReader& reader,
                                               engine::ElementKind elements);

}  // namespace convoy::sim
