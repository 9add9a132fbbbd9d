#pragma once

// A scenario file, read and resolved: all that a run needs. `convoy keys` lists the keys.

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/diagnostics.hpp"
#include "base/key_catalogue.hpp"
#include "base/value.hpp"
#include "engine/api/options.hpp"
#include "engine/data/dataset.hpp"
#include "engine/model/architecture.hpp"
#include "sim/schedule/schedule.hpp"
#include "sim/schedule/setting.hpp"
#include "sim/task/by_node.hpp"
#include "sim/world/config.hpp"

namespace convoy::sim {

enum class Backend {
  sim,  // simulated: the profile gives durations
  hil,  // hardware in the loop: a real device
};
inline constexpr base::Words<Backend> backend_words = {{Backend::sim, "sim"},
                                                       {Backend::hil, "hil"}};

// Facts about a node that neither the world nor the schedule needs.
struct NodeIdentity {
  std::string device;
  std::string mode;
  std::string link;
  Backend backend = Backend::sim;
  RealNode real;      // used if the node is a real device
  std::string trace;  // path, or empty
};

struct TrainingOptions {
  bool learn = false;    // false: timing only
  std::string learn_as;  // architecture that is learned in place of the model; empty: the model
  engine::TrainingOptions local;
};

// When and how the global model is evaluated in learning runs. Takes no virtual time.
struct EvaluationOptions {
  std::int64_t every = 1;         // after so many aggregations; 0: never by count
  std::optional<double> every_s;  // interval in virtual s
  double rate = 1;     // of the evaluated submodel: 1 the full model, else the nested one
  bool local = false;  // each node evaluates its received model before a task, on its own test part
  int batch = 256;
  bool gradient_norm = false;    // also the objective over all nodes' samples and its full gradient
  std::optional<double> target;  // accuracy whose time is reported; default: stop.accuracy
};

// The run ends when the first of these goals is reached.
struct StopOptions {
  std::optional<std::int64_t> rounds;  // aggregations
  std::optional<std::int64_t> tasks;   // aggregated node updates
  std::optional<double> accuracy;      // learning runs only
  std::optional<double> virtual_time_s;
};

enum class RecordLevel {
  activity,  // one row per activity
  task,      // sums per task
};
inline constexpr base::Words<RecordLevel> record_words = {{RecordLevel::activity, "activity"},
                                                          {RecordLevel::task, "task"}};

// Options for runs with real devices ([hil]).
struct HilOptions {
  enum class Missing {
    fail,      // the run does not start
    absent,    // it starts without the missing nodes; they may join later
    simulate,  // missing nodes are simulated
  };
  static constexpr base::Words<Missing> missing_words = {
      {Missing::fail, "fail"}, {Missing::absent, "absent"}, {Missing::simulate, "simulate"}};
  static constexpr base::Words<bool> late_words = {{false, "warn"}, {true, "fail"}};
  static constexpr base::Words<bool> compression_words = {{false, "none"}, {true, "zstd"}};
  Missing missing = Missing::fail;
  std::string inventory;          // testbed inventory file; may be empty
  double join_timeout_s = 60;     // how long the start waits for nodes, wall time
  double rejoin_timeout_s = 300;  // how long a lost node may be away, wall time
  double heartbeat_s = 1;
  double lost_after_s = 15;  // without any message
  double max_lag_ms = 20;    // later deliveries are reported, or fail the run
  bool fail_when_late = false;
  bool keep_updates = false;  // beside the store, so that a replay gets the same weights
  bool compress = false;      // parcels on the wire, by zstd
};

// Options that do not change the run itself.
struct OutputOptions {
  double checkpoint_s = 60;  // wall time between checkpoints of the learning
  RecordLevel record = RecordLevel::activity;
  // Memory for what was learned and waits to be aggregated, and for what nodes keep; the rest of it
  // waits in files.
  double held_mib = 512;
  double progress_s = 5;  // between progress lines if stderr is no terminal
};

struct Scenario {
  std::string file;
  std::string name;
  std::uint64_t seed = 1;
  WorldConfig world;
  std::shared_ptr<const Setting> setting;
  ByGroup<NodeIdentity> identities;
  // By device of the nodes: the figures of its profile that are used and that nobody measured or
  // published.
  std::map<std::string, std::set<std::string>> assumed;
  ScheduleSpec schedule;
  engine::ModelOptions model;    // whose costs are charged
  engine::ModelOptions learned;  // what is learned: the same without training.learn_as
  std::string initial_weights;   // safetensors file; may be empty
  engine::DataOptions data;
  std::shared_ptr<const engine::DataSource> source;  // null: timing only, without a source
  ByNode<engine::LocalSplit> parts;                  // where there is a source
  TrainingOptions training;
  EvaluationOptions evaluation;
  StopOptions stop;
  HilOptions hil;
  OutputOptions output;
  bool has_sweep = false;
  // For a point of a sweep: why its data cannot be divided. The point cannot be run and has neither
  // setting nor nodes. Empty: no problem.
  std::string impossible;

  // Canonical TOML without [output] and [sweep]. The hash also covers the files named in the
  // scenario: equal hash and build give equal runs.
  std::string resolved;
  std::string hash;
  std::string course;  // hash without the stop goals and the accuracy targets
};

// key=value, as given by --set.
struct Override {
  std::string path;
  std::string value;
};
// Throws base::UserError where there is no "=".
Override parse_override(const std::string& text);

// Reads a file. Reports all errors in the file, in files that it names and in the overrides;
// returns nothing then.
std::optional<Scenario> read_scenario(const std::string& path,
                                      const std::vector<Override>& overrides,
                                      base::Diagnostics& problems);
// Reads a text; `path` names it in messages and is the base of relative paths.
std::optional<Scenario> read_scenario_text(std::string_view text, const std::string& path,
                                           const std::vector<Override>& overrides,
                                           base::Diagnostics& problems);

// All keys of a scenario, collected from the readers.
std::vector<base::KeyRow> scenario_keys();
constexpr const char* schedule_key = "schedule.kind";  // the choice that decides most keys

// Throws base::UserError, with advice, for features that are read but not yet supported in runs.
void require_runnable(const Scenario& scenario);

// A node of the world is a real device.
bool any_real(const Scenario& scenario);

}  // namespace convoy::sim
