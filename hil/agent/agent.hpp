#pragma once

// The agent: keeps a connection to the coordinator, has its tasks done by a Trainer, and reports
// what the sensors say. A lost connection is made again, with growing pauses, under the same
// session; training goes on meanwhile.

#include <atomic>
#include <memory>
#include <string>

#include "hil/agent/config.hpp"

namespace convoy::hil {

class Agent {
 public:
  // Throws base::UserError for a configuration that cannot work.
  Agent(AgentConfig config, std::string software);
  ~Agent();
  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;

  // Until stop(), or until the coordinator refuses it for good: then throws base::UserError with
  // the coordinator's reason.
  void run();
  // From any thread, and from a signal handler.
  void stop();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace convoy::hil
