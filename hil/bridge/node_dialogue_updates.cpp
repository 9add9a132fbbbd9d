// What a node sends: its updates, and what crosses to the server in a split task.

#include <algorithm>

#include "hil/bridge/node_dialogue.hpp"

namespace convoy::hil {

using sim::WallTime;

std::optional<engine::TaskInput> NodeDialogue::offered(Task task, std::int32_t attempt) {
  Open* open = find(task, attempt);
  if (open == nullptr || open->split) return std::nullopt;
  for (auto& [key, command] : open->commands) {
    if (command.kind != Kind::upload || command.arrived || command.taking) continue;
    command.taking = true;
    return open->input;
  }
  return std::nullopt;
}

std::optional<NodeDialogue::Wanted> NodeDialogue::crosses(Task task, std::int32_t attempt,
                                                          int artifact) {
  Open* open = find(task, attempt);
  if (open == nullptr || !open->split) return std::nullopt;
  for (auto& [key, command] : open->commands) {
    if (command.kind != Kind::upload || command.arrived || command.taking) continue;
    if (command.begin.artifact != artifact) continue;
    command.taking = true;
    return Wanted{key.first, open->input};
  }
  return std::nullopt;
}

void NodeDialogue::arrived(Task task, std::int32_t attempt, WallTime stamp) {
  Open* open = find(task, attempt);
  if (open == nullptr) return;
  open->heard = stamp;
  end_crossings(*open, stamp);
  for (auto& [key, command] : open->commands) {
    if (command.kind != Kind::upload || command.arrived) continue;
    command.arrived = true;
    reports_.stopped(command.id, stamp);
  }
}

bool NodeDialogue::filed(Task task, std::int32_t attempt, WallTime stamp) {
  Open* open = find(task, attempt);
  if (open == nullptr) return false;
  const auto upload = std::find_if(open->commands.begin(), open->commands.end(), [](const auto& c) {
    return c.second.kind == Kind::upload && c.second.arrived;
  });
  if (upload == open->commands.end()) return false;
  reports_.ended(upload->second.id, stamp);
  if (!upload->second.ends_task) {
    open->commands.erase(upload);
    return true;
  }
  filed_ = {task, attempt};
  tasks_.erase(task);  // no further requests to the agent
  return true;
}

}  // namespace convoy::hil
