#pragma once

// A run's real nodes: from a testbed, or from a recording.

#include <CLI/CLI.hpp>
#include <atomic>
#include <memory>
#include <string>

#include "sim/run/run.hpp"

namespace convoy::cli {

struct RealArguments {
  std::string testbed;  // inventory: whoever of it comes is made real
  std::string listen;   // HOST:PORT, without TLS
  bool insecure = false;
  std::string replay;  // folder of a run with real nodes
};
void add_real_arguments(CLI::App& verb, RealArguments& arguments);

class RealRun {
 public:
  // Decides which nodes of the scenario are real, waits for them, and writes that into `scenario`
  // and `options` (folder and mode must be there). Does nothing where all nodes are simulated.
  // Throws base::UserError.
  RealRun(const RealArguments& arguments, sim::Scenario& scenario, sim::RunOptions& options,
          const std::atomic<bool>& interrupted, bool quiet);
  ~RealRun();
  RealRun(const RealRun&) = delete;
  RealRun& operator=(const RealRun&) = delete;

  // Tells the nodes how the run ended.
  void over(sim::RunStatus status);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace convoy::cli
