#pragma once

// The agent: keeps a connection to the coordinator, runs its tasks in a Trainer, and reports sensor
// readings. After a lost connection it reconnects under the same session, with growing pauses;
// training goes on meanwhile.

#include <memory>
#include <string>

#include "base/non_copyable.hpp"
#include "hil/agent/config.hpp"

namespace convoy::hil {

class Agent : base::NonCopyable {
 public:
  // Throws base::UserError for an invalid configuration.
  Agent(AgentConfig config, std::string software);
  ~Agent();

  // Runs until stop(). Throws base::UserError with the coordinator's reason if the coordinator
  // refuses the agent for good.
  void run();
  // May be called from any thread and from a signal handler.
  void stop();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace convoy::hil
