#pragma once

// A run's real nodes: from a testbed, or from a recording.

#include <CLI/CLI.hpp>
#include <string>

#include "hil/bridge/real_side.hpp"
#include "sim/run/run.hpp"

namespace convoy::cli {

struct RealArguments {
  std::string testbed;  // inventory: whoever of it comes is made real
  std::string listen;   // HOST:PORT, without TLS
  bool insecure = false;
  std::string replay;  // folder of a run with real nodes
};
void add_real_arguments(CLI::App& verb, RealArguments& arguments);

// The real nodes of the run that these options begin (folder, mode, interrupted). Waits for them.
// Throws base::UserError.
hil::RealSide real_side(const RealArguments& arguments, sim::Scenario scenario,
                        const sim::RunOptions& options, bool quiet);

}  // namespace convoy::cli
