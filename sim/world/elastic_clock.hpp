#pragma once

// The rule by which virtual time waits for what really happens. No SimGrid, no real clock: wall
// time is given from outside, so that the rule is tested with a made-up one.
//
// While nothing real is in flight, virtual time runs as fast as the simulation can. Each real
// activity has an anchor {v0, w0}, its virtual and its wall start; virtual time may not pass
// v0 + (now - w0) of any of them, and each ends at v0 + what it took. So causality is exact without
// speculation, and a simulation that was busy elsewhere for a while shortens or lengthens no
// duration. In paced mode virtual time follows wall time throughout, by a factor.
//
// Where a model says how long something takes, its virtual end is known and what it brings is not:
// it is held there. Virtual time stands still until all that is held at that instant has come, or
// will not come (it failed, or its node is lost: the watchdogs of whoever carries it out see to
// that, in wall time), and then it is delivered together. So however late the answers are, and in
// whatever order, the events are those of a simulation.
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
  double pace = 1;  // paced: virtual seconds a wall second, > 0
};

class ElasticClock {
 public:
  using Id = std::int64_t;  // of a real activity under way; from 1
  static constexpr double never = std::numeric_limits<double>::infinity();

  // `wall`: never falls; any thread calls it. `patience`: real and wall time after which next()
  // lets its caller look around; nothing is delivered by that.
  ElasticClock(ClockOptions options, std::function<WallTime()> wall,
               WallSeconds patience = WallSeconds(0.05));

  [[nodiscard]] WallTime wall() const { return wall_(); }

  // --- the simulation's thread ------------------------------------------------------------------

  struct Start {
    double time = 0;        // virtual, s
    bool bounds = true;     // virtual time may not pass its end; else only its failure matters
    NodeId node = no_node;  // who carries it out; once that is lost, it is not waited for
  };
  Id begin(const Start& start);
  // An activity whose virtual end is now, by a model, is held from now on: it ends at this instant,
  // when it has really ended and all else that is held here is known.
  void hold(Id id, double now);
  // Something is held, and its instant is not complete: what else happens at it waits for it.
  [[nodiscard]] bool holds() const;
  // It is of no interest any more.
  void withdraw(Id id);

  // Something else that comes from outside: a node that comes or goes.
  struct Presence {
    NodeId node = no_node;
    bool present = false;
    bool for_good = false;  // it does not come back
  };
  // At a known virtual time: what is replayed.
  void schedule(double time, const Presence& presence);
  // What is not known from a recording happens at or after that virtual time.
  void live_from(double time);

  // The run is over: nothing is waited for any more.
  void close();

  // The virtual time of what comes next: of the simulation itself at `horizon` (never: nothing), or
  // of something real. Waits until that is certain. Returns `now` where it has waited for a while,
  // so that the caller may look around. A call of take() at the time that was returned follows.
  double next(double now, double horizon);

  struct Due {
    Id id = 0;  // 0: a presence
    double late_s = 0;
    Cause cause = Cause::none;
    std::string detail;  // of a failure, for people
    Presence presence;
  };
  // What next() found to be due at `now`, by rising id; then it is forgotten.
  std::vector<Due> take(double now);

  // Greatest delay so far of what was delivered, in virtual seconds; paced: also of the simulation.
  [[nodiscard]] double max_lag_s() const;
  [[nodiscard]] std::int64_t late() const;  // how many were delivered late at all

  // --- any thread; ids that are over are ignored ------------------------------------------------

  // `allowance`: by how much the notice of its end may be late; the bound is held back.
  void started(Id id, WallTime stamp, WallSeconds allowance = {});
  void ended(Id id, WallTime stamp);
  // It ended then, but nobody may rely on it before ended() is called as well.
  void stopped(Id id, WallTime stamp);
  // By the node's own clock.
  void ended_after(Id id, WallSeconds duration);
  // At a known virtual time: what is replayed. never: it does not end by itself.
  void ended_at(Id id, double virtual_time);
  void failed(Id id, Cause cause, std::string detail);
  void failed_at(Id id, double virtual_time, Cause cause);
  void happened(const Presence& presence);
  // While somebody may still come, a run at rest waits for them.
  void expect(bool somebody);

 private:
  struct Entry {
    Start start;
    bool held = false;  // its end is its start: only whether it is over counts
    bool running = false;
    WallTime wall_start;
    WallSeconds allowance{};
    bool stopped = false;
    bool over = false;
    double end = 0;          // virtual, where stopped or over
    double late = 0;         // by how much it came too late for that
    bool immediate = false;  // a failure: as soon as can be
    Cause cause = Cause::none;
    std::string detail;
  };

  struct Outlook {
    double limit = never;  // virtual time may not pass it
    bool moves = false;    // the limit does, with wall time
    double first = never;  // when the first thing comes whose time is known
    bool outside = false;  // something has come from outside
    bool awaited = false;  // something that is held has not come yet
  };
  // What is real, at this moment. What came too late for its instant gets another one.
  Outlook outlook(double now, WallTime wall_now);

  [[nodiscard]] double virtual_at(WallTime stamp) const;  // paced
  [[nodiscard]] double bound(const Entry& e, WallTime wall_now) const;
  // How much virtual time passes in it where nothing but wall time makes it pass, and how long that
  // takes.
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
  WallTime wall_seen_;             // up to which virtual time was let go
  double outside_due_ = never;     // when something from outside is delivered
  double deliver_until_ = -never;  // what next() found to be certain
  std::set<Id> holding_;           // of the present instant
  bool complete_ = false;          // and all of them are known
  Id next_id_ = 1;
  bool expecting_ = false;
  bool closed_ = false;
  bool has_origin_ = false;
  double origin_virtual_ = 0;  // paced
  WallTime origin_wall_;
  double max_lag_s_ = 0;
  std::int64_t late_ = 0;
};

}  // namespace convoy::sim
