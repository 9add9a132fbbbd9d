#pragma once

// What was measured of models on devices, as rows of a table: to fit a device to (calibration.hpp),
// and to hold predictions against. Reports of `convoy-node --self-test` are read (NAME.json), and
// two forms of tables, by their headings:
//
//   device,mode,model,batch,precision,metric,value,unit   one figure a row; where they are there
//   also
//                                                         framework (rows of others than PyTorch
//                                                         are not used) and source
//   model,latency_ms                                      inference; where they are there also
//                                                         device, mode, precision, batch, input
//
// Model: an architecture, and in brackets its input: "resnet50 (224)", "fcn_resnet50 (512x384)"
// (width x height), "bert-large (seq 128)". Precision: fp32, fp32-strict, fp16, fp16-mixed, "amp
// fp16"; float32, float16; what follows the first word, as in "fp32 (inferred)", is not looked at;
// training in fp16 is fp16-mixed. Metric: infer_latency, train_step_time, train_throughput
// (samples/s); infer_power, train_power, idle_power, each with what may follow
// ("infer_power_3_rails": the rails are taken for all of the device).

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
  std::string device;  // as the file names it, without what follows in brackets
  std::string mode;    // empty: the file does not say
  std::string model;   // architecture
  engine::ModelOptions options;
  int batch = 1;
  engine::Precision precision = engine::Precision::fp32;
  bool training = false;
  double rate = 1;  // of the submodel that was trained (engine::nested_submodel)
  engine::Optimizer optimizer = engine::Optimizer::sgd_momentum;  // of training
  Metric metric = Metric::step_time;
  double value = 0;      // s of one step, or W
  std::string source;    // as the file has it
  std::string adjusted;  // why a table of odd rows gave it another device or mode; empty: none did
};

// A row that is not used, and why.
struct UnusedRow {
  std::string place;
  std::string what;  // "jetson-nano MAXN yolov8n (640)"
  std::string reason;
};

struct Measurements {
  std::vector<Measurement> rows;
  // That came along with rows of them, by name: what was measured of a machine that the catalogue
  // does not have (self_test_report.hpp).
  std::map<std::string, Device> devices;
  std::vector<UnusedRow> unused;
  std::vector<std::string> remarks;         // that whoever uses them should know
  std::vector<std::string> unused_columns;  // of files of latencies, whose columns are all ours
};

// Adds what is in a file. Throws base::UserError for what is no such table, for figures that are no
// numbers above 0, and for units that do not fit the metric; rows of what is not known here
// (models, metrics, precisions) are noted as unused.
void read_measurements(const std::string& file, Measurements& into);

// A table of odd rows (TOML): [[row]] tables with some of device, mode, model, batch, source (a
// part of it), metric (step_time, power, idle_power), which say what rows are meant (mode "-":
// those that state none), a reason, and as_device or as_mode, the device and the mode that they
// were measured on in truth; without either they are left out. What names no row is noted as
// unused. Throws base::UserError.
void set_right(Measurements& measurements, const std::string& odd_rows_file);

// Throws base::UserError, naming both places, where two rows say of the same thing figures of which
// one is more than half as large again as the other.
void require_agreement(const Measurements& measurements);

// The costs of a row's step.
engine::StepCost step_of(const Measurement& row);

}  // namespace convoy::platforms
