#pragma once

// A run as the CSV files of CoLExT (github.com/sands-lab/colext), a testbed for federated learning
// on real devices, so that what was written for its measurements reads ours.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace convoy::analysis {

struct ColextOptions {
  std::optional<double> period_s;  // of hw_metrics, virtual; a thousandth of the run if not given
  std::string job;                 // files are named colext_JOB_..., as its own tool does; "": not
};

// Writes round_timings.csv, client_info.csv, client_round_timings.csv, hw_metrics.csv, and
// round_metrics.csv (round_timings under the name that some of its scripts read).
//
// - Times are UTC dates to the microsecond; virtual time 0 is the first second of the year 2000.
// - A client is a worker, by its id in the store. A round is a version of the model: a FIT row from
//   the end of one aggregation to the end of the next, an EVAL row (of no length) where it was
//   evaluated. srv_accuracy is the accuracy of the model; dist_accuracy the mean over the updates,
//   weighted by samples, of the accuracy on each node's own test part of what it received.
// - client_round_timings: a FIT row for each update from its assignment to its end; one that was
//   lost has no end_time.
// - hw_metrics: of a node with sensors what they said. Of a simulated one, for each period:
//   gpu_util the share of time that it computed, in %; bytes as their transfers carry them, evenly;
//   power what its computing drew (W), and what it drew else spread over the rest of its presence,
//   so that it sums up to the node's energy. What nobody simulates (cpu_util, mem_util) is empty.
//
// Gives the files. Throws sim::StoreError where there is no store to read, base::UserError where it
// holds no activities, or a file cannot be written.
std::vector<std::filesystem::path> export_colext(const std::filesystem::path& run,
                                                 const std::filesystem::path& folder,
                                                 const ColextOptions& options = {});

}  // namespace convoy::analysis
