#pragma once

// What an agent is told on its own machine: a file (node.toml, as `convoy testbed init` makes it)
// and the command line. The coordinator has no say in any of it.

#include <filesystem>
#include <string>

#include "hil/protocol/tls.hpp"
#include "testbed/address.hpp"

namespace convoy::hil {

struct AgentConfig {
  testbed::Endpoint connect;
  std::string name;
  std::string type;  // of device, as in the catalogue; may be empty
  bool insecure = false;
  Credentials credentials;              // where not insecure
  std::string data;                     // "idx:/srv/mnist"; empty: the run must need none
  bool own_data = false;                // train on all of that, not on the part that a run gives
  std::filesystem::path state;          // folder of what outlives the process; empty: nothing does
  std::string device = "cpu";           // that computes
  double max_memory_gb = 0;             // 0: no limit
  double retry_s = 30;                  // longest wait between two attempts to connect
  std::string profile;                  // of this device, sent to the coordinator; may be empty
  std::filesystem::path sensors = "/";  // where sys and proc are looked up
};

// Throws base::UserError with all that is wrong in the file, with its places. Relative paths start
// at its folder.
AgentConfig read_agent_config(const std::filesystem::path& file);
// What must hold whatever it came from: a name, an address, TLS or loopback. Throws
// base::UserError.
void check(const AgentConfig& config);

}  // namespace convoy::hil
