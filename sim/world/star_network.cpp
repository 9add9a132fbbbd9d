#include "sim/world/star_network.hpp"

#include <algorithm>

#include "sim/world/weighted_shares.hpp"

namespace convoy::sim {

StarNetwork::Link StarNetwork::add_own_link(double capacity) {
  links_.push_back({capacity, 0, {}});
  return static_cast<Link>(links_.size()) - 1;
}

StarNetwork::Link StarNetwork::add_shared_link(double capacity) {
  const Link link = add_own_link(capacity);
  at(link).star = stars_.size();
  stars_.emplace_back(capacity);
  shared_.push_back(link);
  owners_.emplace_back();
  ends_.push_back(unlimited);
  return link;
}

void StarNetwork::set_capacity(double now, Link link, double capacity) {
  LinkState& state = at(link);
  if (state.capacity == capacity) return;
  begin_change(now);
  state.capacity = capacity;
  if (is_of_stars() && !filled_) {
    if (state.star > 0) {
      stars_[state.star].set_capacity(now, capacity);
      touch(state.star);
    }
    for (const Flow id : state.flows) {
      const FlowState& flow = flows_[id];
      stars_[flow.star].set_limit(now, flow.place, limit_of(flow));
      touch(flow.star);
    }
  } else {
    bypassed_ = true;
  }
}

StarNetwork::Flow StarNetwork::add(double now, double bytes, double weight, double limit,
                                   std::vector<Link> path) {
  begin_change(now);
  if (free_.empty()) {
    free_.push_back(static_cast<Flow>(flows_.size()));
    flows_.emplace_back();
  }
  const Flow id = free_.back();
  free_.pop_back();
  FlowState& flow = flows_[id];
  flow = {.weight = weight, .limit = limit, .path = std::move(path), .is_there = true};
  int shared = 0;
  for (const Link link : flow.path) {
    LinkState& state = at(link);
    if (state.star > 0) {
      if (++shared == 1) flow.star = state.star;
      continue;
    }
    state.flows.push_back(id);
    if (state.flows.size() == 2) ++crowded_;
  }
  flow.is_wide = shared > 1;
  if (flow.is_wide) ++wide_;
  // Where all rates are computed by filling, the flow stands still until then.
  const bool by_star = is_of_stars() && !filled_;
  if (!by_star) bypassed_ = true;
  flow.place = stars_[flow.star].add(now, bytes, weight, by_star ? limit_of(flow) : 0);
  auto& owners = owners_[flow.star];
  if (owners.size() <= flow.place) owners.resize(flow.place + 1);
  owners[flow.place] = id;
  touch(flow.star);
  return id;
}

void StarNetwork::remove(double now, Flow id) {
  begin_change(now);
  FlowState& flow = flows_[id];
  stars_[flow.star].remove(now, flow.place);
  touch(flow.star);
  for (const Link link : flow.path) {
    LinkState& state = at(link);
    if (state.star > 0) continue;
    std::erase(state.flows, id);
    if (state.flows.size() == 1) --crowded_;
  }
  if (flow.is_wide) --wide_;
  flow.is_there = false;
  free_.push_back(id);
}

double StarNetwork::limit_of(const FlowState& flow) const {
  double limit = flow.limit;
  for (const Link link : flow.path) {
    if (at(link).star == 0) limit = std::min(limit, at(link).capacity);
  }
  return limit;
}

void StarNetwork::begin_change(double now) {
  if (now > changed_at_) settle();
  changed_at_ = now;
  is_settled_ = false;
}

void StarNetwork::settle() {
  if (is_settled_) return;
  is_settled_ = true;
  if (!is_of_stars()) {
    fill(changed_at_);
  } else if (filled_ || bypassed_) {
    to_stars(changed_at_);
  }
  plan();
}

// The stars only keep the flows' progress: their capacities are unlimited, and the rates are the
// flows' limits.
void StarNetwork::fill(double now) {
  ++fillings_;
  std::vector<Flow> ids;
  std::vector<SharingFlow> flows;
  for (Flow id = 0; id < flows_.size(); ++id) {
    const FlowState& flow = flows_[id];
    if (!flow.is_there) continue;
    ids.push_back(id);
    flows.push_back({flow.weight, flow.limit, flow.path});
  }
  std::vector<double> capacity;
  capacity.reserve(links_.size());
  for (const LinkState& link : links_) capacity.push_back(link.capacity);
  const std::vector<double> rates = weighted_shares(flows, capacity);
  if (!filled_) {
    // First what each gets, so that no flow is without any limit.
    for (std::size_t i = 0; i < ids.size(); ++i) {
      const FlowState& flow = flows_[ids[i]];
      stars_[flow.star].set_limit(now, flow.place, rates[i]);
    }
    for (std::size_t star = 1; star < stars_.size(); ++star) {
      stars_[star].set_capacity(now, unlimited);
      touch(star);
    }
    touch(0);
  }
  filled_ = true;
  bypassed_ = false;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const FlowState& flow = flows_[ids[i]];
    if (stars_[flow.star].rate(flow.place) == rates[i]) continue;
    stars_[flow.star].set_limit(now, flow.place, rates[i]);
    touch(flow.star);
  }
}

void StarNetwork::to_stars(double now) {
  filled_ = false;
  bypassed_ = false;
  for (std::size_t star = 1; star < stars_.size(); ++star) {
    stars_[star].set_capacity(now, at(shared_[star]).capacity);
    touch(star);
  }
  for (const FlowState& flow : flows_) {
    if (flow.is_there) stars_[flow.star].set_limit(now, flow.place, limit_of(flow));
  }
  touch(0);
}

void StarNetwork::touch(std::size_t star) {
  if (touched_.empty() || touched_.back() != star) touched_.push_back(star);
}

void StarNetwork::plan() {
  for (const std::size_t star : touched_) {
    const double end = stars_[star].next_end();
    if (end == ends_[star]) continue;
    next_ends_.erase({ends_[star], star});
    ends_[star] = end;
    if (end < unlimited) next_ends_.emplace(end, star);
  }
  touched_.clear();
}

double StarNetwork::next_end() {
  settle();
  return next_ends_.empty() ? unlimited : next_ends_.begin()->first;
}

std::vector<StarNetwork::Flow> StarNetwork::ending_by(double time) {
  settle();
  std::vector<Flow> ending;
  for (const auto& [end, star] : next_ends_) {
    if (end > time) break;
    for (const StarSolver::Flow place : stars_[star].ending_by(time)) {
      ending.push_back(owners_[star][place]);
    }
  }
  return ending;
}

double StarNetwork::rate(Flow flow) {
  settle();
  return stars_[flows_[flow].star].rate(flows_[flow].place);
}

double StarNetwork::left(double now, Flow flow) const {
  return stars_[flows_[flow].star].left(now, flows_[flow].place);
}

std::uint64_t StarNetwork::moves() const {
  std::uint64_t moves = 0;
  for (const StarSolver& star : stars_) moves += star.moves();
  return moves;
}

}  // namespace convoy::sim
