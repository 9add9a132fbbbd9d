#pragma once

// The real nodes of a run: a testbed or a recording.

#include <CLI/CLI.hpp>
#include <string>

#include "hil/bridge/real_side.hpp"
#include "sim/run/run.hpp"

namespace convoy::cli {

struct RealArguments {
  std::string testbed;  // inventory; all its connecting agents become real
  std::string listen;   // HOST:PORT, for agents without TLS
  bool insecure = false;
  std::string replay;  // folder of a run with real nodes to simulate again
};
void add_real_arguments(CLI::App& verb, RealArguments& arguments);

// Prepares the real nodes for these options (folder, mode, interrupted) and waits for them. Throws
// base::UserError.
hil::RealSide real_side(const RealArguments& arguments, sim::Scenario scenario,
                        const sim::RunOptions& options, bool quiet);

}  // namespace convoy::cli
