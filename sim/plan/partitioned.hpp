#pragma once

// Plans partitioned edge learning (arXiv 2003.04544): in a round each device updates a block of the
// model's parameters. The plan chooses the blocks and the shares of a bandwidth together. The idea
// is the paper's; only its abstract is public, so the formulation is ours: a device with a block of
// L parameters and a bandwidth b takes
//
//   fixed_s + L * (seconds_per_parameter + bytes_per_parameter / b)
//
// Within a round of T it can update L = (T - fixed_s) / (seconds + bytes / b) parameters, which is
// concave in b. So for a given T the bandwidth that updates the most parameters is found by a price
// (all devices that may have more gain the same by one more byte/s), and the T at which that is the
// whole model, by bisection. All devices that are used end together; one that would only slow the
// round down gets nothing. Their bandwidths sum to B, unless own links or memories leave some.

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace convoy::sim {

struct BlockDevice {
  std::string name;
  double fixed_s = 0;                // of a round, whatever the block: at least 0
  double seconds_per_parameter = 0;  // computing, above 0
  double bytes_per_parameter = 0;    // over the shared bandwidth, above 0
  double link_bytes_per_s = std::numeric_limits<double>::infinity();  // its own link; above 0
  double most_parameters = std::numeric_limits<double>::infinity();   // that fit its memory
};

struct BlockProblem {
  std::vector<BlockDevice> devices;
  std::int64_t parameters = 0;       // of the model, at least 1
  double bandwidth_bytes_per_s = 0;  // B, above 0
};

struct BlockPlan {
  std::vector<std::int64_t> parameters;       // by device; the sum is the model's
  std::vector<double> bandwidth_bytes_per_s;  // 0 for a device without a block
  std::vector<double> times_s;                // 0 for a device without a block
  double round_s = 0;                         // the longest
  // Before blocks are rounded to whole parameters: all used devices end then.
  double exact_round_s = 0;
};

// Throws base::UserError for figures out of range, and where the devices together cannot hold the
// model, with what is missing.
BlockPlan plan_blocks(const BlockProblem& problem);

}  // namespace convoy::sim
