#pragma once

// One column of a trace over a run's virtual time: repeated, shifted and cut as its user says.
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

  // `before`: the value until the trace begins. The trace has the column, and something of the part
  // that is used: see check().
  Signal(std::shared_ptr<const Trace> trace, Column column, const TraceUse& use, double before);

  // A boundary belongs to what follows it. `until` is later than `time`; infinite where the value
  // never changes again.
  [[nodiscard]] Step at(double time) const;
  [[nodiscard]] double integral(double from, double to) const;  // of the value, from <= to
  [[nodiscard]] double highest() const { return highest_; }     // of all that it ever is
  [[nodiscard]] double lowest() const { return lowest_; }

 private:
  [[nodiscard]] Step inside(double own_time) const;  // in the trace's time; until: likewise

  std::shared_ptr<const Trace> trace_;
  const std::vector<double>* values_;
  TraceUse use_;
  double before_;
  double length_;  // s, of the part that is used
  double highest_;
  double lowest_;
  double part_highest_ = 0;  // of the part that is used
  double part_lowest_ = std::numeric_limits<double>::infinity();
  double last_ = 0;         // stays behind the part that is used, where it is not repeated
  double of_one_pass_ = 0;  // integral over the part, where it is repeated
};

// What is wrong with a use of a trace; empty: nothing.
std::string check(const Trace& trace, const TraceUse& use);

}  // namespace convoy::platforms
