#pragma once

// One column of a trace over virtual time: repeated, shifted and cut as in TraceUse.
//
//   Signal power(trace, Column::power_w, {.loop = true});
//   const Signal::Step step = power.at(12.5);     // its value, and until when it stays
//   power.integral(0, 60);                        // joules

#include <limits>
#include <memory>

#include "platforms/traces/trace.hpp"

namespace convoy::platforms {

class Signal {
 public:
  struct Step {
    double value = 0;
    double until = std::numeric_limits<double>::infinity();  // s; of virtual time
  };

  // `before`: value until the trace begins. The trace must have the column, and the used part must
  // not be empty: see check().
  Signal(std::shared_ptr<const Trace> trace, Column column, const TraceUse& use, double before);

  // At a boundary gives the value after it. `until` is later than `time`; infinite if the value
  // never changes again.
  [[nodiscard]] Step at(double time) const;
  [[nodiscard]] double integral(double from, double to) const;  // from <= to
  [[nodiscard]] double highest() const { return highest_; }     // maximum over all times
  [[nodiscard]] double lowest() const { return lowest_; }

 private:
  [[nodiscard]] Step inside(double own_time) const;  // in the trace's own time

  std::shared_ptr<const Trace> trace_;
  const std::vector<double>* values_;
  TraceUse use_;
  double before_;
  double length_;  // of the used part, s
  double highest_;
  double lowest_;
  double part_highest_ = 0;  // of the used part
  double part_lowest_ = std::numeric_limits<double>::infinity();
  double last_ = 0;         // value after the used part, if not repeated
  double of_one_pass_ = 0;  // integral over the used part, if repeated
};

// Describes an invalid use of a trace; empty: valid.
std::string check(const Trace& trace, const TraceUse& use);

}  // namespace convoy::platforms
