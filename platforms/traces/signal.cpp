#include "platforms/traces/signal.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace convoy::platforms {
namespace {

constexpr double never = std::numeric_limits<double>::infinity();

// Tolerance: rounding may shift a boundary slightly.
double hair(double time) {
  return 1e-12 + 16 * std::numeric_limits<double>::epsilon() * std::abs(time);
}

}  // namespace

std::string check(const Trace& trace, const TraceUse& use) {
  const double end = std::min(use.to_s, trace.time.back());
  if (use.from_s > trace.time.back()) {
    return fmt::format("from_s = {:g}, but {} ends at {:g} s", use.from_s, trace.name,
                       trace.time.back());
  }
  if (use.to_s <= use.from_s) return "to_s must come after from_s";
  constexpr double shortest_s = 1e-3;  // each repetition is an event
  if (use.loop && end - use.from_s < shortest_s) {
    return fmt::format("loop = true, but {} has less than {:g} s to repeat there", trace.name,
                       shortest_s);
  }
  // With a speed or rate of 0 at all times no activity would end.
  for (const Column column : {Column::speed, Column::up_bps, Column::down_bps}) {
    const std::vector<double>& v = trace.of(column);
    bool moves = v.empty();
    for (std::size_t i = 0; i < v.size() && !moves; ++i) {
      const bool used =
          trace.time[i] < end && (i + 1 == v.size() || trace.time[i + 1] > use.from_s);
      const bool stays = i + 1 == v.size() && !use.loop && use.to_s >= trace.time.back();
      moves = v[i] > 0 && (used || stays);
    }
    if (!moves) {
      return fmt::format(
          "{}: {} is 0 in all of the part that is used; say available = 0 for a "
          "node that is away",
          trace.name, name_of(column_words, column));
    }
  }
  return "";
}

Signal::Signal(std::shared_ptr<const Trace> trace, Column column, const TraceUse& use,
               double before)
    : trace_(std::move(trace)),
      values_(&trace_->of(column)),
      use_(use),
      before_(before),
      length_(std::min(use.to_s, trace_->time.back()) - use.from_s) {
  if (use_.loop) use_.phase_s = std::fmod(use_.phase_s, length_);
  highest_ = use_.start_s > 0 ? before_ : 0;
  lowest_ = use_.start_s > 0 ? before_ : never;
  const auto cut = std::lower_bound(trace_->time.begin(), trace_->time.end(), use_.to_s);
  last_ =
      (*values_)[static_cast<std::size_t>(std::max<std::ptrdiff_t>(cut - trace_->time.begin(), 1)) -
                 1];
  for (double t = 0; t <= length_;) {
    const Step step = inside(use_.from_s + t);
    part_highest_ = std::max(part_highest_, step.value);
    part_lowest_ = std::min(part_lowest_, step.value);
    const double next = step.until - use_.from_s;
    if (use_.loop) of_one_pass_ += step.value * (std::min(next, length_) - t);
    if (next <= t) break;
    t = next;
  }
  highest_ = std::max(highest_, part_highest_);
  lowest_ = std::min(lowest_, part_lowest_);
}

Signal::Step Signal::inside(double own_time) const {
  const std::vector<double>& time = trace_->time;
  const auto next = std::upper_bound(time.begin(), time.end(), own_time + hair(own_time));
  const auto i = static_cast<std::size_t>(std::max<std::ptrdiff_t>(next - time.begin(), 1)) - 1;
  return {(*values_)[i], next == time.end() ? never : *next};
}

Signal::Step Signal::at(double time) const {
  if (time + hair(time) < use_.start_s) return {before_, use_.start_s};
  // A constant part needs no repetition.
  if (use_.loop && part_lowest_ == part_highest_) return {part_lowest_};
  const double since = time - use_.start_s + use_.phase_s;
  if (!use_.loop) {
    const double own = use_.from_s + since;
    // After the used part its last value holds.
    if (since + hair(time) >= length_) return {last_};
    const Step step = inside(own);
    const double until = std::min(step.until - use_.from_s, length_);
    return {step.value, std::max(use_.start_s - use_.phase_s + until, time + hair(time))};
  }
  double pass = std::floor((since + hair(time)) / length_);
  const double own = std::max(since - pass * length_, 0.0);
  const Step step = inside(use_.from_s + own);
  const double until = std::min(step.until - use_.from_s, length_);
  return {step.value,
          std::max(use_.start_s - use_.phase_s + pass * length_ + until, time + hair(time))};
}

double Signal::integral(double from, double to) const {
  double sum = 0;
  double t = from;
  // Whole passes at once.
  if (use_.loop && to - from > 2 * length_ && from >= use_.start_s) {
    const double passes = std::floor((to - from) / length_) - 1;
    sum += passes * of_one_pass_;
    t += passes * length_;
  }
  while (t < to) {
    const Step step = at(t);
    const double until = std::min(step.until, to);
    sum += step.value * (until - t);
    t = until;
  }
  return sum;
}

}  // namespace convoy::platforms
