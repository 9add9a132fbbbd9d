#include "hil/agent/state_folder.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <nlohmann/json.hpp>

#include "base/files.hpp"
#include "base/json_number.hpp"
#include "base/text.hpp"

namespace convoy::hil {
namespace {

constexpr const char* index_name = "agent.json";
constexpr const char* state_name = "node.safetensors";
constexpr const char* result_name = "result.safetensors";
constexpr const char* result_state_name = "result-node.safetensors";

}  // namespace

StateFolder::StateFolder(std::filesystem::path folder) : folder_(std::move(folder)) {
  if (folder_.empty()) return;
  std::error_code failure;
  std::filesystem::create_directories(folder_, failure);
  if (failure) {
    throw base::UserError(
        fmt::format("state: {}: cannot be made ({})", folder_.string(), failure.message()));
  }
  base::remove_drafts(folder_);
}

std::optional<KeptRun> StateFolder::read() const {
  if (folder_.empty() || !std::filesystem::exists(folder_ / index_name)) return std::nullopt;
  constexpr std::uintmax_t longest = 64 << 20;
  const nlohmann::json index =
      nlohmann::json::parse(base::read_file(folder_ / index_name, longest));
  KeptRun kept;
  kept.run = index.at("run").get<std::string>();
  kept.node = index.at("node").get<int>();
  if (!index.contains("task")) return kept;
  KeptTask& task = kept.task.emplace();
  task.task = index.at("task").get<std::int64_t>();
  task.attempt = index.at("attempt").get<std::int32_t>();
  task.version = index.at("version").get<std::int64_t>();
  for (const auto& took : index.at("took_ns")) {
    task.took_ns[{took.at(0).get<int>(), took.at(1).get<int>()}] = took.at(2).get<std::int64_t>();
  }
  task.outcome.loss = base::read_json_number(index.at("loss"));
  task.outcome.finite = index.at("finite").get<bool>();
  if (index.contains("local_accuracy")) {
    task.outcome.local_accuracy = base::read_json_number(index.at("local_accuracy"));
  }
  return kept;
}

void StateFolder::read_artifacts(const engine::Engine& engine, engine::Outcome& outcome) const {
  outcome.result = engine.load_artifact(folder_ / result_name);
  outcome.state = engine.load_state(folder_ / result_state_name);
}

std::shared_ptr<const engine::NodeState> StateFolder::read_state(
    const engine::Engine& engine) const {
  if (folder_.empty() || !std::filesystem::exists(folder_ / state_name)) return nullptr;
  return engine.load_state(folder_ / state_name);
}

void StateFolder::keep_result(const engine::Engine& engine, const KeptRun& run) const {
  const KeptTask& task = *run.task;
  if (folder_.empty() || !task.outcome.result || !task.outcome.state) return;
  try {
    engine.save(*task.outcome.result, folder_ / result_name);
    engine.save(*task.outcome.state, folder_ / result_state_name);
    nlohmann::json took = nlohmann::json::array();
    for (const auto& [key, ns] : task.took_ns) took.push_back({key.first, key.second, ns});
    nlohmann::json index = {{"run", run.run},
                            {"node", run.node},
                            {"task", task.task},
                            {"attempt", task.attempt},
                            {"version", task.version},
                            {"loss", base::json_number(task.outcome.loss)},
                            {"finite", task.outcome.finite},
                            {"took_ns", took}};
    if (task.outcome.local_accuracy)
      index["local_accuracy"] = base::json_number(*task.outcome.local_accuracy);
    base::write_file(folder_ / index_name, index.dump());
  } catch (const std::exception& e) {
    spdlog::warn("the result of task {} could not be kept on disk: {}", task.task, e.what());
  }
}

void StateFolder::forget_result(const std::string& run, int node) const {
  if (folder_.empty()) return;
  // The index must not name a missing result: it is removed if it cannot be replaced.
  const auto path = folder_ / index_name;
  std::error_code ignored;
  try {
    base::write_file(path, nlohmann::json({{"run", run}, {"node", node}}).dump());
  } catch (const std::exception& e) {
    spdlog::warn("what this node keeps of its run could not be written: {}",
                 base::first_line(e.what()));
    std::filesystem::remove(path, ignored);
  }
  std::filesystem::remove(folder_ / result_name, ignored);
}

void StateFolder::keep_state(const engine::Engine& engine, const engine::NodeState& state) const {
  if (folder_.empty()) return;
  try {
    engine.save(state, folder_ / state_name);
  } catch (const std::exception& e) {
    spdlog::warn("what this node has learned of itself could not be kept on disk: {}", e.what());
  }
}

void StateFolder::forget_all() const {
  if (folder_.empty()) return;
  std::error_code ignored;
  for (const char* name : {index_name, state_name, result_name, result_state_name}) {
    std::filesystem::remove(folder_ / name, ignored);
  }
}

}  // namespace convoy::hil
