#pragma once

// Predictions held against measurements: what the catalogue says of each row, and what a fit to the
// other rows of its device says that has not seen its model, or its mode.
//
//   const Validation all = validate(std::move(measurements), catalogue);

#include <optional>
#include <string>
#include <vector>

#include "platforms/calibration.hpp"
#include "platforms/catalogue.hpp"
#include "platforms/measurements.hpp"

namespace convoy::platforms {

// A step time (s) or a draw (W).
struct ValidatedRow {
  Measurement row;
  double predicted = 0;                 // by the device's file
  std::optional<double> without_model;  // by a fit to other models
  std::optional<double> without_mode;   // by a fit to other modes
  std::optional<double> without_batch;  // by a fit to other batch sizes; of times
};

// Absolute errors, as shares of what was measured.
struct ErrorSummary {
  std::size_t rows = 0;  // 0: there are none
  double median = 0;
  double p90 = 0;
  double worst = 0;
};

// Of the predictions that some rows have.
struct RowErrors {
  ErrorSummary predicted;
  ErrorSummary without_model;
  ErrorSummary without_mode;
  ErrorSummary without_batch;
};
RowErrors errors_of(const std::vector<const ValidatedRow*>& rows);

// The rows of a device that are times, or draws.
struct ValidatedGroup : RowErrors {
  std::string device;
  Measurement::Metric metric = Measurement::Metric::step_time;
  std::vector<ValidatedRow> rows;
};

struct Validation {
  std::vector<ValidatedGroup> groups;  // by device, times before draws
  std::vector<UnusedRow> unused;       // of the files, and rows of devices and modes unknown here
};

// Fits are made where a device has rows of at least five models (times) or two modes (draws). Draws
// are left out given the times and the idle draws that the device's file has. Idle draws are
// compared with the mode's; they are in no fit. Throws base::UserError where two rows contradict
// each other (require_agreement).
Validation validate(Measurements measurements, Catalogue& catalogue);

// Rows as the fits take them. Power rows get the machine's own idle_w.
Observation observed(const Measurement& row, const Machine& machine);

}  // namespace convoy::platforms
