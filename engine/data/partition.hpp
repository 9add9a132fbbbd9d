#pragma once

// Dividing a labelled data set among the nodes. Pure: labels in, indices out.

#include <cstdint>
#include <span>
#include <vector>

#include "base/table_reader.hpp"

namespace convoy::engine {

enum class PartitionKind {
  iid,        // equal sizes, shuffled
  dirichlet,  // per class the shares of the nodes are drawn from Dirichlet(alpha) (Hsu et al. 2019)
  shards,     // sorted by label, cut into nodes x shards pieces, dealt out (McMahan et al. 2017)
  sizes,      // iid, but unequal: the sizes are drawn from Dirichlet(alpha)
};
inline constexpr base::Words<PartitionKind> partition_words = {
    {PartitionKind::iid, "iid"},
    {PartitionKind::dirichlet, "dirichlet"},
    {PartitionKind::shards, "shards"},
    {PartitionKind::sizes, "sizes"}};

struct PartitionOptions {
  PartitionKind kind = PartitionKind::iid;
  double alpha = 1.0;  // dirichlet, sizes; > 0
  int shards = 2;      // a node
  // dirichlet, sizes: samples that each node has at least, as far as there are so many. Shares are
  // drawn anew until it holds; where it does not within redraws, of the draw that came nearest the
  // nodes that lack some are given samples of those that have most.
  std::int64_t least = 1;
};

PartitionOptions read_partition(base::TableReader reader);

constexpr int redraws = 10;

// What had to be done for PartitionOptions::least.
struct PartitionReport {
  int draws = 1;           // of the shares
  int short_nodes = 0;     // that lacked some in the draw that was taken,
  std::int64_t moved = 0;  // and what they were given
};

// For each node the indices of its samples, rising. Every sample goes to exactly one node; with
// fewer samples than nodes, or least = 0, some stay without any. `labels` are in [0, classes).
std::vector<std::vector<std::int64_t>> partition(std::span<const int> labels, int classes,
                                                 int nodes, const PartitionOptions& options,
                                                 std::uint64_t seed,
                                                 PartitionReport* report = nullptr);

// How many of so many samples each node gets, where the samples themselves are not at hand: their
// classes are taken to be equally frequent. The sizes of partition()'s parts.
std::vector<std::int64_t> partition_sizes(std::size_t samples, int classes, int nodes,
                                          const PartitionOptions& options, std::uint64_t seed);

}  // namespace convoy::engine
