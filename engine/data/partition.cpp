#include "engine/data/partition.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <queue>

#include "base/random.hpp"
#include "engine/data/subset.hpp"

namespace convoy::engine {
namespace {

using Indices = std::vector<std::int64_t>;

// Cuts `count` into consecutive pieces in proportion to the shares, as closely as integers allow;
// gives the end of each piece.
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

// Appends to each node its piece of the indices.
void deal(const Indices& indices, const std::vector<std::size_t>& ends,
          std::vector<Indices>& nodes) {
  std::size_t from = 0;
  for (std::size_t node = 0; node < ends.size(); ++node) {
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
  } else {  // with a tiny alpha all draws may be 0: one node gets all
    shares[random.below(n)] = 1.0;
  }
  return shares;
}

// Number of samples missing at all nodes, and of nodes below the minimum.
struct Lack {
  std::int64_t samples = 0;
  int nodes = 0;
};

// Draws how each class is divided; sizes[c]: number of members of class c.
class Draws {
 public:
  using Ends = std::vector<std::vector<std::size_t>>;  // [class][node]

  Draws(std::vector<std::size_t> sizes, std::size_t nodes, double alpha, std::int64_t least)
      : sizes_(std::move(sizes)), nodes_(nodes), alpha_(alpha), least_(least) {}

  // The first draw that gives each node enough samples, or the best draw.
  Ends best(base::Random& random, PartitionReport& report) const {
    Ends best = draw(random);
    Lack fewest = lack(best);
    for (report.draws = 1; fewest.samples > 0 && report.draws < redraws; ++report.draws) {
      Ends next = draw(random);
      const Lack lacking = lack(next);
      if (lacking.samples >= fewest.samples) continue;
      fewest = lacking;
      best = std::move(next);
    }
    report.short_nodes = fewest.nodes;
    return best;
  }

 private:
  [[nodiscard]] Ends draw(base::Random& random) const {
    Ends ends;
    for (const std::size_t size : sizes_)
      ends.push_back(cuts(size, dirichlet(alpha_, nodes_, random)));
    return ends;
  }

  [[nodiscard]] Lack lack(const Ends& ends) const {
    std::vector<std::int64_t> has(nodes_, 0);
    for (const auto& of_class : ends) {
      std::size_t from = 0;
      for (std::size_t node = 0; node < nodes_; ++node) {
        has[node] += static_cast<std::int64_t>(of_class[node] - from);
        from = of_class[node];
      }
    }
    Lack all;
    for (const std::int64_t n : has) {
      all.samples += std::max<std::int64_t>(least_ - n, 0);
      all.nodes += n < least_ ? 1 : 0;
    }
    return all;
  }

  std::vector<std::size_t> sizes_;
  std::size_t nodes_;
  double alpha_;
  std::int64_t least_;
};

// Gives each node below `least` samples from the nodes with the most, chosen at random. Needs
// `least` times the nodes to be at most the number of samples.
std::int64_t top_up(std::vector<Indices>& parts, std::size_t least, base::Random& random) {
  std::vector<std::size_t> receivers;
  std::priority_queue<std::pair<std::size_t, std::size_t>> givers;  // number of samples, node
  for (std::size_t p = 0; p < parts.size(); ++p) {
    if (parts[p].size() < least) receivers.push_back(p);
    if (parts[p].size() > least) givers.emplace(parts[p].size(), p);
  }
  std::int64_t moved = 0;
  for (const std::size_t receiver : receivers) {
    while (parts[receiver].size() < least) {
      Indices& giver = parts[givers.top().second];
      const std::size_t which = givers.top().second;
      givers.pop();
      std::swap(giver[random.below(giver.size())], giver.back());
      parts[receiver].push_back(giver.back());
      giver.pop_back();
      ++moved;
      if (giver.size() > least) givers.emplace(giver.size(), which);
    }
  }
  return moved;
}

// Cuts samples sorted by label into pieces and gives `shards` random pieces to each part.
void deal_shards(Indices all, std::span<const int> labels, std::size_t shards,
                 std::vector<Indices>& parts, base::Random& random) {
  std::stable_sort(all.begin(), all.end(), [&](std::int64_t a, std::int64_t b) {
    return labels[static_cast<std::size_t>(a)] < labels[static_cast<std::size_t>(b)];
  });
  const std::size_t pieces = parts.size() * shards;
  Indices order(pieces);
  std::iota(order.begin(), order.end(), 0);
  shuffle(order, random);
  for (std::size_t p = 0; p < pieces; ++p) {
    const auto shard = static_cast<std::size_t>(order[p]);
    for (std::size_t i = shard * all.size() / pieces; i < (shard + 1) * all.size() / pieces; ++i) {
      parts[p % parts.size()].push_back(all[i]);
    }
  }
}

// Puts each part into rising order in linear time. `samples`: number of all samples.
void put_in_order(std::vector<Indices>& parts, std::size_t samples) {
  std::vector<std::int32_t> owner(samples, -1);
  for (std::size_t p = 0; p < parts.size(); ++p) {
    for (const std::int64_t i : parts[p]) owner[static_cast<std::size_t>(i)] = static_cast<int>(p);
    parts[p].clear();
  }
  for (std::size_t i = 0; i < owner.size(); ++i) {
    if (owner[i] >= 0) {
      parts[static_cast<std::size_t>(owner[i])].push_back(static_cast<std::int64_t>(i));
    }
  }
}

}  // namespace

PartitionOptions read_partition(base::TableReader reader) {
  PartitionOptions options;
  options.kind = reader.choice({"kind",
                                "iid: equal parts; dirichlet: drawn shares of each class; shards: "
                                "pieces sorted by class; sizes: "
                                "unequal sizes"},
                               partition_words, options.kind);
  if (options.kind == PartitionKind::dirichlet || options.kind == PartitionKind::sizes) {
    options.alpha = reader.number({"alpha", "concentration of the drawn shares; small: unequal"},
                                  base::above(0).up_to(1e6), options.alpha);
    options.least = reader.integer(
        {"least", "minimum of samples per node; shares are drawn again, then samples moved"},
        base::at_least(0).up_to(1e9), options.least);
  }
  if (options.kind == PartitionKind::shards) {
    options.shards = static_cast<int>(
        reader.integer({"shards", "pieces per node"}, base::at_least(1).up_to(1e4), 2));
  }
  reader.finish();
  return options;
}

std::vector<std::vector<std::int64_t>> partition(std::span<const int> labels, int classes,
                                                 int nodes, const PartitionOptions& options,
                                                 std::uint64_t seed, PartitionReport* report) {
  constexpr std::uint64_t purpose = 0x706172746974ULL;  // a stream of its own
  base::Random random({seed, purpose});
  const auto n = static_cast<std::size_t>(nodes);
  std::vector<Indices> parts(n);
  Indices all(labels.size());
  std::iota(all.begin(), all.end(), 0);
  shuffle(all, random);
  PartitionReport done;
  const auto least = std::min(options.least, static_cast<std::int64_t>(all.size() / n));
  const auto deal_drawn = [&](const std::vector<Indices>& groups) {
    std::vector<std::size_t> sizes;
    sizes.reserve(groups.size());
    for (const Indices& group : groups) sizes.push_back(group.size());
    const Draws::Ends ends = Draws(sizes, n, options.alpha, least).best(random, done);
    for (std::size_t g = 0; g < groups.size(); ++g) deal(groups[g], ends[g], parts);
    if (done.short_nodes > 0) done.moved = top_up(parts, static_cast<std::size_t>(least), random);
  };
  switch (options.kind) {
    case PartitionKind::iid:
      deal(all, cuts(all.size(), std::vector<double>(n, 1.0 / nodes)), parts);
      break;
    case PartitionKind::sizes:
      deal_drawn({all});
      break;
    case PartitionKind::dirichlet: {
      std::vector<Indices> by_class(static_cast<std::size_t>(classes));
      for (const std::int64_t i : all) {
        by_class[static_cast<std::size_t>(labels[static_cast<std::size_t>(i)])].push_back(i);
      }
      deal_drawn(by_class);
      break;
    }
    case PartitionKind::shards:
      deal_shards(std::move(all), labels, static_cast<std::size_t>(options.shards), parts, random);
      break;
  }
  if (report != nullptr) *report = done;
  put_in_order(parts, labels.size());
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
