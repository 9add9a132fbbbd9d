#pragma once

// Reads how a node or a link changes over time: traces, loads, outages. Internal to sim/scenario.

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

// Reads [.load] or [.traffic]: another user of a resource.
BackgroundLoad read_load(base::TableReader reader);

// Keys of the server and of groups of nodes alike.
inline constexpr base::Key slowdown_key{"slowdown", "factor on all computing times"};
inline constexpr base::Key traffic_key{"traffic", "another user of the link"};

class BehaviourReader {
 public:
  // `folder`: base of relative trace paths.
  explicit BehaviourReader(std::filesystem::path folder) : folder_(std::move(folder)) {}

  struct TraceKey {
    std::string file;         // as in the scenario; empty: no trace
    double phase_step_s = 0;  // phase difference between neighbours in the group
  };
  // Reads `trace` of a group: a path, or a table that also says how to use the trace.
  TraceKey read_trace(base::TableReader& reader, Behaviour& behaviour);
  // Reads slowdown, jitter, loads and outages.
  static void read(base::TableReader& reader, Behaviour& behaviour);

  // A hash of each trace read, one per line.
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
