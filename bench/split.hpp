#pragma once

// Split learning as a simulation without learning: each node trains batch by batch together with
// the server, all at once, each activity on its own.

#include <cstdint>
#include <filesystem>
#include <string>

namespace convoy::bench {

struct SplitPattern {
  int nodes = 16;
  int batches = 200;  // of a task: five activities each
  int rounds = 5;
  // Each node has a share of the server's compute and bandwidth, and the server's link binds. Else
  // the server computes for all in equal parts, and its link cannot bind.
  bool shares = true;

  [[nodiscard]] std::int64_t activities() const {
    return std::int64_t{nodes} * (5 * batches + 2) * rounds;
  }
};

// The CPU time of a run in s, without reading the scenario. `folder`: of its store (output.record =
// "task"); empty: no store.
double run_split(const SplitPattern& pattern, const std::filesystem::path& folder);

// The same of 16 unlike devices with a schedule of Convoy's ("splitfed", "edgesplit"), timing only:
// CPU time in us for an activity.
double run_split_kind(const std::string& kind, const std::filesystem::path& folder);

}  // namespace convoy::bench
