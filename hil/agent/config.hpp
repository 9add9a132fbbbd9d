#pragma once

// The agent's local configuration: a file (node.toml, made by `convoy testbed init`) and the
// command line. The coordinator cannot change it.

#include <filesystem>
#include <string>

#include "hil/protocol/tls.hpp"
#include "testbed/address.hpp"

namespace convoy::hil {

struct AgentConfig {
  testbed::Endpoint connect;
  std::string name;
  std::string type;  // device type of the catalogue; may be empty
  bool insecure = false;
  Credentials credentials;              // unless insecure
  std::string data;                     // "idx:/srv/mnist"; empty: for runs without data
  bool own_data = false;                // train on all of `data`, not on a part given by the run
  std::filesystem::path state;          // folder kept between processes; empty: nothing is kept
  std::string device = "cpu";           // computes: cpu, cuda:N
  double max_memory_gb = 0;             // 0: no limit
  double retry_s = 30;                  // longest wait between two attempts to connect
  std::string profile;                  // device's profile, for the coordinator; may be empty
  std::filesystem::path sensors = "/";  // root of sys and proc
};

// Reads the file. Throws base::UserError with all problems and their places. Relative paths start
// at the file's folder.
AgentConfig read_agent_config(const std::filesystem::path& file);
// Checks a configuration from any source: name, address, TLS or loopback. Throws base::UserError.
void check(const AgentConfig& config);

}  // namespace convoy::hil
