#pragma once

// Compares predictions with measurements: predictions by the catalogue, and by fits to the device's
// other rows, without those of the same model or mode.
//
//   const Validation all = validate(std::move(measurements), catalogue);

#include <optional>
#include <string>
#include <vector>

#include "platforms/catalogue.hpp"
#include "platforms/fit.hpp"
#include "platforms/measurements.hpp"

namespace convoy::platforms {

// A measured step time (s) or draw (W).
struct ValidatedRow {
  Measurement row;
  double predicted = 0;                 // by the device's file
  std::optional<double> without_model;  // by a fit without its model
  std::optional<double> without_mode;   // by a fit without its mode
  std::optional<double> without_batch;  // by a fit without its batch size; times only
};

// Absolute relative errors.
struct ErrorSummary {
  std::size_t rows = 0;  // 0: no rows
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
  std::vector<UnusedRow> unused;       // of the files, and rows of unknown devices and modes
};

// Fits need rows of at least five models (times) or two modes (draws) of a device. Fits of draws
// use the times and idle draws of the device's file. Measured idle draws are compared with the
// mode's and not fitted. Throws base::UserError if two rows contradict each other
// (require_agreement).
Validation validate(Measurements measurements, Catalogue& catalogue);

// The rows as observations for the fits. Power rows get the machine's own idle_w.
Observation observed(const Measurement& row, const Machine& machine);

}  // namespace convoy::platforms
