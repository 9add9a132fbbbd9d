#include "sim/plan/pipeline_recurrence.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "sim/plan/require.hpp"

namespace convoy::sim {
namespace {

// Ends of forwards and backwards, by step and micro-batch; negative: not known yet.
class LineRun {
 public:
  LineRun(const PipelineLine& line, bool is_in_order)
      : line_(line),
        is_in_order_(is_in_order),
        steps_(line.forward_s.size()),
        count_(static_cast<std::size_t>(line.microbatches)),
        forward_(steps_ * count_, -1),
        backward_(steps_ * count_, -1),
        done_(steps_, 0) {}

  LineTimes run() {
    for (std::size_t left = steps_ * 2 * count_; left > 0;) {
      std::size_t now = 0;
      for (std::size_t step = 0; step < steps_; ++step) now += advance(step);
      require("pipeline", now > 0,
              "micro-batches in flight must not rise from a stage to the next");
      left -= now;
    }
    LineTimes times;
    for (std::size_t step = 0; step < steps_; ++step) {
      double end = 0;
      for (std::size_t i = 0; i < count_; ++i) end = std::max(end, backward_[at(step, i)]);
      times.ends_s.push_back(end);
      times.makespan_s = std::max(times.makespan_s, end);
    }
    return times;
  }

 private:
  [[nodiscard]] std::size_t at(std::size_t step, std::size_t i) const { return step * count_ + i; }

  [[nodiscard]] std::size_t in_flight(std::size_t step) const {
    if (line_.order != PipelineOrder::one_f_one_b) return count_;
    return std::min(count_, static_cast<std::size_t>(line_.in_flight[step]));
  }

  // What a step does n-th: a micro-batch, and whether forward.
  [[nodiscard]] std::pair<std::size_t, bool> operation(std::size_t step, std::size_t n) const {
    const std::size_t k = in_flight(step);
    if (n < k) return {n, true};
    if (n >= 2 * count_ - k) {  // only backwards are left
      const std::size_t i = n - count_;
      return {line_.order == PipelineOrder::gpipe_reverse ? count_ - 1 - i : i, false};
    }
    const std::size_t past = n - k;
    return {past % 2 == 0 ? past / 2 : k + (past / 2), past % 2 == 1};
  }

  // Does what can be done on a step; returns how many operations.
  std::size_t advance(std::size_t step) {
    std::size_t now = 0;
    while (done_[step] < 2 * count_) {
      const auto [i, is_forward] = operation(step, done_[step]);
      const double ready = is_forward ? ready_forward(step, i) : ready_backward(step, i);
      if (ready < 0) break;
      auto& ends = is_forward ? forward_ : backward_;
      ends[at(step, i)] = ready + (is_forward ? line_.forward_s[step] : line_.backward_s[step]);
      ++done_[step];
      ++now;
    }
    return now;
  }

  [[nodiscard]] double ready_forward(std::size_t step, std::size_t i) const {
    double ready = before(step);
    if (step > 0) {
      const double arrival = forward_[at(step - 1, i)];
      if (arrival < 0) return -1;
      ready = std::max(ready, arrival);
    }
    return ready;
  }

  [[nodiscard]] double ready_backward(std::size_t step, std::size_t i) const {
    double ready = before(step);
    if (step + 1 < steps_) {
      const double arrival = backward_[at(step + 1, i)];
      if (arrival < 0) return -1;
      ready = std::max(ready, arrival);
    }
    return ready;
  }

  // The end of what the step did before: in order of its last operation; as published, a backward
  // does not wait for the one before it.
  [[nodiscard]] double before(std::size_t step) const {
    const std::size_t n = done_[step];
    if (n == 0) return 0;
    const auto [now, is_forward] = operation(step, n);
    if (is_in_order_) return end_of(step, n - 1);
    if (!is_forward) return forward_[at(step, std::min(now + in_flight(step), count_) - 1)];
    double ready = now > 0 ? forward_[at(step, now - 1)] : 0;
    if (now >= in_flight(step)) {
      ready = std::max(ready, backward_[at(step, now - in_flight(step))]);
    }
    return ready;
  }

  [[nodiscard]] double end_of(std::size_t step, std::size_t n) const {
    const auto [i, is_forward] = operation(step, n);
    return is_forward ? forward_[at(step, i)] : backward_[at(step, i)];
  }

  const PipelineLine& line_;
  bool is_in_order_ = true;
  std::size_t steps_ = 0;
  std::size_t count_ = 0;
  std::vector<double> forward_;
  std::vector<double> backward_;
  std::vector<std::size_t> done_;
};

}  // namespace

LineTimes makespan_fifo(const PipelineLine& line) { return LineRun(line, true).run(); }

LineTimes makespan_as_published(const PipelineLine& line) { return LineRun(line, false).run(); }

PipelineLine line_of(const PipelineProblem& problem, const PipelinePlan& plan) {
  const PipelineForecast forecast = forecast_round(problem, plan);
  PipelineLine line{.microbatches = plan.microbatches, .order = plan.order};
  for (const PipelineStep& step : forecast.steps) {
    line.forward_s.push_back(step.forward_s);
    line.backward_s.push_back(step.backward_s);
  }
  for (std::size_t s = 0; s < plan.stages.size(); ++s) {
    const int window = plan.stages[s].window;
    if (s > 0) line.in_flight.push_back(std::max(window, plan.stages[s - 1].window - 1));
    line.in_flight.push_back(window);
  }
  return line;
}

double round_in_order(const PipelineProblem& problem, const PipelinePlan& plan) {
  const PipelineForecast forecast = forecast_round(problem, plan);
  const LineTimes times = makespan_fifo(line_of(problem, plan));
  if (plan.stashes_weights) return times.makespan_s;  // all-reduce and update are in the backward
  double round = times.makespan_s;
  for (std::size_t s = 0; s < plan.stages.size(); ++s) {
    round = std::max(round, times.ends_s[2 * s] + forecast.all_reduce_s[s] + forecast.update_s[s]);
  }
  return round;
}

}  // namespace convoy::sim
