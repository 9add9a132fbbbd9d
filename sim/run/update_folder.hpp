#pragma once

// Updates of real nodes as files beside the store (updates/task-17.safetensors). An update is
// acknowledged only after it is written, so that no acknowledged update is lost.

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

  // Writes whole or not at all, synced to the disk. Throws base::UserError naming the file.
  // Callable from any thread, for different tasks at once.
  void write(TaskId task, const std::string& header,
             const std::vector<std::span<const std::byte>>& pieces) const;
  void write(TaskId task, const std::string& header,
             const std::vector<std::span<std::byte>>& pieces) const;
  [[nodiscard]] bool has(TaskId task) const;
  // Throws base::UserError if the file is missing, damaged, or no result of that task.
  [[nodiscard]] engine::Outcome read(const engine::Engine& engine,
                                     const engine::TaskInput& input) const;
  [[nodiscard]] std::vector<TaskId> tasks() const;  // tasks with a file
  void remove(TaskId task) const;
  void remove() const;

 private:
  [[nodiscard]] std::filesystem::path file(TaskId task) const;
  [[nodiscard]] std::filesystem::path checksum_file(TaskId task) const;

  std::filesystem::path folder_;
};

}  // namespace convoy::sim
