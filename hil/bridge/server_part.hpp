#pragma once

// The server's part of a real node's split task, computed by the coordinator with the same engine
// and in the same order as in a simulation, so that with the same tensors it has the same bits.
// No threads and no sockets; used by one thread at a time. Internal to hil/bridge.

#include <map>
#include <memory>
#include <optional>
#include <stop_token>

#include "engine/api/engine.hpp"
#include "sim/task/split_task.hpp"

namespace convoy::hil {

class ServerPart {
 public:
  // `of_node`: the input of the node's part.
  ServerPart(std::shared_ptr<const engine::Engine> engine, engine::TaskInput of_node,
             std::shared_ptr<const sim::SplitTask> task, std::stop_token stop);

  // What follows when something has come from the node.
  struct Answer {
    std::optional<engine::Crossing> sent;    // the node gets this next,
    int number = 0;                          // an artifact of this number
    std::optional<engine::Outcome> outcome;  // the task's: it is over
  };
  // The upload of this activity has come: computes all that the server computes next. Throws the
  // engine's exceptions.
  Answer came(int activity, const engine::Crossing& crossing);

 private:
  engine::Session& session();
  engine::Input input(int number) const;

  std::shared_ptr<const engine::Engine> engine_;
  engine::TaskInput of_node_;
  std::shared_ptr<const sim::SplitTask> task_;
  std::stop_token stop_;
  std::unique_ptr<engine::Session> session_;                     // opened when it first computes
  std::map<int, std::shared_ptr<const engine::Artifact>> here_;  // by number; see SplitTask
};

}  // namespace convoy::hil
