#pragma once

// What of a node, or a link, changes over time: traces, loads, outages. Internal to sim/scenario.

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/table_reader.hpp"
#include "platforms/traces/trace.hpp"
#include "sim/world/config.hpp"

namespace convoy::sim {

// Another user of a resource: [.load], [.traffic].
BackgroundLoad read_load(base::TableReader reader);

// Keys that a node has as the server and as one of a group.
inline constexpr base::Key slowdown_key{"slowdown", "factor on the time of all computing"};
inline constexpr base::Key traffic_key{"traffic", "another user of the link"};

class BehaviourReader {
 public:
  // `folder`: where the paths of traces start.
  explicit BehaviourReader(std::filesystem::path folder) : folder_(std::move(folder)) {}

  struct TraceKey {
    std::string file;         // as the scenario has it; empty: there is none
    double phase_step_s = 0;  // of phase more for each node of the group
  };
  // `trace` of a group: a path, or a table that says how the trace is used.
  TraceKey read_trace(base::TableReader& reader, Behaviour& behaviour);
  // All else that changes: slowdown, jitter, loads, outages.
  static void read(base::TableReader& reader, Behaviour& behaviour);

  // A hash of each trace that was read, one a line.
  [[nodiscard]] const std::string& hashes() const { return hashes_; }

 private:
  TraceKey read_trace_table(base::TableReader table, Behaviour& behaviour);
  std::shared_ptr<const platforms::Trace> trace(base::TableReader& reader, const char* key,
                                                const std::string& file,
                                                const std::vector<std::string>& only);

  std::filesystem::path folder_;
  std::map<std::pair<std::string, std::vector<std::string>>,
           std::shared_ptr<const platforms::Trace>>
      traces_;  // by file and columns
  std::string hashes_;
};

}  // namespace convoy::sim
