#pragma once

// A scenario file, read and resolved: everything a run needs to know. sim/scenario/README.md lists
// the keys.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/diagnostics.hpp"
#include "base/value.hpp"
#include "engine/data/partition.hpp"
#include "engine/model/architecture.hpp"
#include "sim/schedule/schedule.hpp"
#include "sim/schedule/setting.hpp"
#include "sim/world/config.hpp"

namespace convoy::sim {

enum class Backend {
  sim,  // the profile says how long things take
  hil,  // a real device
};

// What is known of a node beside its place in the world and in the setting.
struct NodeIdentity {
  std::string device;
  std::string mode;
  std::string link;
  Backend backend = Backend::sim;
  std::string trace;                 // path, or empty
  std::vector<std::string> assumed;  // figures of its profile that are assumed
};

struct DataOptions {
  std::string source = "glyphs";  // glyphs, idx:DIR, cifar10:DIR, csv:FILE
  std::int64_t samples = 60'000;  // in all
  double local_test_share = 0.2;  // of a node's samples, kept from training
  engine::PartitionOptions partition;
};

struct TrainingOptions {
  bool learn = false;  // false: timing only
  std::string optimizer = "sgd";
  double learning_rate = 0.05;
  double momentum = 0;  // sgd
  double weight_decay = 0;
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

// What changes nothing of the run itself.
struct OutputOptions {
  RecordLevel record = RecordLevel::activity;
  double progress_s = 5;  // between lines of progress where there is no terminal
};

struct Scenario {
  std::string file;
  std::string name;
  std::uint64_t seed = 1;
  WorldConfig world;
  std::shared_ptr<const Setting> setting;
  std::vector<NodeIdentity> identities;  // as many as nodes
  ScheduleSpec schedule;
  engine::ModelOptions model;
  DataOptions data;
  TrainingOptions training;
  StopOptions stop;
  OutputOptions output;
  bool has_sweep = false;

  // The scenario as canonical TOML, without [output] and [sweep]. The hash also covers the files
  // that it names by path: the same hash and build give the same run.
  std::string resolved;
  std::string hash;
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

// Throws base::UserError for what this version reads but does not run yet, with what to do.
void require_runnable(const Scenario& scenario);

}  // namespace convoy::sim
