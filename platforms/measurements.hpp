#pragma once

// Reads measurements of models on devices as rows, to fit devices (fit.hpp) and to test
// predictions. Reads reports of `convoy-node --self-test` (NAME.json) and two kinds of tables, told
// apart by their headings:
//
//   device,mode,model,batch,precision,metric,value,unit  one figure a row; optional: source and
//                                                        framework (only PyTorch rows are used)
//   model,latency_ms                                     inference; optional: device, mode,
//                                                        precision, batch, input
//
// Model: an architecture with its input in brackets: "resnet50 (224)", "fcn_resnet50 (512x384)"
// (width x height), "bert-large (seq 128)". Precision: fp32, fp32-strict, fp16, fp16-mixed, "amp
// fp16", float32, float16; only the first word counts, as in "fp32 (inferred)"; training in fp16
// means fp16-mixed. Metric: infer_latency, train_step_time, train_throughput (samples/s);
// infer_power, train_power, idle_power, each with any suffix ("infer_power_3_rails": the rails are
// taken for the whole device).

#include <map>
#include <string>
#include <vector>

#include "engine/model/architecture.hpp"
#include "engine/model/costs.hpp"
#include "platforms/device.hpp"

namespace convoy::platforms {

struct Measurement {
  enum class Metric { step_time, power, idle_power };
  static constexpr base::Words<Metric> metrics = {{Metric::step_time, "step_time"},
                                                  {Metric::power, "power"},
                                                  {Metric::idle_power, "idle_power"}};
  std::string place;   // "measured.csv:17"
  std::string device;  // as in the file, without brackets
  std::string mode;    // empty: not in the file
  std::string model;   // architecture
  engine::ModelOptions options;
  int batch = 1;
  engine::Precision precision = engine::Precision::fp32;
  bool training = false;
  double rate = 1;  // of the trained submodel (engine::nested_submodel)
  engine::Optimizer optimizer = engine::Optimizer::sgd_momentum;  // for training
  Metric metric = Metric::step_time;
  double value = 0;      // s of one step, or W
  std::string source;    // as in the file
  std::string adjusted;  // why the table of odd rows changed device or mode; empty: unchanged
};

// A row that is not used, and why.
struct UnusedRow {
  std::string place;
  std::string what;  // "jetson-nano MAXN yolov8n (640)"
  std::string reason;
};

struct Measurements {
  std::vector<Measurement> rows;
  // Devices described by the files themselves, by name: machines that were measured but are not in
  // the catalogue (self_test_report.hpp).
  std::map<std::string, Device> devices;
  std::vector<UnusedRow> unused;
  std::vector<std::string> remarks;         // notes for the user
  std::vector<std::string> unused_columns;  // of latency files, where every column should be known
};

// Adds the rows of a file. Throws base::UserError if the file is no such table, for values that are
// not numbers above 0, and for wrong units; rows with unknown models, metrics or precisions are
// noted as unused.
void read_measurements(const std::string& file, Measurements& into);

// Applies a table of odd rows (TOML). Each [[row]] selects rows by some of device, mode, model,
// batch, source (a part of it) and metric (step_time, power, idle_power); mode "-" selects rows
// without a mode. It gives a reason, and as_device or as_mode, the true device or mode; without
// these the rows are left out. Entries that select nothing are noted as unused. Throws
// base::UserError.
void set_right(Measurements& measurements, const std::string& odd_rows_file);

// Throws base::UserError with both places if two rows give figures for the same case that differ by
// more than half.
void require_agreement(const Measurements& measurements);

// Costs of the step that a row measured.
engine::StepCost step_of(const Measurement& row);

}  // namespace convoy::platforms
