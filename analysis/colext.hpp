#pragma once

// Exports a run as the CSV files of CoLExT (github.com/sands-lab/colext), a testbed for federated
// learning on real devices, for use with tools written for it.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace convoy::analysis {

struct ColextOptions {
  std::optional<double> period_s;  // of hw_metrics, virtual; default: a thousandth of the run
  std::string job;                 // names files colext_JOB_..., as CoLExT does; "": no prefix
};

// Writes round_timings.csv, client_info.csv, client_round_timings.csv, hw_metrics.csv, and
// round_metrics.csv (a copy of round_timings that some CoLExT scripts read).
//
// - Times are UTC dates to the microsecond; virtual time 0 is the first second of the year 2000.
// - A client is a worker, by its id in the store. A round is a version of the model: a FIT row from
//   one aggregation's end to the next one's, and an EVAL row (of length 0) if it was evaluated.
//   srv_accuracy is the model's accuracy; dist_accuracy the mean over updates, weighted by samples,
//   of the received model's accuracy on each node's own test part.
// - client_round_timings: a FIT row for each update, from assignment to end; lost updates have no
//   end_time.
// - hw_metrics: for nodes with sensors their readings. For simulated nodes by period: gpu_util is
//   the share of time spent computing, in %; bytes are spread evenly over their transfers; power is
//   the computing draw (W) plus all other energy spread over the rest of the node's presence, so
//   that the sum is the node's energy. cpu_util and mem_util are not simulated: empty.
//
// Gives the files. Throws sim::StoreError if there is no readable store, base::UserError if the
// store has no activities or a file cannot be written.
std::vector<std::filesystem::path> export_colext(const std::filesystem::path& run,
                                                 const std::filesystem::path& folder,
                                                 const ColextOptions& options = {});

}  // namespace convoy::analysis
