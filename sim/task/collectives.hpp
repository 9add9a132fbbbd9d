#pragma once

// Collectives as graphs of transfers: what a group of roles sends each other so that all have the
// sum of what each has (all-reduce), each has a part of the sum (reduce-scatter), all have what
// each has a part of (all-gather), or all have what one has (broadcast).
//
//   const Collective sum = all_reduce(graph, {gradients_of_1, gradients_of_2, gradients_of_3}, {});
//   graph.compute({.label = "step", .at = 2, ...}, sum.arrived[1], ...);
//
// A participant is an artifact, at its place; all are of the same size S and at different roles.
// Whole bytes are divided into as many chunks as there are participants, n, which differ by a byte
// at most and sum exactly. With links of bandwidth w in each direction and the latency a of a
// message, equal at all, and nothing else under way (chunks of S / n bytes), it takes
//
//                  ring                            tree (binomial), k = ceil(log2 n)
//   all-reduce     2 (n-1) (S/n/w + a)             2 k (S/w + a)
//   reduce-scatter   (n-1) (S/n/w + a)             k (S/w + a) + scatter
//   all-gather       (n-1) (S/n/w + a)             gather + k (S/w + a)
//   broadcast      2 (n-1) (S/n/w + a)             k (S/w + a)
//
// with n a power of 2 for gather and scatter: (n-1) S/n/w + k a. (Patarasuk and Yuan 2009: the ring
// moves the fewest bytes; Thakur, Rabenseifner and Gropp 2005: trees send the fewest messages.) A
// ring's broadcast goes along the chain, chunk behind chunk.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "sim/task/graph.hpp"

namespace convoy::sim {

enum class CollectiveShape : std::uint8_t { ring, tree };

// What a participant adds up.
struct CollectiveAdd {
  int participant = 0;
  int role = 0;
  int chunk = 0;  // of the sum, of so many; a tree's has one
  int chunks = 1;
  double bytes = 0;  // of the chunk
  // Adds what the participant itself began with; not if it has done so (in a tree, where it gets
  // what is to be added several times).
  bool own = true;
};

struct CollectiveOptions {
  CollectiveShape shape = CollectiveShape::ring;
  std::string label = "all-reduce";  // of the transfers
  int priority = 0;                  // of all its activities
  // Computes that add what has come, between the transfers of all-reduce and reduce-scatter, for
  // so many s (empty: 0). In: what has come, then the sum so far (in a tree, from the second one
  // on); they come behind what the participant began with. Out: what is sent on. Without: what has
  // come is sent on when the participant is there, too.
  bool adds = false;
  std::string add_label = "add";
  std::function<double(const CollectiveAdd&)> add_s;
  std::function<engine::Work(const CollectiveAdd&)> add;
};

struct Collective {
  // By participant: artifacts at its place, in the order in which they come. When all are there,
  // the participant is done. Of a ring's all-reduce, the last of the first n-1 and all behind it
  // are the n chunks of the sum. (Where no works add, the first n-1 are copies of what the
  // participants i-1, i-2, ... began with, modulo n.)
  std::vector<std::vector<int>> arrived;
};

// The chunk that a participant sends first, in a ring's all-reduce and reduce-scatter.
constexpr int first_chunk_of(int participant, int n) { return (participant + n - 1) % n; }

// One participant: nothing arrives. Throws std::invalid_argument for two participants at one role
// or sizes that differ.
Collective all_reduce(TaskGraph& graph, const std::vector<int>& participants,
                      const CollectiveOptions& options);
// Afterwards participant i has chunk i of the sum.
Collective reduce_scatter(TaskGraph& graph, const std::vector<int>& participants,
                          const CollectiveOptions& options);
// Participant i has chunk i of S bytes, the size of each artifact.
Collective all_gather(TaskGraph& graph, const std::vector<int>& participants,
                      const CollectiveOptions& options);
// From an artifact to other roles.
Collective broadcast(TaskGraph& graph, int artifact, const std::vector<int>& to,
                     const CollectiveOptions& options);

// The sizes of n chunks.
std::vector<double> chunks_of(double bytes, int n);

}  // namespace convoy::sim
