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

struct CollectiveOptions {
  CollectiveShape shape = CollectiveShape::ring;
  std::string label = "all-reduce";  // of the transfers
  int priority = 0;                  // of all its activities
  // Computes that add what has come to what is there, between the transfers. Without: none, and
  // what is sent on is what came. Then it is known where each artifact comes from: see `arrived`.
  bool adds = false;
  std::string add_label = "add";
  std::function<double(int role, double bytes)> add_s;  // s; empty: 0
  engine::Work add;                                     // in: what is there, what has come
};

struct Collective {
  // By participant: artifacts at its place, the last of which was made last. When all are there,
  // the participant is done. In a ring's all-reduce and reduce-scatter without `adds` the first
  // n-1 are copies of the artifacts of participants i-1, i-2, ... (modulo n).
  std::vector<std::vector<int>> arrived;
};

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
