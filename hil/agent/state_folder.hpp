#pragma once

// The data that an agent keeps between processes: its run, the result of its last task until the
// coordinator has it, and the node's own training state.

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "engine/api/engine.hpp"

namespace convoy::hil {

// A finished task whose result may not have arrived at the coordinator.
struct KeptTask {
  std::int64_t task = 0;
  std::int32_t attempt = 0;
  std::int64_t version = 0;                             // version that the task started from
  std::map<std::pair<int, int>, std::int64_t> took_ns;  // ns, by activity and iteration
  engine::Outcome outcome;                              // as read(): without artifacts
};

struct KeptRun {
  std::string run;
  int node = -1;
  std::optional<KeptTask> task;
};

// Write errors cause a warning only: training goes on.
class StateFolder {
 public:
  // An empty path keeps nothing. Creates a missing folder; throws base::UserError if that fails.
  explicit StateFolder(std::filesystem::path folder);

  [[nodiscard]] const std::filesystem::path& path() const { return folder_; }

  // Nothing if no run is kept. Throws for a damaged or foreign file.
  [[nodiscard]] std::optional<KeptRun> read() const;
  // Reads the artifacts of the kept task. Throws if they are missing or damaged.
  void read_artifacts(const engine::Engine& engine, engine::Outcome& outcome) const;
  // Null if no state is kept.
  [[nodiscard]] std::shared_ptr<const engine::NodeState> read_state(
      const engine::Engine& engine) const;

  void keep_result(const engine::Engine& engine, const KeptRun& run) const;
  // Removes the kept result: the coordinator has it.
  void forget_result(const std::string& run, int node) const;
  void keep_state(const engine::Engine& engine, const engine::NodeState& state) const;
  void forget_all() const;

 private:
  std::filesystem::path folder_;
};

}  // namespace convoy::hil
