#include "sim/world/elastic_clock.hpp"

#include <algorithm>
#include <utility>

namespace convoy::sim {
namespace {

// External events are delayed by this much after existing ones, so that their instants differ and a
// replay keeps the order. Larger than SimGrid's precision of 1e-9 s.
constexpr double moment_s = 1e-7;
constexpr WallSeconds shortest_wait(2e-5);
constexpr double hair_s = 1e-9;  // SimGrid's precision
// Smaller delays come from moment_s or from rounding.
constexpr double on_time_s = 1e-6;

}  // namespace

ElasticClock::ElasticClock(ClockOptions options, std::function<WallTime()> wall,
                           WallSeconds patience)
    : options_(options), wall_(std::move(wall)), patience_(patience) {}

ElasticClock::Id ElasticClock::begin(const Start& start) {
  const std::lock_guard lock(mutex_);
  const Id id = next_id_++;
  entries_[id].start = start;
  return id;
}

void ElasticClock::hold(Id id, double now) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(id);
  if (found == entries_.end()) return;
  Entry& e = found->second;
  e.start.time = now;
  e.start.bounds = true;
  e.held = true;
  e.stopped = false;
  if (e.over) e.end = end_of_held(e);
  holding_.insert(id);
}

bool ElasticClock::holds() const {
  const std::lock_guard lock(mutex_);
  return !holding_.empty();
}

void ElasticClock::withdraw(Id id) {
  const std::lock_guard lock(mutex_);
  entries_.erase(id);
  holding_.erase(id);
}

void ElasticClock::schedule(double time, const Presence& presence) {
  const std::lock_guard lock(mutex_);
  scheduled_.emplace(time, presence);
}

void ElasticClock::live_from(double time) {
  const std::lock_guard lock(mutex_);
  live_from_ = time;
}

void ElasticClock::set_origin(double now) {
  if (std::exchange(has_origin_, true)) return;
  origin_virtual_ = std::max(now, live_from_);
  origin_wall_ = wall_();
}

double ElasticClock::virtual_at(WallTime stamp) const {
  return origin_virtual_ + virtual_seconds(stamp - origin_wall_);
}

double ElasticClock::virtual_seconds(WallSeconds wall) const {
  return options_.mode == ClockMode::paced ? options_.pace * wall.count() : wall.count();
}

WallSeconds ElasticClock::wall_seconds(double virtual_seconds) const {
  const double pace = options_.mode == ClockMode::paced ? options_.pace : 1;
  return WallSeconds(virtual_seconds / pace);
}

// Limit for virtual time set by an activity that is not over.
double ElasticClock::bound(const Entry& e, WallTime wall_now) const {
  const double least = std::max(e.start.time, live_from_);
  if (e.stopped) return std::max(least, e.end);
  if (!e.running) return least;
  const double passed =
      options_.mode == ClockMode::paced
          ? virtual_at(wall_now - e.allowance)
          : e.start.time + (wall_now - e.wall_start).count() - e.allowance.count();
  return std::max(least, passed);
}

// A held activity ends at its modelled end; if known before to end later or to fail, at that time.
double ElasticClock::end_of_held(const Entry& e) {
  const bool replayed = e.end == never || e.cause != Cause::none;
  return replayed ? std::max(e.end, e.start.time) : e.start.time;
}

// The node is lost, and the simulation has not been told yet.
bool ElasticClock::is_leaving(NodeId node) const {
  return std::any_of(happened_.begin(), happened_.end(),
                     [&](const Presence& p) { return p.node == node && !p.present; });
}

double ElasticClock::outside_time(double now) const { return std::max(now + moment_s, live_from_); }

void ElasticClock::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  entries_.clear();
  scheduled_.clear();
  happened_.clear();
  holding_.clear();
}

ElasticClock::Outlook ElasticClock::outlook(double now, WallTime wall_now) {
  const bool paced = options_.mode == ClockMode::paced;
  Outlook o;
  o.limit = paced ? std::max(virtual_at(wall_now), live_from_) : never;
  o.moves = paced;
  o.first = scheduled_.empty() ? never : std::max(now, scheduled_.begin()->first);
  o.outside = !happened_.empty();
  for (auto& [id, e] : entries_) {
    // Events too late for their own instant get a new one; a replay uses the same instant.
    if (e.over && e.start.bounds && !e.immediate && e.end < now - hair_s) {
      e.late += now - e.end;
      e.end = now + moment_s;
    }
    if (e.immediate) {
      o.outside = true;
    } else if (!e.start.bounds) {
      continue;
    } else if (e.over) {
      o.first = std::min(o.first, std::max(e.end, now));
    } else if (e.held) {
      if (is_leaving(e.start.node)) continue;
      o.awaited = true;
      o.limit = std::min(o.limit, e.start.time);
    } else if (const double b = bound(e, wall_now); b < o.limit) {
      o.limit = b;
      o.moves = paced || (e.running && !e.stopped);
    }
  }
  return o;
}

double ElasticClock::next(double now, double horizon) {
  std::unique_lock lock(mutex_);
  if (closed_) return horizon;
  set_origin(now);
  deliver_until_ = -never;
  complete_ = false;
  const WallTime give_up = wall_() + patience_;
  for (;;) {
    const WallTime wall_now = wall_();
    wall_seen_ = std::max(wall_seen_, wall_now);
    const auto [limit, moves, first, outside, awaited] = outlook(now, wall_now);
    // An instant with held activities is complete once all their results are known. (With an
    // external event pending, activities begun at this instant are not awaited: they cannot end at
    // it.)
    if (!holding_.empty() && !awaited && (outside || now < limit)) {
      complete_ = true;
      return deliver_until_ = now;
    }
    // A loss or a join is delivered before any pending end: an activity may be waiting for a node
    // that has gone.
    const double soon = outside ? outside_time(now) : never;
    // now may be up to moment_s below live_from_ because of rounding; that counts as live.
    const bool live = live_from_ <= now + moment_s;
    // If the earliest end is itself not certain yet, it is compared with the horizon instead.
    const double before = first < limit ? std::min(first, horizon) : horizon;
    if (outside && holding_.empty() && soon <= before && (soon <= limit || live)) {
      outside_due_ = soon;
      return deliver_until_ = soon;
    }
    // Before a real event is delivered, all events that may come at the same time must be known.
    if (first <= horizon && first < limit) return deliver_until_ = first;
    if (horizon < never && horizon <= limit) {
      if (first < limit) deliver_until_ = horizon;
      if (options_.mode == ClockMode::paced && live_from_ <= now) {
        max_lag_s_ = std::max(max_lag_s_, virtual_at(wall_now) - horizon);
      }
      return horizon;
    }
    const bool bounded = std::any_of(entries_.begin(), entries_.end(), [](const auto& entry) {
      return entry.second.start.bounds && !entry.second.over;
    });
    if (std::min({first, horizon, soon}) == never && !bounded && !expecting_) return never;
    if (wall_now >= give_up) return now;
    const double goal = std::min({first, horizon, soon});
    // The longest wait; events notify wake_ before.
    const WallSeconds missing =
        goal < never && moves && !awaited ? wall_seconds(goal - limit) : patience_;
    wake_.wait_for(lock, std::max(shortest_wait, std::min(missing, patience_)));
  }
}

std::vector<ElasticClock::Due> ElasticClock::take(double now) {
  const std::lock_guard lock(mutex_);
  std::vector<Due> due;
  const auto was_late = [&](double by) {
    if (by <= on_time_s) return 0.0;
    max_lag_s_ = std::max(max_lag_s_, by);
    return by;
  };
  const double until = std::min(now, std::exchange(deliver_until_, -never)) + hair_s;
  const bool outside = outside_due_ <= until;
  if (outside) outside_due_ = never;
  if (std::exchange(complete_, false)) holding_.clear();
  for (auto it = entries_.begin(); it != entries_.end();) {
    Entry& e = it->second;
    const bool ends = e.over && !e.immediate && e.start.bounds && e.end <= until;
    const bool fails = e.immediate && outside;
    if (!ends && !fails) {
      ++it;
      continue;
    }
    due.push_back({it->first, fails ? 0 : was_late(e.late), e.cause, std::move(e.detail), {}});
    it = entries_.erase(it);
  }
  while (!scheduled_.empty() && scheduled_.begin()->first <= until) {
    due.push_back({0, 0, Cause::none, "", scheduled_.begin()->second});
    scheduled_.erase(scheduled_.begin());
  }
  if (outside && !happened_.empty()) {
    // One at a time: a node that has left and come back is lost first, then joins.
    due.push_back({0, 0, Cause::none, "", happened_.front()});
    happened_.erase(happened_.begin());
  }
  return due;
}

double ElasticClock::max_lag_s() const {
  const std::lock_guard lock(mutex_);
  return max_lag_s_;
}

void ElasticClock::finish(Id id, const std::function<void(Entry&)>& how) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(id);
    if (found == entries_.end() || found->second.over) return;
    Entry& e = found->second;
    how(e);
    e.over = true;
    e.end = e.held ? end_of_held(e) : std::max(e.end, e.start.time);
  }
  wake_.notify_one();
}

void ElasticClock::started(Id id, WallTime stamp, WallSeconds allowance) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(id);
    if (found == entries_.end() || found->second.over || found->second.running) return;
    found->second.running = true;
    found->second.wall_start = stamp;
    found->second.allowance = allowance;
  }
  wake_.notify_one();
}

// Virtual time was released up to wall_seen_: between the stamp and this call it may have advanced
// some microseconds further, and the end must not lie before it.
double ElasticClock::end_at(const Entry& e, WallTime stamp) const {
  stamp = std::max(stamp, wall_seen_);
  if (options_.mode == ClockMode::paced) return virtual_at(stamp);
  return e.start.time + (e.running ? (stamp - e.wall_start).count() : 0);
}

void ElasticClock::ended(Id id, WallTime stamp) {
  finish(id, [&](Entry& e) {
    const double stopped = e.stopped ? e.end : end_at(e, stamp);
    e.end = std::max(live_from_, stopped);
  });
}

void ElasticClock::stopped(Id id, WallTime stamp) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(id);
  if (found == entries_.end()) return;
  const Entry& e = found->second;
  if (e.over || e.stopped || e.held) return;
  found->second.end = end_at(found->second, stamp);
  found->second.stopped = true;
}

void ElasticClock::ended_after(Id id, WallSeconds duration) {
  finish(id,
         [&](Entry& e) { e.end = std::max(live_from_, e.start.time + virtual_seconds(duration)); });
}

void ElasticClock::ended_at(Id id, double virtual_time) {
  finish(id, [&](Entry& e) { e.end = virtual_time; });
}

void ElasticClock::failed(Id id, Cause cause, std::string detail) {
  finish(id, [&](Entry& e) {
    e.cause = cause;
    e.detail = std::move(detail);
    e.immediate = true;
  });
}

void ElasticClock::failed_at(Id id, double virtual_time, Cause cause) {
  finish(id, [&](Entry& e) {
    e.cause = cause;
    e.end = virtual_time;
    e.start.bounds = true;
  });
}

void ElasticClock::happened(const Presence& presence) {
  {
    const std::lock_guard lock(mutex_);
    happened_.push_back(presence);
  }
  wake_.notify_one();
}

void ElasticClock::expect(bool somebody) {
  {
    const std::lock_guard lock(mutex_);
    expecting_ = somebody;
  }
  wake_.notify_one();
}

}  // namespace convoy::sim
