#pragma once

// Divides a labelled data set among the nodes. Input: labels; output: indices.

#include <cstdint>
#include <span>
#include <vector>

#include "base/table_reader.hpp"

namespace convoy::engine {

enum class PartitionKind {
  iid,        // shuffled, equal sizes
  dirichlet,  // each class is divided by shares drawn from Dirichlet(alpha) (Hsu et al. 2019)
  shards,     // sorted by label, cut into nodes x shards pieces, dealt out (McMahan et al. 2017)
  sizes,      // as iid, but sizes are drawn from Dirichlet(alpha)
};
inline constexpr base::Words<PartitionKind> partition_words = {
    {PartitionKind::iid, "iid"},
    {PartitionKind::dirichlet, "dirichlet"},
    {PartitionKind::shards, "shards"},
    {PartitionKind::sizes, "sizes"}};

struct PartitionOptions {
  PartitionKind kind = PartitionKind::iid;
  double alpha = 1.0;  // dirichlet, sizes; > 0
  int shards = 2;      // per node
  // dirichlet, sizes: minimum of samples per node, if there are enough. Shares are redrawn until it
  // holds; after `redraws` draws the best draw is taken, and nodes with the most samples give some
  // to those below the minimum.
  std::int64_t least = 1;
};

PartitionOptions read_partition(base::TableReader reader);

constexpr int redraws = 10;

// Effort needed for PartitionOptions::least.
struct PartitionReport {
  int draws = 1;           // number of draws of the shares
  int short_nodes = 0;     // nodes below the minimum in the final draw
  std::int64_t moved = 0;  // samples given to these nodes
};

// Indices of each node's samples, rising. Each sample goes to exactly one node; some nodes get none
// if samples are fewer than nodes or least = 0. `labels` are in [0, classes).
std::vector<std::vector<std::int64_t>> partition(std::span<const int> labels, int classes,
                                                 int nodes, const PartitionOptions& options,
                                                 std::uint64_t seed,
                                                 PartitionReport* report = nullptr);

// Sizes of partition()'s parts if the samples are not available: classes are assumed to be equally
// frequent.
std::vector<std::int64_t> partition_sizes(std::size_t samples, int classes, int nodes,
                                          const PartitionOptions& options, std::uint64_t seed);

}  // namespace convoy::engine
