#pragma once

// Runs a scenario: a world, a schedule and a recorder, and the rules between them. Events go from
// the world to the schedule, orders from the schedule to the world; the global model's versions are
// counted here.

#include <atomic>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sim/run/real_nodes.hpp"
#include "sim/run/summary.hpp"
#include "sim/scenario/scenario.hpp"
#include "sim/store/store.hpp"
#include "sim/world/world.hpp"

namespace convoy::sim {

// Who does what at a moment of a run: to be asked in RunOptions::progress only.
class RunView {
 public:
  virtual ~RunView() = default;
  [[nodiscard]] virtual std::vector<UnderWay> under_way() const = 0;
  [[nodiscard]] virtual bool present(NodeId node) const = 0;
  [[nodiscard]] virtual std::int64_t tasks_failed() const = 0;
  // Of real nodes: how late what they did was delivered, at most; nothing without real nodes.
  [[nodiscard]] virtual std::optional<double> max_lag_s() const = 0;
};

// How far a run has come.
struct Progress {
  double virtual_time_s = 0;
  std::int64_t rounds = 0;
  std::int64_t tasks = 0;
  std::optional<double> accuracy;  // as evaluated last
  double share = 0;                // of the way to its end, 0 to 1, as far as that can be told
  const RunView* view = nullptr;   // never null
};

struct RunOptions {
  std::filesystem::path folder;  // of the store; empty: no store
  StoreMode mode = StoreMode::create;
  std::string version;                      // of Convoy, for the store
  std::map<std::string, std::string> host;  // what made the figures, for its table host
  bool durable = true;         // what is recorded survives the machine; else only the process
  int workers = 0;             // that learn; 0: as many as the host has cores
  std::string device = "cpu";  // that learns: cpu, cuda:N
  RealNodes* real = nullptr;   // must be there where the scenario has real nodes
  std::optional<double> replay_until_s;  // a recording that ends there, before the run does
  const std::atomic<bool>* interrupted = nullptr;  // set from outside to stop the run
  std::function<void(const Progress&)> progress;   // called at every instant; must be quick
};

struct RunResult {
  RunStatus status = RunStatus::done;
  std::string cause;  // why it failed
  Summary summary;
};

// Throws base::UserError (a StoreError among them) for what the user can mend; a run that fails by
// itself is a result. Once per process (see World).
RunResult run(const Scenario& scenario, const RunOptions& options);

}  // namespace convoy::sim
