#pragma once

// The costs and the graph of a split task (split_work.hpp), for LocalUpdates and for planners:
//
//   download of the node's part
//   for each batch, one after another:
//     forward on the node, "activations" up (with labels, unless they stay),
//     forward, backward and step at the server, "gradients" down, backward and step on the node
//     (with a tail: activations come down to it and gradients go up from it in between)
//   upload of the node's part; the server joins both parts to one update of the model
//
// The server's part of each task is its own, from the same version (SplitFed v1, Thapa et al.,
// arXiv 2004.12088). Nothing overlaps within a task, so that alone it takes
//
//   node_s + server_s / share + (bytes_up + bytes_down) / bytes_per_s + messages * latency

#include "sim/schedule/local_update.hpp"

namespace convoy::sim {

// Of a whole task, as the sums of its graph.
struct SplitCost {
  double node_s = 0;    // at its nominal speed
  double server_s = 0;  // with all of the server
  double bytes_up = 0;  // with the node's part of the weights
  double bytes_down = 0;
  double messages = 0;          // transfers
  double node_memory = 0;       // peak bytes on the node, runtime included
  double server_memory = 0;     // peak bytes that the task takes at the server
  double part_bytes = 0;        // of the node's weights, sent once in each direction
  double activation_bytes = 0;  // that leave the node with a batch of full size
  double gradient_bytes = 0;    // that come back for it
  double flops = 0;             // on the node
  double server_flops = 0;
};

// `work.split` must be set. Throws base::UserError for a cut that the architecture does not have.
SplitCost split_cost(const Setting& setting, const NodeSetting& node, const LocalWork& work);
LocalUpdate make_split(const Setting& setting, const NodeSetting& node, const LocalWork& work);

}  // namespace convoy::sim
