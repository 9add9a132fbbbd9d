#pragma once

// The costs and the graph of a split task (split_work.hpp), for LocalUpdates and for planners:
//
//   download of the node's part
//   for each batch, one after another:
//     "forward" on the node, "activations" up (with labels, unless they stay),
//     "server" (forward, backward and step), "gradients" down, "backward" (and step) on the node
//   upload of the node's part; the server joins both parts to one update of the model
//
// With a tail a batch is
//
//     "forward" on the node, "activations" up, "server forward", "activations" down,
//     "tail" on the node (forward, backward and step), "gradients" up, "server backward" (and
//     step), "gradients" down, "backward" (and step) on the node
//
// The server's part of each task is its own, from the same version (SplitFed v1, Thapa et al.,
// arXiv 2004.12088). Nothing overlaps within a task, so that alone it takes
//
//   node_s + server_s / share + bytes_up / up_bytes_per_s + bytes_down / down_bytes_per_s
//   + messages * latency
//
// Each compute is one step of the device's model (platforms/roofline.hpp), with the kernels of
// engine::stage_step(). To take a part's update and to join updates takes no time, as what a
// federated task does after its last step.
//
// Memory that stays between computes is held by artifacts (TaskGraph::hold): on the node the
// runtime, the part's weights and the optimizer's state from the download to the end; at the server
// the same of its part, without a runtime, as for an aggregation; and on both sides what a forward
// keeps until its backward. A compute takes what its stage's peak (engine::stage_memory) has above
// these. Left out: what waits to be sent, and updates that wait to be aggregated.

#include "sim/schedule/local_update.hpp"

namespace convoy::sim {

// Of a whole task, as the sums of its graph.
struct SplitCost {
  double node_s = 0;    // at its nominal speed
  double server_s = 0;  // with all of the server
  double bytes_up = 0;  // with the node's part of the weights, unless it is its own
  double bytes_down = 0;
  double messages = 0;       // transfers
  double node_memory = 0;    // peak bytes on the node, runtime included
  double server_memory = 0;  // peak bytes that the task takes at the server
  // Of the node's weights, sent once in each direction; as its own only to it, and once in a run.
  double part_bytes = 0;
  double activation_bytes = 0;  // that leave the node with a batch of full size, labels included
  double gradient_bytes = 0;    // that come back for it
  double flops = 0;             // on the node
  double server_flops = 0;
};

// `work.split` must be set. Throws base::UserError for a cut that the architecture, or the one that
// is learned in its place, does not have, and with fixed costs (Setting::fixed).
//
// What is learned in the place of another model (Setting::learned_as) is cut where it can be cut
// nearest to the same share of its layers: where it is cut changes nothing of what it learns. Its
// batches are as many as those of the model that costs.
SplitCost split_cost(const Setting& setting, const NodeSetting& node, const LocalWork& work);
LocalUpdate make_split(const Setting& setting, const NodeSetting& node, const LocalWork& work);
// The server's task that takes what a part has learned that tasks like `work`, of a node like
// `node`, have stepped in turn (SplitWork::shared): an update of the server's layers, in no time.
std::shared_ptr<const TaskGraph> taking_shared_part(const Setting& setting, const NodeSetting& node,
                                                    const LocalWork& work);

// Does the memory of both sides hold the task? (A server without a limit has 0.)
bool fits_both(const SplitCost& cost, const Setting& setting, const NodeSetting& node);
// The possible cut nearest to the one of `work`, the earlier of two, with which both sides hold the
// task; 0: there is none.
int nearest_fitting_cut(const Setting& setting, const NodeSetting& node, const LocalWork& work);

}  // namespace convoy::sim
