#include "engine/data/partition.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/random.hpp"
#include "engine/data/subset.hpp"

namespace convoy::engine {
namespace {

using Indices = std::vector<std::int64_t>;

// Cuts `count` into consecutive pieces whose sizes follow the shares as closely as whole numbers
// can: where each ends.
std::vector<std::size_t> cuts(std::size_t count, const std::vector<double>& shares) {
  std::vector<std::size_t> ends;
  double sum = 0;
  for (std::size_t node = 0; node < shares.size(); ++node) {
    sum += shares[node];
    const auto to = node + 1 == shares.size()
                        ? count
                        : static_cast<std::size_t>(std::llround(sum * static_cast<double>(count)));
    ends.push_back(std::max(to, ends.empty() ? 0 : ends.back()));
  }
  return ends;
}

void deal(const Indices& indices, const std::vector<double>& shares, std::vector<Indices>& nodes) {
  std::size_t from = 0;
  const std::vector<std::size_t> ends = cuts(indices.size(), shares);
  for (std::size_t node = 0; node < shares.size(); ++node) {
    nodes[node].insert(nodes[node].end(), indices.begin() + static_cast<std::ptrdiff_t>(from),
                       indices.begin() + static_cast<std::ptrdiff_t>(ends[node]));
    from = ends[node];
  }
}

std::vector<double> dirichlet(double alpha, std::size_t n, base::Random& random) {
  std::vector<double> shares(n);
  double sum = 0;
  for (double& s : shares) sum += s = random.gamma(alpha);
  if (sum > 0) {
    for (double& s : shares) s /= sum;
  } else {  // a tiny alpha may leave nothing but zeros: all of it to one node
    shares[random.below(n)] = 1.0;
  }
  return shares;
}

}  // namespace

PartitionOptions read_partition(base::TableReader reader) {
  static const std::vector<std::string> kinds = {"iid", "dirichlet", "shards", "sizes"};
  PartitionOptions options;
  options.kind = static_cast<PartitionKind>(reader.choice(
      {"kind", "equal parts, shares of each class drawn, pieces sorted by class, unequal sizes"},
      kinds, 0));
  if (options.kind == PartitionKind::dirichlet || options.kind == PartitionKind::sizes) {
    options.alpha = reader.number({"alpha", "how equal the drawn shares are; small: unequal"},
                                  base::above(0).up_to(1e6), options.alpha);
  }
  if (options.kind == PartitionKind::shards) {
    options.shards = static_cast<int>(
        reader.integer({"shards", "pieces that each node gets"}, base::at_least(1).up_to(1e4), 2));
  }
  reader.finish();
  return options;
}

std::vector<std::vector<std::int64_t>> partition(std::span<const int> labels, int classes,
                                                 int nodes, const PartitionOptions& options,
                                                 std::uint64_t seed) {
  constexpr std::uint64_t purpose = 0x706172746974ULL;  // a stream of its own
  base::Random random({seed, purpose});
  const auto n = static_cast<std::size_t>(nodes);
  std::vector<Indices> parts(n);
  Indices all(labels.size());
  std::iota(all.begin(), all.end(), 0);
  shuffle(all, random);
  switch (options.kind) {
    case PartitionKind::iid:
      deal(all, std::vector<double>(n, 1.0 / nodes), parts);
      break;
    case PartitionKind::sizes:
      deal(all, dirichlet(options.alpha, n, random), parts);
      break;
    case PartitionKind::dirichlet: {
      std::vector<Indices> by_class(static_cast<std::size_t>(classes));
      for (const std::int64_t i : all) {
        by_class[static_cast<std::size_t>(labels[static_cast<std::size_t>(i)])].push_back(i);
      }
      for (const Indices& members : by_class) {
        deal(members, dirichlet(options.alpha, n, random), parts);
      }
      break;
    }
    case PartitionKind::shards: {
      std::stable_sort(all.begin(), all.end(), [&](std::int64_t a, std::int64_t b) {
        return labels[static_cast<std::size_t>(a)] < labels[static_cast<std::size_t>(b)];
      });
      const std::size_t pieces = n * static_cast<std::size_t>(options.shards);
      Indices order(pieces);
      std::iota(order.begin(), order.end(), 0);
      shuffle(order, random);
      for (std::size_t p = 0; p < pieces; ++p) {
        const auto shard = static_cast<std::size_t>(order[p]);
        for (std::size_t i = shard * all.size() / pieces; i < (shard + 1) * all.size() / pieces;
             ++i) {
          parts[p % n].push_back(all[i]);
        }
      }
      break;
    }
  }
  // Each part in rising order, without sorting.
  std::vector<std::int32_t> owner(labels.size(), -1);
  for (std::size_t p = 0; p < parts.size(); ++p) {
    for (const std::int64_t i : parts[p]) owner[static_cast<std::size_t>(i)] = static_cast<int>(p);
    parts[p].clear();
  }
  for (std::size_t i = 0; i < owner.size(); ++i) {
    if (owner[i] >= 0) {
      parts[static_cast<std::size_t>(owner[i])].push_back(static_cast<std::int64_t>(i));
    }
  }
  return parts;
}

std::vector<std::int64_t> partition_sizes(std::size_t samples, int classes, int nodes,
                                          const PartitionOptions& options, std::uint64_t seed) {
  std::vector<std::int64_t> sizes;
  if (options.kind == PartitionKind::iid) {
    std::size_t from = 0;
    const auto n = static_cast<std::size_t>(nodes);
    for (const std::size_t end : cuts(samples, std::vector<double>(n, 1.0 / nodes))) {
      sizes.push_back(static_cast<std::int64_t>(end - from));
      from = end;
    }
    return sizes;
  }
  std::vector<int> labels(samples);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    labels[i] = static_cast<int>(i % static_cast<std::size_t>(classes));
  }
  for (const Indices& part : partition(labels, classes, nodes, options, seed)) {
    sizes.push_back(static_cast<std::int64_t>(part.size()));
  }
  return sizes;
}

}  // namespace convoy::engine
