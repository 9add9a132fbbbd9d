#include "sim/task/collectives.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

namespace convoy::sim {
namespace {

std::size_t at(int i) { return static_cast<std::size_t>(i); }

// A group while its transfers are added.
class Group {
 public:
  Group(TaskGraph& graph, std::vector<int> participants, const CollectiveOptions& options)
      : graph_(graph), options_(options), own_(std::move(participants)) {
    for (const int artifact : own_) roles_.push_back(graph_.artifacts()[at(artifact)].place);
    begin();
    const double bytes = own_.empty() ? 0 : bytes_of(own_.front());
    for (const int artifact : own_) {
      if (bytes_of(artifact) == bytes) continue;
      throw std::invalid_argument("a collective (" + options_.label +
                                  ") of artifacts of unlike sizes; give all the same");
    }
    chunks_ = chunks_of(bytes, size());
  }
  // From one to others.
  Group(TaskGraph& graph, int artifact, const std::vector<int>& to,
        const CollectiveOptions& options)
      : graph_(graph), options_(options), own_{artifact} {
    roles_.push_back(graph_.artifacts()[at(artifact)].place);
    roles_.insert(roles_.end(), to.begin(), to.end());
    own_.resize(roles_.size(), -1);
    begin();
    chunks_ = chunks_of(bytes_of(artifact), size());
  }

  [[nodiscard]] int size() const { return static_cast<int>(roles_.size()); }
  Collective take() { return {std::move(arrived_)}; }

  // --- rings ------------------------------------------------------------------------------------

  // In turn s everybody sends chunk i-s-1 to the next one: its own, then what has just come.
  void ring_reduce_scatter() {
    const int n = size();
    for (int s = 0; s + 1 < n; ++s) {
      std::vector<int> came(at(n));
      for (int i = 0; i < n; ++i) {
        const int next = (i + 1) % n;
        const double first = chunks_[at(first_chunk_of(i, n))];
        came[at(next)] =
            s == 0 ? send_part(i, own_[at(i)], first, next) : send(i, arrived_[at(i)].back(), next);
      }
      for (int i = 0; i < n; ++i) {
        const int chunk = ((i - s - 2) % n + n) % n;
        add(i, came[at(i)], {.chunk = chunk, .chunks = n});
      }
    }
  }

  // In turn s everybody sends chunk i-s to the next one. `summed`: the chunk that it begins with
  // is what has come last.
  void ring_all_gather(bool summed) {
    const int n = size();
    for (int s = 0; s + 1 < n; ++s) {
      std::vector<int> came(at(n));
      for (int i = 0; i < n; ++i) {
        const int next = (i + 1) % n;
        came[at(next)] = s == 0 && !summed ? send_part(i, own_[at(i)], chunks_[at(i)], next)
                                           : send(i, arrived_[at(i)].back(), next);
      }
      for (int i = 0; i < n; ++i) arrive(i, came[at(i)]);
    }
  }

  void chain() {
    for (const double chunk : chunks_) {
      if (size() < 2) return;
      for (int i = 0; i + 1 < size(); ++i) {
        const int sent =
            i == 0 ? send_part(0, own_[0], chunk, 1) : send(i, arrived_[at(i)].back(), i + 1);
        arrive(i + 1, sent);
      }
    }
  }

  // --- trees ------------------------------------------------------------------------------------
  // Participant 0 is the root. i + d, with d a power of 2 that divides i, is a child of i, with the
  // d participants from there on.

  void tree_reduce() {
    sums_ = options_.adds;
    for (int d = 1; d < size(); d *= 2) {
      for (int i = d; i < size(); i += 2 * d) add(i - d, send_all(i, whole(), i - d), {});
    }
  }

  void tree_gather() {
    for (int d = 1; d < size(); d *= 2) {
      for (int i = d; i < size(); i += 2 * d) {
        arrive(i - d, send_all(i, below(i, d), i - d));
      }
    }
  }

  // All, or the chunks of the child's participants.
  void tree_spread(bool all) {
    int d = 1;
    while (d < size()) d *= 2;
    for (d /= 2; d >= 1; d /= 2) {
      for (int i = 0; i + d < size(); i += 2 * d) {
        const double bytes = all ? whole() : below(i + d, d);
        arrive(i + d, send_all(i, bytes, i + d));
      }
    }
  }

 private:
  void begin() {
    std::vector<int> sorted = roles_;
    std::sort(sorted.begin(), sorted.end());
    if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end()) {
      throw std::invalid_argument("a collective (" + options_.label +
                                  ") with two participants at one role; give each its own");
    }
    arrived_.resize(roles_.size());
  }

  [[nodiscard]] double bytes_of(int artifact) const {
    return graph_.artifacts()[at(artifact)].bytes;
  }
  [[nodiscard]] double whole() const {
    double sum = 0;
    for (const double chunk : chunks_) sum += chunk;
    return sum;
  }
  // Bytes of the chunks of i and those behind it, d in all.
  [[nodiscard]] double below(int i, int d) const {
    double sum = 0;
    for (int k = i; k < std::min(i + d, size()); ++k) sum += chunks_[at(k)];
    return sum;
  }

  int send_part(int from, int artifact, double bytes, int to) {
    const int there =
        graph_.transfer_part(options_.label, artifact, bytes, roles_[at(to)], options_.priority);
    return after_own(from, artifact, there);
  }
  int send(int from, int artifact, int to) {
    const int there = graph_.transfer(options_.label, artifact, roles_[at(to)], options_.priority);
    return after_own(from, artifact, there);
  }
  // What came can only be sent on with what was there.
  int after_own(int from, int artifact, int there) {
    const int own = own_[at(from)];
    if (own >= 0 && own != artifact && graph_.producer(own) >= 0) {
      graph_.order(graph_.producer(own), graph_.producer(there));
    }
    return there;
  }

  // What a participant of a tree has, with all that has come so far.
  int send_all(int from, double bytes, int to) {
    const std::vector<int>& came = arrived_[at(from)];
    const bool forwards = own_[at(from)] < 0 || (sums_ && !came.empty());
    const int there = send_part(from, forwards ? came.back() : own_[at(from)], bytes, to);
    for (const int one : came) graph_.order(graph_.producer(one), graph_.producer(there));
    return there;
  }

  void arrive(int i, int came) { arrived_[at(i)].push_back(came); }

  // To what is there.
  void add(int i, int came, CollectiveAdd what) {
    std::vector<int>& all = arrived_[at(i)];
    if (!options_.adds) {
      all.push_back(came);
      return;
    }
    what.participant = i;
    what.role = roles_[at(i)];
    what.bytes = bytes_of(came);
    what.own = options_.shape == CollectiveShape::ring || all.empty();
    std::vector<int> inputs = {came};
    if (!what.own) inputs.push_back(all.back());
    Activity activity{.label = options_.add_label, .at = what.role};
    activity.priority = options_.priority;
    if (options_.add_s) activity.seconds = options_.add_s(what);
    if (options_.add) activity.work = options_.add(what);
    const int sum = graph_.compute(std::move(activity), std::move(inputs), {"sum", what.bytes});
    const int before = all.empty() ? own_[at(i)] : all.back();
    if (graph_.producer(before) >= 0) graph_.order(graph_.producer(before), graph_.producer(sum));
    all.push_back(sum);
  }

  TaskGraph& graph_;
  const CollectiveOptions& options_;
  std::vector<int> own_;    // by participant: what it begins with; -1: nothing
  std::vector<int> roles_;  // by participant
  std::vector<double> chunks_;
  std::vector<std::vector<int>> arrived_;
  bool sums_ = false;  // what a participant of a tree has is the last that arrived
};

}  // namespace

std::vector<double> chunks_of(double bytes, int n) {
  std::vector<double> chunks;
  double begin = 0;
  for (int i = 1; i <= n; ++i) {
    const double end = i == n ? bytes : std::floor(bytes * i / n);
    chunks.push_back(end - begin);
    begin = end;
  }
  return chunks;
}

Collective all_reduce(TaskGraph& graph, const std::vector<int>& participants,
                      const CollectiveOptions& options) {
  Group group(graph, participants, options);
  if (options.shape == CollectiveShape::ring) {
    group.ring_reduce_scatter();
    group.ring_all_gather(true);
  } else {
    group.tree_reduce();
    group.tree_spread(true);
  }
  return group.take();
}

Collective reduce_scatter(TaskGraph& graph, const std::vector<int>& participants,
                          const CollectiveOptions& options) {
  Group group(graph, participants, options);
  if (options.shape == CollectiveShape::ring) {
    group.ring_reduce_scatter();
  } else {
    group.tree_reduce();
    group.tree_spread(false);
  }
  return group.take();
}

Collective all_gather(TaskGraph& graph, const std::vector<int>& participants,
                      const CollectiveOptions& options) {
  Group group(graph, participants, options);
  if (options.shape == CollectiveShape::ring) {
    group.ring_all_gather(false);
  } else {
    group.tree_gather();
    group.tree_spread(true);
  }
  return group.take();
}

Collective broadcast(TaskGraph& graph, int artifact, const std::vector<int>& to,
                     const CollectiveOptions& options) {
  Group group(graph, artifact, to, options);
  if (options.shape == CollectiveShape::ring) {
    group.chain();
  } else {
    group.tree_spread(true);
  }
  return group.take();
}

}  // namespace convoy::sim
