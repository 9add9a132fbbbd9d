#pragma once

// What outlives an agent's process: the run that it belongs to, the result of its last task until
// the coordinator has it, and what the node has learned of itself.

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "engine/api/engine.hpp"

namespace convoy::hil {

// A task that was done, and is not known to have arrived.
struct KeptTask {
  std::int64_t task = 0;
  std::int32_t attempt = 0;
  std::int64_t version = 0;                             // that it started from
  std::map<std::pair<int, int>, std::int64_t> took_ns;  // by activity and iteration
  engine::Outcome outcome;                              // as read(): without its artifacts
};

struct KeptRun {
  std::string run;
  int node = -1;
  std::optional<KeptTask> task;
};

// Of what cannot be written it warns: the work goes on.
class StateFolder {
 public:
  // Empty: nothing is kept. Made where it is missing; throws base::UserError where it cannot be.
  explicit StateFolder(std::filesystem::path folder);

  [[nodiscard]] const std::filesystem::path& path() const { return folder_; }

  // Nothing: there is nothing. Throws for what is torn or not an agent's.
  [[nodiscard]] std::optional<KeptRun> read() const;
  // The artifacts of the kept task. Throws where they are not there or damaged.
  void read_artifacts(const engine::Engine& engine, engine::Outcome& outcome) const;
  // Null: none is there.
  [[nodiscard]] std::shared_ptr<const engine::NodeState> read_state(
      const engine::Engine& engine) const;

  void keep_result(const engine::Engine& engine, const KeptRun& run) const;
  // The coordinator has it.
  void forget_result(const std::string& run, int node) const;
  void keep_state(const engine::Engine& engine, const engine::NodeState& state) const;
  void forget_all() const;

 private:
  std::filesystem::path folder_;
};

}  // namespace convoy::hil
