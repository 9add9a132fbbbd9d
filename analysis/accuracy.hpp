#pragma once

// How accuracy grew over the virtual time of a run.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "sim/store/store.hpp"

namespace convoy::analysis {

struct CurvePoint {
  double time_s = 0;  // virtual
  std::int64_t version = 0;
  double accuracy = 0;  // 0 to 1, of the exit that is judged
  double bytes = 0;     // down and up until then, of tasks that had ended
  double samples = 0;   // trained on until then, of updates that had come in
};

struct Curve {
  std::string folder;
  sim::StoredRun run;
  double virtual_time_s = 0;  // of what is recorded
  double utilization = 0;     // busy time of the workers over workers x virtual time; 0: unfinished
  double bytes = 0;           // of all tasks, down and up
  double samples = 0;
  std::int64_t updates = 0;        // that came in
  double peak_memory_bytes = 0;    // of the worker that needed most
  std::vector<CurvePoint> points;  // by time; none where the run did not learn
};

// Throws sim::StoreError where there is no store to read.
Curve read_curve(const std::filesystem::path& folder);

// The first time at which an accuracy is reached.
std::optional<double> time_to(const Curve& curve, double accuracy);
// What was reached by a time: the last judgement not after it; nothing before the first.
std::optional<double> accuracy_at(const Curve& curve, double time_s);

}  // namespace convoy::analysis
