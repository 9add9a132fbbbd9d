#include "sim/plan/pipeline_lanes.hpp"

#include <algorithm>
#include <limits>
#include <queue>
#include <utility>
#include <vector>

#include "sim/plan/pipeline_parts.hpp"
#include "sim/plan/require.hpp"

namespace convoy::sim {
namespace {

std::size_t nth(int i) { return static_cast<std::size_t>(i); }

bool is_half_duplex(const PipelineProblem& problem, const StageMember& member) {
  return problem.devices[nth(member.device)].is_half_duplex;
}

// s for the samples that members of both groups have, behind a layer.
double pieces_s(const PipelineProblem& problem, const std::vector<StageMember>& from,
                const std::vector<StageMember>& to, double bytes_per_sample) {
  std::vector<double> receives(to.size(), 0);
  double longest = 0;
  int begin = 0;
  for (const StageMember& sender : from) {
    const int end = begin + sender.samples;
    double sends = 0;
    int first = 0;
    for (std::size_t j = 0; j < to.size(); ++j) {
      const int last = first + to[j].samples;
      const int both = std::min(end, last) - std::max(begin, first);
      if (both > 0) {
        const double seconds =
            problem.latency_s +
            both * bytes_per_sample / problem.bandwidth(sender.device, to[j].device);
        sends += seconds;
        receives[j] += seconds;
      }
      first = last;
    }
    longest = std::max(longest, sends);
    begin = end;
  }
  for (const double seconds : receives) longest = std::max(longest, seconds);
  return longest;
}

class LaneRun {
 public:
  LaneRun(const PipelineProblem& problem, const PipelinePlan& plan)
      : plan_(plan), count_(plan.microbatches), stages_(plan.stages.size()) {
    const PipelineForecast forecast = forecast_round(problem, plan);
    for (std::size_t s = 0; s < stages_.size(); ++s) {
      const PipelineStage& planned = plan.stages[s];
      Stage& stage = stages_[s];
      stage.window = plan.order == PipelineOrder::one_f_one_b ? planned.window : count_;
      stage.forward_s = forecast.steps[2 * s].forward_s;
      stage.backward_s = forecast.steps[2 * s].backward_s;
      stage.is_half_duplex = std::ranges::any_of(
          planned.members, [&](const StageMember& m) { return is_half_duplex(problem, m); });
      stage.update_s = plan.stashes_weights ? 0 : forecast.update_s[s];
      if (!plan.stashes_weights) {
        stage.reduce_s = forecast.all_reduce_s[s] * (stage.is_half_duplex ? 2 : 1);
      }
      stage.came.assign(nth(count_), s == 0);
      stage.returned.assign(nth(count_), s + 1 == stages_.size());
      if (s == 0) continue;
      const PipelineStage& before = plan.stages[s - 1];
      const int cut = planned.layers.first - 1;
      stages_[s - 1].ahead_s =
          pieces_s(problem, before.members, planned.members,
                   problem.costs->forward_bytes(cut, plan.microbatch) / plan.microbatch);
      stage.back_s =
          pieces_s(problem, planned.members, before.members,
                   problem.costs->backward_bytes(cut, plan.microbatch) / plan.microbatch);
    }
  }

  double run() {
    begin_all(0);
    double now = 0;
    while (!events_.empty()) {
      now = events_.top().time;
      while (!events_.empty() && events_.top().time == now) {
        const Event event = events_.top();
        events_.pop();
        end(event);
      }
      begin_all(now);
    }
    for (const Stage& stage : stages_) {
      require("pipeline", stage.done == 2 * count_,
              "micro-batches in flight must not rise from a stage to the next");
    }
    return now;
  }

 private:
  enum class What { compute, ahead, back, reduce, update };

  struct Stage {
    int window = 1;
    double forward_s = 0;
    double backward_s = 0;
    double ahead_s = 0;  // to the next stage
    double back_s = 0;   // to the one before
    double reduce_s = 0;
    double update_s = 0;
    bool is_half_duplex = false;
    std::vector<bool> came;      // by micro-batch: its activations are here
    std::vector<bool> returned;  // its gradients
    int done = 0;                // forwards and backwards
    bool computes = false;
    bool sends = false;
    bool receives = false;
  };
  struct Event {
    double time = 0;
    int order = 0;  // of those at the same time
    What what = What::compute;
    int stage = 0;
    int microbatch = 0;
    bool is_forward = false;
    bool operator<(const Event& other) const {
      return std::pair(time, order) > std::pair(other.time, other.order);
    }
  };
  struct Sending {
    What what = What::ahead;  // or back, reduce
    int stage = 0;            // that sends
    int microbatch = 0;
  };

  // What a stage does n-th: a micro-batch, and whether forward.
  [[nodiscard]] std::pair<int, bool> instruction(const Stage& stage, int n) const {
    const int window = std::min(stage.window, count_);
    if (n < window) return {n, true};
    if (n >= 2 * count_ - window) {
      const int i = n - count_;
      return {plan_.order == PipelineOrder::gpipe_reverse ? count_ - 1 - i : i, false};
    }
    const int past = n - window;
    return past % 2 == 0 ? std::pair(past / 2, false) : std::pair(window + (past / 2), true);
  }

  void add(double time, What what, int stage, int microbatch, bool is_forward) {
    events_.push({time, order_++, what, stage, microbatch, is_forward});
  }

  void end(const Event& event) {
    Stage& stage = stages_[nth(event.stage)];
    switch (event.what) {
      case What::compute:
        stage.computes = false;
        ++stage.done;
        if (event.is_forward && event.stage + 1 < std::ssize(stages_)) {
          waiting_.push_back({What::ahead, event.stage, event.microbatch});
        }
        if (!event.is_forward && event.stage > 0) {
          waiting_.push_back({What::back, event.stage, event.microbatch});
        }
        if (stage.done == 2 * count_) waiting_.push_back({What::reduce, event.stage, 0});
        break;
      case What::ahead:
        stage.sends = false;
        stages_[nth(event.stage + 1)].receives = false;
        stages_[nth(event.stage + 1)].came[nth(event.microbatch)] = true;
        break;
      case What::back:
        stage.sends = false;
        stages_[nth(event.stage - 1)].receives = false;
        stages_[nth(event.stage - 1)].returned[nth(event.microbatch)] = true;
        break;
      case What::reduce:
        stage.sends = false;
        stage.receives = false;
        add(event.time + stage.update_s, What::update, event.stage, 0, false);
        break;
      case What::update:
        break;
    }
  }

  void begin_all(double now) {
    for (int s = 0; s < std::ssize(stages_); ++s) begin_compute(s, now);
    for (std::size_t i = 0; i < waiting_.size();) {
      if (begin_sending(waiting_[i], now)) {
        waiting_.erase(waiting_.begin() + static_cast<std::ptrdiff_t>(i));
      } else {
        ++i;
      }
    }
  }

  void begin_compute(int s, double now) {
    Stage& stage = stages_[nth(s)];
    if (stage.computes || stage.done == 2 * count_) return;
    const auto [microbatch, is_forward] = instruction(stage, stage.done);
    if (!(is_forward ? stage.came : stage.returned)[nth(microbatch)]) return;
    stage.computes = true;
    add(now + (is_forward ? stage.forward_s : stage.backward_s), What::compute, s, microbatch,
        is_forward);
  }

  [[nodiscard]] static bool can_send(const Stage& stage) {
    return !stage.sends && !(stage.is_half_duplex && stage.receives);
  }
  [[nodiscard]] static bool can_receive(const Stage& stage) {
    return !stage.receives && !(stage.is_half_duplex && stage.sends);
  }

  bool begin_sending(const Sending& sending, double now) {
    Stage& stage = stages_[nth(sending.stage)];
    if (sending.what == What::reduce) {
      if (stage.sends || stage.receives) return false;
      stage.sends = stage.receives = true;
      add(now + stage.reduce_s, What::reduce, sending.stage, 0, false);
      return true;
    }
    const bool is_ahead = sending.what == What::ahead;
    Stage& other = stages_[nth(sending.stage + (is_ahead ? 1 : -1))];
    if (!can_send(stage) || !can_receive(other)) return false;
    stage.sends = true;
    other.receives = true;
    add(now + (is_ahead ? stage.ahead_s : stage.back_s), sending.what, sending.stage,
        sending.microbatch, is_ahead);
    return true;
  }

  const PipelinePlan& plan_;
  int count_ = 1;
  std::vector<Stage> stages_;
  std::priority_queue<Event> events_;
  std::vector<Sending> waiting_;  // in the order in which they became ready
  int order_ = 0;
};

}  // namespace

double round_on_lanes(const PipelineProblem& problem, const PipelinePlan& plan) {
  return LaneRun(problem, plan).run();
}

}  // namespace convoy::sim
