#include "sim/run/checkpoint.hpp"

#include <fmt/format.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <span>

#include "base/files.hpp"
#include "base/hash.hpp"
#include "base/json_number.hpp"

namespace convoy::sim {
namespace {

using nlohmann::json;

constexpr const char* index_name = "index.json";
constexpr int format = 9;

std::string weights_file(std::int64_t version) {
  return fmt::format("weights-{}.safetensors", version);
}
std::string state_file(NodeId node, TaskId task) {
  return fmt::format("state-{}-{}.safetensors", node, task);
}
std::string result_file(TaskId task) { return fmt::format("result-{}.safetensors", task); }

json to_json(const TaskLearned& t) {
  json j = {{"loss", base::json_number(t.loss)}, {"finite", t.finite}, {"kept", t.kept}};
  if (t.local_accuracy) j["local_accuracy"] = *t.local_accuracy;
  if (const auto& a = t.aggregation) {
    j["aggregation"] = {a->coverage_min, a->untrained, a->shares,
                        a->shares_sum,   a->left_out,  a->limited};
  }
  return j;
}

TaskLearned task_from(const json& j) {
  TaskLearned t{base::read_json_number(j.at("loss")), {}, j.at("finite"), j.at("kept"), {}};
  if (j.contains("local_accuracy")) t.local_accuracy = j["local_accuracy"].get<double>();
  if (j.contains("aggregation")) {
    const json& a = j["aggregation"];
    t.aggregation = {a.at(0),
                     a.at(1),
                     a.at(2).get<std::vector<double>>(),
                     a.at(3),
                     a.at(4).get<std::vector<std::size_t>>(),
                     a.at(5).get<std::vector<std::size_t>>()};
  }
  return t;
}

// Appends a line with the checksum to a line of content. (Tensor files have their own checksums.)
std::string with_checksum(std::string_view content) {
  base::Hash hash;
  hash.add(std::as_bytes(std::span(content)));
  return fmt::format("{}\n{}\n", content, hash.text());
}

json to_json(const Sizes& s) { return {s.depth, s.members, s.elements}; }

Sizes sizes_from(const json& j) {
  Sizes s;
  s.depth = j.at(0);
  s.members = j.at(1).get<std::vector<int>>();
  s.elements = j.at(2).get<std::vector<std::int64_t>>();
  return s;
}

json to_json(const std::vector<AtWork>& tasks) {
  json all = json::array();
  for (const AtWork& other : tasks) {
    all.push_back({other.task.node, other.task.version, engine::to_text(other.task.brief)});
    if (other.task.state) all.back().push_back(other.made_by);
  }
  return all;
}

using StateLoader = std::function<std::shared_ptr<const engine::NodeState>(NodeId, TaskId)>;

std::vector<AtWork> at_work_from(const json& j, const std::string& from, const StateLoader& load) {
  std::vector<AtWork> all;
  for (const json& o : j) {
    AtWork other;
    other.task.node = o.at(0);
    other.task.version = o.at(1);
    other.task.brief = engine::read_brief(o.at(2), from);
    if (o.size() > 3) {
      other.made_by = o.at(3);
      other.task.state = load(static_cast<NodeId>(other.task.node), other.made_by);
    }
    all.push_back(std::move(other));
  }
  return all;
}

json to_json(const engine::Evaluation& e) {
  json exits = json::array();
  for (const engine::ExitScore& s : e.exits) {
    json exit = {s.after, base::json_number(s.loss), s.top1, s.top5, s.f1, s.untrained};
    if (s.ensemble) exit.push_back(true);
    exits.push_back(std::move(exit));
  }
  json all = {{"headline", e.headline}, {"exits", exits}};
  if (e.objective) {
    all["objective"] = {base::json_number(e.objective->value),
                        base::json_number(e.objective->gradient_norm)};
  }
  return all;
}

engine::Evaluation evaluation_from(const json& j) {
  engine::Evaluation e;
  e.headline = j.at("headline");
  for (const json& s : j.at("exits")) {
    const bool ensemble = s.size() > 6 && s.at(6).get<bool>();
    e.exits.push_back(
        {s.at(0), base::read_json_number(s.at(1)), s.at(2), s.at(3), s.at(4), s.at(5), ensemble});
  }
  if (j.contains("objective")) {
    const json& o = j.at("objective");
    e.objective = {base::read_json_number(o.at(0)), base::read_json_number(o.at(1))};
  }
  return e;
}

}  // namespace

CheckpointFolder::CheckpointFolder(std::filesystem::path folder, std::string scenario_hash,
                                   std::shared_ptr<const engine::Engine> engine)
    : folder_(std::move(folder)), hash_(std::move(scenario_hash)), engine_(std::move(engine)) {}

Checkpoint CheckpointFolder::read(HeldResults& held) const {
  Checkpoint c;
  const std::filesystem::path path = folder_ / index_name;
  if (!std::filesystem::exists(path)) return c;
  const auto damaged = [&](const std::string& why) {
    throw base::UserError(
        fmt::format("{}: is damaged ({}); run anew with --overwrite", path.string(), why));
  };
  try {
    const std::string text = base::read_file(path);
    const std::string_view content = std::string_view(text).substr(0, text.find('\n'));
    const json index = json::parse(content);
    if (index.at("format") != format || index.at("scenario_hash") != hash_) {
      throw base::UserError(
          fmt::format("{}: is of another scenario or another Convoy; run anew with --overwrite",
                      path.string()));
    }
    if (text != with_checksum(content)) damaged("its content is not what its checksum says");
    c.version = index.at("version");
    std::map<std::int64_t, std::shared_ptr<const engine::Weights>> weights;
    for (const std::int64_t v : index.at("weights")) {
      weights[v] = engine_->load_weights(folder_ / weights_file(v));
    }
    c.weights = weights[c.version];
    std::map<std::pair<NodeId, TaskId>, std::shared_ptr<const engine::NodeState>> loaded;
    const StateLoader load_state = [&](NodeId node, TaskId task) {
      auto& state = loaded[{node, task}];
      if (!state) state = held.keep(engine_->load_state(folder_ / state_file(node, task)));
      return state;
    };
    for (const json& s : index.at("states")) {
      const NodeId node = s.at(0);
      const TaskId task = s.at(1);
      c.states[{node, s.at(3).get<bool>()}] = {task, load_state(node, task), sizes_from(s.at(2))};
    }
    for (const json& o : index.at("own_layers")) {
      const NodeId node = o.at(0);
      const TaskId task = o.at(1);
      c.own_layers[node] = {task, load_state(node, task), sizes_from(o.at(2))};
    }
    for (const json& l : index.at("live")) {
      const TaskId task = l.at(0);
      LiveTask live{l.at(1), weights[l.at(1)], nullptr};
      if (l.at(2)) live.result = held.keep(engine_->load_artifact(folder_ / result_file(task)));
      if (!live.result && !live.received) damaged("a version is missing");
      if (l.size() > 3) live.at_work = at_work_from(l.at(3), path.string(), load_state);
      c.live[task] = std::move(live);
    }
    for (const json& g : index.at("groups")) {
      OpenGroup group{g.at(1), weights[g.at(1)]};
      if (!group.received) damaged("a version is missing");
      c.groups[g.at(0)] = std::move(group);
    }
    Results& r = c.results;
    for (const json& t : index.at("tasks")) r.tasks[t.at(0)] = task_from(t.at(1));
    r.gone = index.at("gone").get<std::set<TaskId>>();
    for (const json& s : index.at("sizes")) r.sizes[s.at(0)] = sizes_from(s.at(1));
    for (const json& e : index.at("evaluations")) r.evaluations[e.at(0)] = evaluation_from(e.at(1));
    if (c.version < 0 || !c.weights) damaged("the newest version is missing");
  } catch (const json::exception& e) {
    damaged(e.what());
  }
  return c;
}

void CheckpointFolder::write(const Checkpoint& c) const {
  std::error_code failure;
  std::filesystem::create_directories(folder_, failure);
  if (failure) {
    throw base::UserError(
        fmt::format("{}: cannot be made ({})", folder_.string(), failure.message()));
  }
  std::set<std::string> needed = {index_name};
  const auto keep = [&](const std::string& name, auto save) {
    needed.insert(name);
    if (!std::filesystem::exists(folder_ / name)) save(folder_ / name);
  };
  json index = {
      {"format", format},         {"scenario_hash", hash_},     {"version", c.version},
      {"weights", json::array()}, {"states", json::array()},    {"live", json::array()},
      {"tasks", json::array()},   {"sizes", json::array()},     {"evaluations", json::array()},
      {"groups", json::array()},  {"own_layers", json::array()}};
  std::map<std::int64_t, std::shared_ptr<const engine::Weights>> weights = {{c.version, c.weights}};
  for (const auto& [task, live] : c.live) {
    if (live.received) weights[live.version] = live.received;
  }
  for (const auto& [group, open] : c.groups) {
    weights[open.version] = open.received;
    index["groups"].push_back({group, open.version});
  }
  for (const auto& [version, held] : weights) {
    index["weights"].push_back(version);
    keep(weights_file(version), [&, w = held](const auto& file) { engine_->save(*w, file, {}); });
  }
  const auto keep_state = [&](NodeId node, TaskId task,
                              const std::shared_ptr<const engine::NodeState>& state) {
    keep(state_file(node, task), [&](const auto& file) { engine_->save(*state, file); });
  };
  for (const auto& [of, s] : c.states) {
    index["states"].push_back({of.first, s.task, to_json(s.sizes), of.second});
    keep_state(of.first, s.task, s.state);
  }
  for (const auto& [node, s] : c.own_layers) {
    index["own_layers"].push_back({node, s.task, to_json(s.sizes)});
    keep_state(node, s.task, s.state);
  }
  for (const auto& [task, live] : c.live) {
    index["live"].push_back({task, live.version, live.result != nullptr});
    if (live.at_work) index["live"].back().push_back(to_json(*live.at_work));
    for (const AtWork& other : live.at_work.value_or(std::vector<AtWork>())) {
      if (other.task.state) keep_state(other.task.node, other.made_by, other.task.state);
    }
    if (!live.result) continue;
    keep(result_file(task),
         [&, held = live.result](const auto& file) { engine_->save(*held, file); });
  }
  const Results& r = c.results;
  for (const auto& [task, t] : r.tasks) index["tasks"].push_back({task, to_json(t)});
  index["gone"] = r.gone;
  for (const auto& [task, s] : r.sizes) index["sizes"].push_back({task, to_json(s)});
  for (const auto& [version, e] : r.evaluations) {
    index["evaluations"].push_back({version, to_json(e)});
  }
  const std::filesystem::path path = folder_ / index_name;
  // Files named in the index are on the disk before the index is written; files no longer named are
  // removed afterwards.
  base::write_file(path, with_checksum(index.dump()));
  for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
    if (!needed.contains(entry.path().filename().string())) std::filesystem::remove(entry.path());
  }
}

void CheckpointFolder::remove() const { std::filesystem::remove_all(folder_); }

}  // namespace convoy::sim
