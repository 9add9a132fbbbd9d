#pragma once

// A scenario file, read and resolved: everything a run needs to know. `convoy keys` lists what may
// stand in it.

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
  sim,  // the profile says how long things take
  hil,  // a real device
};
inline constexpr base::Words<Backend> backend_words = {{Backend::sim, "sim"},
                                                       {Backend::hil, "hil"}};

// What is known of a node beside its place in the world and in the setting.
struct NodeIdentity {
  std::string device;
  std::string mode;
  std::string link;
  Backend backend = Backend::sim;
  RealNode real;      // how it takes part if it is a real device
  std::string trace;  // path, or empty
};

struct TrainingOptions {
  bool learn = false;  // false: timing only
  engine::TrainingOptions local;
};

// When and how the global model is evaluated, where the run learns. It takes no virtual time.
struct EvaluationOptions {
  std::int64_t every = 1;         // aggregations; 0: not by these
  std::optional<double> every_s;  // virtual
  double rate = 1;     // of the submodel that is evaluated: 1 the full model, else its nested one
  bool local = false;  // each node, before a task, on its own test part
  int batch = 256;
  std::optional<double> target;  // accuracy whose time is reported; stop.accuracy where not given
};

// The run ends at the first of these that is reached.
struct StopOptions {
  std::optional<std::int64_t> rounds;  // aggregations
  std::optional<std::int64_t> tasks;   // node updates aggregated
  std::optional<double> accuracy;      // only where the run learns
  std::optional<double> virtual_time_s;
};

enum class RecordLevel {
  activity,  // a row for each activity
  task,      // sums by task
};
inline constexpr base::Words<RecordLevel> record_words = {{RecordLevel::activity, "activity"},
                                                          {RecordLevel::task, "task"}};

// How the run goes where some nodes are real devices ([hil]).
struct HilOptions {
  enum class Missing {
    fail,      // the run does not start
    absent,    // it starts without them; they may come later
    simulate,  // they are simulated instead
  };
  static constexpr base::Words<Missing> missing_words = {
      {Missing::fail, "fail"}, {Missing::absent, "absent"}, {Missing::simulate, "simulate"}};
  static constexpr base::Words<bool> late_words = {{false, "warn"}, {true, "fail"}};
  static constexpr base::Words<bool> compression_words = {{false, "none"}, {true, "zstd"}};
  Missing missing = Missing::fail;
  std::string inventory;          // file of the testbed, or empty
  double join_timeout_s = 60;     // wall time that the start waits for them
  double rejoin_timeout_s = 300;  // wall time after which a lost node is lost for good
  double heartbeat_s = 1;
  double lost_after_s = 15;  // without any sign of life
  double max_lag_ms = 20;    // what is delivered later is reported, or fails the run
  bool fail_when_late = false;
  bool keep_updates = false;  // beside the store, so that a replay has the same weights
  bool compress = false;      // what is sent, by zstd
};

// What changes nothing of the run itself.
struct OutputOptions {
  double checkpoint_s = 60;  // wall time between checkpoints of what was learned
  RecordLevel record = RecordLevel::activity;
  double progress_s = 5;  // between lines of progress where there is no terminal
};

struct Scenario {
  std::string file;
  std::string name;
  std::uint64_t seed = 1;
  WorldConfig world;
  std::shared_ptr<const Setting> setting;
  ByNode<NodeIdentity> identities;
  // By device of the nodes: the figures of its profile that are used and that nobody measured or
  // published.
  std::map<std::string, std::set<std::string>> assumed;
  ScheduleSpec schedule;
  engine::ModelOptions model;
  std::string initial_weights;  // path of a safetensors file, or empty
  engine::DataOptions data;
  std::shared_ptr<const engine::DataSource> source;  // null: timing only, without a source
  ByNode<engine::LocalSplit> parts;                  // where there is a source
  TrainingOptions training;
  EvaluationOptions evaluation;
  StopOptions stop;
  HilOptions hil;
  OutputOptions output;
  bool has_sweep = false;
  // Of a point of a sweep: why its data cannot be divided, so that it cannot be run, and has
  // neither setting nor nodes; empty: nothing is wrong with it.
  std::string impossible;

  // The scenario as canonical TOML, without [output] and [sweep]. The hash also covers the files
  // that it names by path: the same hash and build give the same run.
  std::string resolved;
  std::string hash;
  std::string course;  // a hash of all that but when it stops and what its accuracy is held against
};

// key=value, as given by --set.
struct Override {
  std::string path;
  std::string value;
};
// Throws base::UserError where there is no "=".
Override parse_override(const std::string& text);

// Reads a file. Everything that is wrong in it, in the files that it names, or in the overrides, is
// reported; nothing is returned then.
std::optional<Scenario> read_scenario(const std::string& path,
                                      const std::vector<Override>& overrides,
                                      base::Diagnostics& problems);
// The same for a text; `path` names it in messages and says where relative paths start.
std::optional<Scenario> read_scenario_text(std::string_view text, const std::string& path,
                                           const std::vector<Override>& overrides,
                                           base::Diagnostics& problems);

// Every key that a scenario may have, as the readers read them.
std::vector<base::KeyRow> scenario_keys();
constexpr const char* schedule_key = "schedule.kind";  // the choice that other keys depend on most

// Throws base::UserError for what this version reads but does not run yet, with what to do.
void require_runnable(const Scenario& scenario);

// A node of the world is a real device.
bool any_real(const Scenario& scenario);

}  // namespace convoy::sim
