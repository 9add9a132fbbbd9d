#include "sim/task/peak_memory.hpp"

#include <algorithm>
#include <cassert>
#include <limits>
#include <vector>

#include "sim/task/min_cut.hpp"

namespace convoy::sim {
namespace {

std::size_t index(int i) { return static_cast<std::size_t>(i); }

using Neighbours = std::vector<std::vector<int>>;

Neighbours predecessors(const TaskGraph& graph) {
  Neighbours all(graph.activities().size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    for (const int next : graph.successors()[i]) all[index(next)].push_back(static_cast<int>(i));
  }
  return all;
}

// Each activity waits for the one before it: there is one order only.
bool orders_all(const TaskGraph& graph) {
  for (std::size_t i = 1; i < graph.activities().size(); ++i) {
    const std::vector<int>& next = graph.successors()[i - 1];
    if (std::find(next.begin(), next.end(), static_cast<int>(i)) == next.end()) return false;
  }
  return true;
}

// All that can be reached from an activity, without itself.
std::vector<bool> reach(const Neighbours& next, int from) {
  std::vector<bool> seen(next.size());
  std::vector<int> open = {from};
  while (!open.empty()) {
    const int at = open.back();
    open.pop_back();
    for (const int one : next[index(at)]) {
      if (seen[index(one)]) continue;
      seen[index(one)] = true;
      open.push_back(one);
    }
  }
  return seen;
}

class Peak {
 public:
  Peak(const TaskGraph& graph, int role, bool with_memory)
      : graph_(graph),
        role_(role),
        with_memory_(with_memory),
        before_(predecessors(graph)),
        is_chain_(orders_all(graph)) {
    std::vector<std::vector<int>> takers(graph.artifacts().size());
    for (std::size_t i = 0; i < graph.activities().size(); ++i) {
      for (const int input : graph.activities()[i].inputs) {
        takers[index(input)].push_back(static_cast<int>(i));
      }
    }
    for (std::size_t i = 0; i < takers.size(); ++i) {
      const Artifact& artifact = graph.artifacts()[i];
      if (artifact.place != role || artifact.held <= 0) continue;
      const bool stays = artifact.producer < 0 && graph.repeat() > 1;
      held_.push_back({artifact.held, artifact.producer, stays ? -1 : last_of(takers[i])});
    }
  }

  [[nodiscard]] bool holds() const { return !held_.empty(); }
  [[nodiscard]] bool is_chain() const { return is_chain_; }
  // The most in a chain: activity by activity.
  [[nodiscard]] double along_chain() const {
    // What begins and ends to be held with each activity.
    std::vector<double> begins(index(activities()) + 1);
    std::vector<double> ends(index(activities()) + 1);
    for (const Held& held : held_) {
      begins[held.producer < 0 ? 0 : index(held.producer)] += held.bytes;
      if (held.last >= 0) ends[index(held.last)] += held.bytes;
    }
    double now = 0;
    double most = begins[0];  // also without activities
    for (int i = 0; i < activities(); ++i) {
      now += begins[index(i)];
      most = std::max(most, now + (computes_here(i) ? memory(i) : 0));
      now -= ends[index(i)];
    }
    return most;
  }
  [[nodiscard]] bool computes_here(int activity) const {
    const Activity& a = graph_.activities()[index(activity)];
    return a.kind == ActivityKind::compute && a.at == role_;
  }
  [[nodiscard]] double memory(int activity) const {
    return with_memory_ ? graph_.activities()[index(activity)].memory : 0;
  }
  [[nodiscard]] int activities() const { return static_cast<int>(graph_.activities().size()); }

  // While `running` runs, and no other compute of the role; -1: while none runs.
  [[nodiscard]] double while_running(int running) const {
    Unknowns u;
    for (int i = 0; i < activities(); ++i) u.add(false);
    if (running >= 0) {
      const std::vector<bool> earlier = reach(before_, running);
      const std::vector<bool> later = reach(graph_.successors(), running);
      for (int i = 0; i < activities(); ++i) {
        if (earlier[index(i)]) u.fix(i, true);
        if (later[index(i)] || i == running) u.fix(i, false);
      }
    }
    return (running >= 0 ? memory(running) : 0) + most_held(u, running);
  }

  // While any number of computes runs.
  [[nodiscard]] double while_any_run() const {
    Unknowns u;
    for (int i = 0; i < activities(); ++i) u.add(computes_here(i));
    for (int i = 0; i < activities(); ++i) {
      if (!computes_here(i)) continue;
      u.gain(u.start[index(i)], memory(i));
      u.gain(u.end[index(i)], -memory(i));
    }
    return most_held(u, -1);
  }

 private:
  struct Held {
    double bytes = 0;
    int producer = -1;
    int last = -1;  // consumer after all others; -1: none
  };

  // Which activities have started and which have ended: the unknowns of a moment, true or false.
  // Those of an activity of which it does not matter whether it runs are one.
  struct Unknowns {
    enum class Value : char { open, yes, no };
    std::vector<int> start;  // by activity
    std::vector<int> end;
    std::vector<Value> value;   // by unknown
    std::vector<double> gains;  // bytes, if true
    double always = 0;          // bytes

    void add(bool two) {
      start.push_back(static_cast<int>(value.size()));
      end.push_back(start.back() + (two ? 1 : 0));
      value.resize(index(end.back()) + 1, Value::open);
      gains.resize(value.size(), 0);
    }
    void fix(int activity, bool yes) {
      value[index(end[index(activity)])] = yes ? Value::yes : Value::no;
    }
    void gain(int unknown, double bytes) {
      if (value[index(unknown)] == Value::yes) always += bytes;
      if (value[index(unknown)] == Value::open) gains[index(unknown)] += bytes;
    }
  };

  [[nodiscard]] int last_of(const std::vector<int>& takers) const {
    if (takers.empty()) return -1;
    const int last = *std::max_element(takers.begin(), takers.end());
    if (is_chain_) return last;
    const std::vector<bool> earlier = reach(before_, last);
    const bool all = std::all_of(takers.begin(), takers.end(),
                                 [&](int t) { return t == last || earlier[index(t)]; });
    return all ? last : -1;
  }

  // Chooses the open unknowns so that most is held.
  [[nodiscard]] double most_held(Unknowns& u, int running) const {
    for (const Held& held : held_) {
      if (held.producer < 0 || held.producer == running) {
        u.always += held.bytes;
      } else {
        u.gain(u.start[index(held.producer)], held.bytes);
      }
      if (held.last >= 0 && held.last != running) u.gain(u.end[index(held.last)], -held.bytes);
    }
    MinCut cut(u.value.size() + 2);
    const std::size_t source = u.value.size();
    const std::size_t sink = source + 1;
    double most = u.always;
    for (std::size_t v = 0; v < u.value.size(); ++v) {
      if (u.gains[v] > 0) {
        cut.add(source, v, u.gains[v]);
        most += u.gains[v];
      } else if (u.gains[v] < 0) {
        cut.add(v, sink, -u.gains[v]);
      }
    }
    const auto implies = [&](int one, int other) {
      const bool open = u.value[index(one)] == Unknowns::Value::open &&
                        u.value[index(other)] == Unknowns::Value::open;
      if (open) cut.add(index(one), index(other), std::numeric_limits<double>::infinity());
    };
    for (int i = 0; i < activities(); ++i) {
      if (u.end[index(i)] != u.start[index(i)]) implies(u.end[index(i)], u.start[index(i)]);
      for (const int before : before_[index(i)]) implies(u.start[index(i)], u.end[index(before)]);
    }
    return most - cut.capacity(source, sink);
  }

  const TaskGraph& graph_;
  int role_;
  bool with_memory_;
  Neighbours before_;
  bool is_chain_;           // long ones are those of split learning: no search
  std::vector<Held> held_;  // on the role
};

double peak(const TaskGraph& graph, int role, int concurrent_computes, bool with_memory) {
  assert(role >= 0 && role < graph.roles());
  const Peak of(graph, role, with_memory);
  if (of.is_chain()) return of.along_chain();
  if (concurrent_computes != 1) return of.while_any_run();
  double most = of.holds() ? of.while_running(-1) : 0;
  for (int i = 0; i < of.activities(); ++i) {
    if (!of.computes_here(i)) continue;
    most = std::max(most, of.holds() ? of.while_running(i) : of.memory(i));
  }
  return most;
}

}  // namespace

double peak_memory(const TaskGraph& graph, int role, int concurrent_computes) {
  return peak(graph, role, concurrent_computes, true);
}

double least_memory(const TaskGraph& graph, int role) {
  double most = 0;
  for (const Activity& a : graph.activities()) {
    double needed = a.kind == ActivityKind::compute && a.at == role ? a.memory : 0;
    std::vector<int> artifacts = a.inputs;
    artifacts.insert(artifacts.end(), a.outputs.begin(), a.outputs.end());
    std::sort(artifacts.begin(), artifacts.end());
    artifacts.erase(std::unique(artifacts.begin(), artifacts.end()), artifacts.end());
    for (const int i : artifacts) {
      const Artifact& artifact = graph.artifacts()[index(i)];
      if (artifact.place == role) needed += artifact.held;
    }
    most = std::max(most, needed);
  }
  return most;
}

double peak_held(const TaskGraph& graph, int role, int concurrent_computes) {
  return peak(graph, role, concurrent_computes, false);
}

}  // namespace convoy::sim
