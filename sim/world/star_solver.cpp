#include "sim/world/star_solver.hpp"

#include <algorithm>

namespace convoy::sim {

void StarSolver::advance(double now) {
  if (!below_.empty()) clock_ += static_cast<Shown>(now - now_) * level_;
  now_ = now;
}

void StarSolver::put(Flow flow) {
  const State& state = flows_[flow];
  if (state.ratio() <= level_ && state.limit < unlimited) {
    put_at_limit(flow);
  } else {
    put_below(flow);
  }
}

void StarSolver::put_below(Flow flow) {
  State& state = flows_[flow];
  state.at_limit = false;
  state.shows = clock_ + static_cast<Shown>(state.left) / state.weight;
  below_.emplace(state.ratio(), flow);
  below_ends_.emplace(state.shows, flow);
  weights_below_.add(state.weight);
}

void StarSolver::put_at_limit(Flow flow) {
  State& state = flows_[flow];
  state.at_limit = true;
  state.since = now_;
  state.end = state.left <= 0   ? now_
              : state.limit > 0 ? now_ + state.left / state.limit
                                : unlimited;
  at_limit_.emplace(state.ratio(), flow);
  at_limit_ends_.emplace(state.end, flow);
  limits_reached_.add(state.limit);
}

void StarSolver::take_out(Flow flow) {
  State& state = flows_[flow];
  state.left = left(now_, flow);
  if (state.at_limit) {
    at_limit_.erase({state.ratio(), flow});
    at_limit_ends_.erase({state.end, flow});
    limits_reached_.add(-state.limit);
    if (at_limit_.empty()) limits_reached_.clear();
  } else {
    below_.erase({state.ratio(), flow});
    below_ends_.erase({state.shows, flow});
    weights_below_.add(-state.weight);
    if (below_.empty()) weights_below_.clear();
  }
}

void StarSolver::find_level() {
  const double left = capacity_ - limits_reached_.value();
  if (!below_.empty()) {
    level_ = std::max(left, 0.0) / weights_below_.value();
  } else {
    level_ = left >= 0 ? unlimited : 0;
  }
}

// Both kinds of moves raise the level: the rates of those at their limits above the level are too
// high, and so are those of flows that the level takes beyond their limits. So no move has to be
// taken back, apart from rounding.
void StarSolver::settle() {
  find_level();
  while (!at_limit_.empty() && at_limit_.rbegin()->first > level_) {
    const Flow flow = at_limit_.rbegin()->second;
    take_out(flow);
    put_below(flow);
    ++moves_;
    find_level();
  }
  while (!below_.empty() && below_.begin()->first <= level_) {
    const Flow flow = below_.begin()->second;
    take_out(flow);
    put_at_limit(flow);
    ++moves_;
    find_level();
  }
  constexpr std::size_t seldom = 1000;
  if (++changes_ > below_.size() + seldom) start_clock_anew();
}

// So that neither the clock nor the sums lose digits in a long run.
void StarSolver::start_clock_anew() {
  changes_ = 0;
  OrderedByClock ends;
  weights_below_.clear();
  for (const auto& [shows, flow] : below_ends_) {
    flows_[flow].shows = shows - clock_;
    ends.emplace_hint(ends.end(), flows_[flow].shows, flow);
    weights_below_.add(flows_[flow].weight);
  }
  below_ends_ = std::move(ends);
  clock_ = 0;
  limits_reached_.clear();
  for (const auto& [ratio, flow] : at_limit_) limits_reached_.add(flows_[flow].limit);
  find_level();
}

StarSolver::Flow StarSolver::add(double now, double bytes, double weight, double limit) {
  advance(now);
  if (below_.empty()) clock_ = 0;
  if (free_.empty()) {
    free_.push_back(static_cast<Flow>(flows_.size()));
    flows_.emplace_back();
  }
  const Flow flow = free_.back();
  free_.pop_back();
  flows_[flow] = {.weight = weight, .limit = limit, .left = bytes, .since = now};
  put(flow);
  settle();
  return flow;
}

void StarSolver::remove(double now, Flow flow) {
  advance(now);
  take_out(flow);
  free_.push_back(flow);
  settle();
}

void StarSolver::set_limit(double now, Flow flow, double limit) {
  if (flows_[flow].limit == limit) return;
  advance(now);
  take_out(flow);
  flows_[flow].limit = limit;
  put(flow);
  settle();
}

void StarSolver::set_weight(double now, Flow flow, double weight) {
  if (flows_[flow].weight == weight) return;
  advance(now);
  take_out(flow);
  flows_[flow].weight = weight;
  put(flow);
  settle();
}

void StarSolver::set_capacity(double now, double capacity) {
  if (capacity == capacity_) return;
  advance(now);
  capacity_ = capacity;
  settle();
}

double StarSolver::end_below(Shown clock) const {
  const auto way = static_cast<double>(clock - clock_);
  if (way <= 0) return now_;
  return level_ > 0 ? now_ + way / level_ : unlimited;
}

double StarSolver::next_end() const {
  double next = unlimited;
  if (!below_ends_.empty()) next = end_below(below_ends_.begin()->first);
  if (!at_limit_ends_.empty()) next = std::min(next, at_limit_ends_.begin()->first);
  return next;
}

std::vector<StarSolver::Flow> StarSolver::ending_by(double time) const {
  std::vector<Flow> ending;
  for (const auto& [end, flow] : at_limit_ends_) {
    if (end > time) break;
    ending.push_back(flow);
  }
  for (const auto& [clock, flow] : below_ends_) {
    if (end_below(clock) > time) break;
    ending.push_back(flow);
  }
  return ending;
}

double StarSolver::rate(Flow flow) const {
  const State& state = flows_[flow];
  return state.at_limit ? state.limit : std::min(state.limit, state.weight * level_);
}

double StarSolver::left(double now, Flow flow) const {
  const State& state = flows_[flow];
  if (state.at_limit) {
    const double moved = state.limit > 0 ? state.limit * (now - state.since) : 0;
    return std::max(state.left - moved, 0.0);
  }
  const Shown shows = now > now_ ? clock_ + static_cast<Shown>(now - now_) * level_ : clock_;
  return std::max(state.weight * static_cast<double>(state.shows - shows), 0.0);
}

}  // namespace convoy::sim
