#pragma once

// Runs a scenario: connects world, schedule and recorder. Passes events from the world to the
// schedule and orders back, and counts the versions of the global model.

#include <atomic>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sim/run/real_nodes.hpp"
#include "sim/run/summary.hpp"
#include "sim/run/wall_estimate.hpp"
#include "sim/scenario/scenario.hpp"
#include "sim/store/store.hpp"
#include "sim/world/world.hpp"

namespace convoy::sim {

// A view of the present activities, valid only within RunOptions::progress.
class RunView {
 public:
  virtual ~RunView() = default;
  [[nodiscard]] virtual std::vector<UnderWay> under_way() const = 0;
  [[nodiscard]] virtual bool present(NodeId node) const = 0;
  [[nodiscard]] virtual std::int64_t tasks_failed() const = 0;
  // Greatest delay in delivering real nodes' events, in s; nothing without real nodes.
  [[nodiscard]] virtual std::optional<double> max_lag_s() const = 0;
};

// How far a run has come.
struct Progress {
  double virtual_time_s = 0;
  std::int64_t rounds = 0;
  std::int64_t tasks = 0;
  std::optional<double> accuracy;  // last evaluation
  double share = 0;                // of the way to its end, 0 to 1, as far as known; never falls
  double share_before = 0;         // of that, what a resumed run had done before
  bool training = false;           // in the midst of an instant, while it waits for a training
  const RunView* view = nullptr;   // never null
};

struct RunOptions {
  std::filesystem::path folder;  // for the store; empty: no store
  StoreMode mode = StoreMode::create;
  std::string version;                             // Convoy's version, for the store
  std::map<std::string, std::string> host;         // provenance of the results, for table `host`
  bool durable = true;                             // else no power cut is survived: see StoreWriter
  int workers = 0;                                 // computing threads; 0: number of cores
  std::string device = "cpu";                      // that computes: cpu, cuda:N
  RealNodes* real = nullptr;                       // required if the scenario has real nodes
  std::optional<double> replay_until_s;            // end of a recording that ends before the run
  const std::atomic<bool>* interrupted = nullptr;  // set from outside to stop the run
  // Called before a learning run begins, with an estimate of its wall time; not when it is resumed.
  // Takes the time of some training steps.
  std::function<void(const WallEstimate&)> estimated;
  // Called at every instant, and several times a second while a training is waited for; must be
  // quick.
  std::function<void(const Progress&)> progress;
};

struct RunResult {
  RunStatus status = RunStatus::done;
  std::string cause;  // reason of a failure
  Summary summary;
};

// Throws base::UserError (including StoreError) for errors that the user can fix; a failed run is
// reported in the result. Once per process (see World).
RunResult run(const Scenario& scenario, const RunOptions& options);

}  // namespace convoy::sim
