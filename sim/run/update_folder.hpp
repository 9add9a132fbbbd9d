#pragma once

// The updates that real nodes have sent, as files beside the store (updates/task-17.safetensors):
// written before they are acknowledged, so that none that was is ever lost.

#include <filesystem>
#include <span>
#include <string>

#include "engine/api/engine.hpp"
#include "sim/task/graph.hpp"

namespace convoy::sim {

class UpdateFolder {
 public:
  // `run_folder`: of the store.
  explicit UpdateFolder(const std::filesystem::path& run_folder);

  // Whole or not at all; on the disk when it returns. Throws base::UserError naming the file. May
  // be called from any thread, for different tasks at once.
  void write(TaskId task, const std::string& header,
             const std::vector<std::span<std::byte>>& pieces) const;
  [[nodiscard]] bool has(TaskId task) const;
  // Throws base::UserError where it is not there, damaged, or not a result of that task.
  [[nodiscard]] engine::Outcome read(const engine::Engine& engine,
                                     const engine::TaskInput& input) const;
  [[nodiscard]] std::vector<TaskId> tasks() const;  // that are there
  void remove(TaskId task) const;
  void remove() const;

 private:
  [[nodiscard]] std::filesystem::path file(TaskId task) const;
  [[nodiscard]] std::filesystem::path checksum_file(TaskId task) const;

  std::filesystem::path folder_;
};

}  // namespace convoy::sim
