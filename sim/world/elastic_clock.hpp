#pragma once

// The rule by which virtual time waits for real events. No SimGrid and no real clock: wall time is
// passed in, so that tests can use an artificial one.
//
// While nothing real is in flight, virtual time runs as fast as the simulation can. Each real
// activity has an anchor {v0, w0}: its start in virtual and in wall time. Virtual time may not pass
// v0 + (now - w0) of any activity under way; an activity ends at v0 + its measured duration. So
// causality is exact without speculation, and a simulation that is busy for a while changes no
// duration. In paced mode virtual time always follows wall time, by a factor.
//
// If a model gives the duration, the virtual end is known but the result is not: the activity is
// held at its end. Virtual time stands still until every activity held at that instant has its
// result or has failed (the backend detects lost nodes in wall time); then all are delivered
// together. So the events are the same as in a pure simulation, however late or reordered the
// results are.
//
//   clock.begin(...)                             the simulation: it bounds virtual time from now on
//   clock.started(id, stamp)                     anybody, from any thread
//   clock.ended(id, stamp) or ended_after(id, d) anybody, from any thread
//   clock.next(now, horizon)                     the simulation: how far it may go; waits
//   clock.take(now)                              the simulation: what is due

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "sim/task/event.hpp"
#include "sim/task/graph.hpp"
#include "sim/world/wall_time.hpp"

namespace convoy::sim {

enum class ClockMode { elastic, paced };
inline constexpr base::Words<ClockMode> clock_words = {{ClockMode::elastic, "elastic"},
                                                       {ClockMode::paced, "paced"}};

struct ClockOptions {
  ClockMode mode = ClockMode::elastic;
  double pace = 1;  // paced: virtual seconds per wall second, > 0
};

class ElasticClock {
 public:
  using Id = std::int64_t;  // of a real activity, from 1
  static constexpr double never = std::numeric_limits<double>::infinity();

  // `wall`: monotonic, callable from any thread. `patience`: next() returns after this real and
  // wall time, so that its caller can check for other work; nothing is delivered then.
  ElasticClock(ClockOptions options, std::function<WallTime()> wall,
               WallSeconds patience = WallSeconds(0.05));

  [[nodiscard]] WallTime wall() const { return wall_(); }

  // --- the simulation's thread ------------------------------------------------------------------

  struct Start {
    double time = 0;        // virtual start, s
    bool bounds = true;     // limits virtual time until it ends; false: only a failure counts
    NodeId node = no_node;  // that carries it out; a lost node is not waited for
  };
  Id begin(const Start& start);
  // Holds an activity whose modelled end is now. It ends at this instant, once it has really ended
  // and all other activities held here are known.
  void hold(Id id, double now);
  // True if an activity is held and its instant is not complete: other events of the instant wait.
  [[nodiscard]] bool holds() const;
  // The activity is no longer of interest.
  void withdraw(Id id);

  // A node comes or goes.
  struct Presence {
    NodeId node = no_node;
    bool present = false;
    bool for_good = false;  // it does not come back
  };
  // Schedules a presence at a known virtual time (replay).
  void schedule(double time, const Presence& presence);
  // Events that are not recorded happen at or after this virtual time.
  void live_from(double time);

  // The run is over: ends all waiting.
  void close();

  // The virtual time of the next event: the simulation's own at `horizon` (never: none), or a real
  // one. Waits until it is certain. Returns `now` after a long wait, so that the caller can check
  // for other work. The caller then calls take() with the returned time.
  double next(double now, double horizon);

  struct Due {
    Id id = 0;  // 0: a presence
    double late_s = 0;
    Cause cause = Cause::none;
    std::string detail;  // of a failure: text for people
    Presence presence;
  };
  // The events that next() found due at `now`, by rising id; they are then forgotten.
  std::vector<Due> take(double now);

  // Greatest delay of a delivered event, in virtual s; paced: also of the simulation itself.
  [[nodiscard]] double max_lag_s() const;

  // --- any thread; ids that have ended are ignored ----------------------------------------------

  // `allowance`: how late the message of its end may be; the bound is held back by that much.
  void started(Id id, WallTime stamp, WallSeconds allowance = {});
  void ended(Id id, WallTime stamp);
  // The activity has ended at `stamp`, but its result is valid only after ended().
  void stopped(Id id, WallTime stamp);
  // `duration` was measured by the node's own clock.
  void ended_after(Id id, WallSeconds duration);
  // Ends at a known virtual time (replay). never: the activity does not end by itself.
  void ended_at(Id id, double virtual_time);
  void failed(Id id, Cause cause, std::string detail);
  void failed_at(Id id, double virtual_time, Cause cause);
  void happened(const Presence& presence);
  // While nodes may still come, a run at rest waits for them.
  void expect(bool somebody);

 private:
  struct Entry {
    Start start;
    bool held = false;  // its end is fixed: only the result is awaited
    bool running = false;
    WallTime wall_start;
    WallSeconds allowance{};
    bool stopped = false;
    bool over = false;
    double end = 0;          // virtual, if stopped or over
    double late = 0;         // how much too late the event came for `end`
    bool immediate = false;  // a failure: deliver as soon as possible
    Cause cause = Cause::none;
    std::string detail;
  };

  struct Outlook {
    double limit = never;  // upper limit for virtual time
    bool moves = false;    // the limit rises with wall time
    double first = never;  // earliest known end
    bool outside = false;  // an external event has come
    bool awaited = false;  // a held activity has no result yet
  };
  // The present state of all real events. Moves events that came too late to a later instant.
  Outlook outlook(double now, WallTime wall_now);

  [[nodiscard]] double virtual_at(WallTime stamp) const;  // paced
  [[nodiscard]] double bound(const Entry& e, WallTime wall_now) const;
  // Converts between wall and virtual time at the rate at which virtual time passes when only wall
  // time drives it.
  [[nodiscard]] double virtual_seconds(WallSeconds wall) const;
  [[nodiscard]] WallSeconds wall_seconds(double virtual_seconds) const;
  [[nodiscard]] double outside_time(double now) const;
  [[nodiscard]] bool is_leaving(NodeId node) const;
  void finish(Id id, const std::function<void(Entry&)>& how);
  void set_origin(double now);
  [[nodiscard]] double end_at(const Entry& e, WallTime stamp) const;
  static double end_of_held(const Entry& e);

  ClockOptions options_;
  std::function<WallTime()> wall_;
  WallSeconds patience_;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::map<Id, Entry> entries_;
  std::multimap<double, Presence> scheduled_;
  std::vector<Presence> happened_;
  double live_from_ = 0;
  WallTime wall_seen_;             // wall time up to which virtual time was released
  double outside_due_ = never;     // delivery time of the next external event
  double deliver_until_ = -never;  // certain up to here, by next()
  std::set<Id> holding_;           // held at the present instant
  bool complete_ = false;          // the present instant: all results are known
  Id next_id_ = 1;
  bool expecting_ = false;
  bool closed_ = false;
  bool has_origin_ = false;
  double origin_virtual_ = 0;  // paced
  WallTime origin_wall_;
  double max_lag_s_ = 0;
};

}  // namespace convoy::sim
