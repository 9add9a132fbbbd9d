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

// Activities before and after which all others come. Between two of them the graph can be looked at
// by itself, so that a long chain of small parts, as the batches of split learning are, takes time
// in proportion to its length.
std::vector<bool> turning_points(const TaskGraph& graph, const Neighbours& before) {
  const std::size_t n = graph.activities().size();
  std::vector<bool> all(n, true);
  std::size_t reaches = 0;  // all activities so far lead to it, or to one before it
  for (std::size_t i = 0; i < n; ++i) {
    if (reaches > i) all[i] = false;
    const std::vector<int>& next = graph.successors()[i];
    const std::size_t first = next.empty() ? n : index(*std::min_element(next.begin(), next.end()));
    reaches = std::max(reaches, first);
  }
  int from = static_cast<int>(n);  // all activities so far, backwards, come from it or one after it
  for (std::size_t i = n; i-- > 0;) {
    if (from < static_cast<int>(i)) all[i] = false;
    const std::vector<int>& last = before[i];
    from = std::min(from, last.empty() ? -1 : *std::max_element(last.begin(), last.end()));
  }
  return all;
}

class Peak {
 public:
  Peak(const TaskGraph& graph, int role, bool with_memory)
      : graph_(graph),
        role_(role),
        with_memory_(with_memory),
        before_(predecessors(graph)),
        turns_(turning_points(graph, before_)),
        part_of_(turns_.size()),
        in_turn_(computes_are_a_chain()),
        begun_(turns_.size(), 0),
        ended_(turns_.size(), 0) {
    find_parts();
    sum_up();
  }

  // While at most one compute of the role runs.
  [[nodiscard]] double one_at_a_time() const {
    if (in_turn_) return in_turn();
    double most = 0;
    for (std::size_t p = 0; holds_ && p < parts_.size(); ++p) {
      most = std::max(most, while_running(parts_[p], -1));
    }
    for (int i = 0; i < static_cast<int>(turns_.size()); ++i) {
      if (!computes_here(i)) continue;
      most = std::max(most, holds_ ? while_running(parts_[part_of_[index(i)]], i) : memory(i));
    }
    return most;
  }

  // While any number of computes runs.
  [[nodiscard]] double any_number() const {
    double most = 0;
    for (int i = 0; i < static_cast<int>(turns_.size()); ++i) {
      if (turns_[index(i)] && computes_here(i)) most = std::max(most, while_turning(i));
    }
    for (const Part& part : parts_) most = std::max(most, while_any_run(part));
    return most;
  }

 private:
  // Something held to the end of the last of these activities of a part, of which none comes after
  // all others.
  struct Shared {
    double held = 0;          // bytes
    std::vector<int> takers;  // in `ended_` the last of the list
  };
  // Activities from one turning point to the next, without both.
  struct Part {
    int first = 0;
    int end = 0;  // behind the last
    std::vector<Shared> shared = {};

    [[nodiscard]] bool has(int activity) const { return activity >= first && activity < end; }
  };

  // Which activities of a part have started and which have ended: the unknowns of a moment, true or
  // false. Those of an activity of which it does not matter whether it runs are one.
  struct Unknowns {
    enum class Value : char { open, yes, no };
    explicit Unknowns(const Part& part) : part(part) {}

    Part part;
    std::vector<std::size_t> starts;  // by activity of the part
    std::vector<std::size_t> ends;
    std::vector<Value> value;   // by unknown
    std::vector<double> gains;  // bytes, if true
    double always = 0;          // bytes

    void add(bool two) {
      starts.push_back(value.size());
      ends.push_back(starts.back() + (two ? 1 : 0));
      value.resize(ends.back() + 1, Value::open);
      gains.resize(value.size(), 0);
    }
    [[nodiscard]] std::size_t start(int activity) const {
      return starts[index(activity - part.first)];
    }
    [[nodiscard]] std::size_t end(int activity) const { return ends[index(activity - part.first)]; }
    void fix(int activity, bool yes) { value[end(activity)] = yes ? Value::yes : Value::no; }
    void gain(std::size_t unknown, double bytes) {
      if (value[unknown] == Value::yes) always += bytes;
      if (value[unknown] == Value::open) gains[unknown] += bytes;
    }
  };

  [[nodiscard]] bool computes_here(int activity) const {
    const Activity& a = graph_.activities()[index(activity)];
    return a.kind == ActivityKind::compute && a.at == role_;
  }
  [[nodiscard]] double memory(int activity) const {
    return with_memory_ ? graph_.activities()[index(activity)].memory : 0;
  }

  // Whether each compute of the role follows on the one before, as in a pipeline.
  [[nodiscard]] bool computes_are_a_chain() const {
    int last = -1;
    for (int i = 0; i < static_cast<int>(turns_.size()); ++i) {
      if (!computes_here(i)) continue;
      if (last >= 0 && std::ranges::count(graph_.successors()[index(last)], i) == 0) return false;
      last = i;
    }
    return last >= 0;
  }

  // There is one order only, and no other activities begin or end what is held.
  [[nodiscard]] double in_turn() const {
    double held = base_.front();
    double most = held;
    for (int i = 0; i < static_cast<int>(turns_.size()); ++i) {
      held += begun_[index(i)];
      if (computes_here(i)) most = std::max(most, held + memory(i));
      held -= ended_[index(i)];
    }
    return most;
  }

  void find_parts() {
    Part part;
    for (std::size_t i = 0; i < turns_.size(); ++i) {
      part_of_[i] = parts_.size();  // a turning point: that of the part before it
      if (!turns_[i]) continue;
      part.end = static_cast<int>(i);
      parts_.push_back(part);
      part.first = part.end + 1;
    }
    part.end = static_cast<int>(turns_.size());
    parts_.push_back(part);
  }

  // What begins to be held with an activity, what ends with it, and what is held before it, if all
  // earlier ones have ended. At a turning point and behind it that is right for Shared, too.
  void sum_up() {
    std::vector<std::vector<int>> takers(graph_.artifacts().size());
    for (std::size_t i = 0; i < turns_.size(); ++i) {
      for (const int input : graph_.activities()[i].inputs) {
        takers[index(input)].push_back(static_cast<int>(i));
      }
    }
    double given = 0;
    for (std::size_t i = 0; i < takers.size(); ++i) {
      const Artifact& artifact = graph_.artifacts()[i];
      if (artifact.place != role_ || artifact.held <= 0) continue;
      holds_ = true;
      (artifact.producer < 0 ? given : begun_[index(artifact.producer)]) += artifact.held;
      if (artifact.producer >= 0 && !computes_here(artifact.producer)) in_turn_ = false;
      const bool stays = artifact.producer < 0 && graph_.repeat() > 1;
      if (stays || takers[i].empty()) continue;
      std::vector<int> last = last_of(takers[i]);
      ended_[index(last.back())] += artifact.held;
      if (last.size() > 1 || !computes_here(last.back())) in_turn_ = false;
      if (last.size() > 1) share(std::move(last), artifact.held);
    }
    base_.push_back(given);
    for (std::size_t i = 0; i < turns_.size(); ++i) {
      base_.push_back(base_.back() + begun_[i] - ended_[i]);
    }
  }

  // Those after which none of the others comes, rising; `takers` rise, as numbers along the graph.
  [[nodiscard]] std::vector<int> last_of(std::vector<int> takers) const {
    std::vector<int> last;
    while (!takers.empty()) {
      const int one = takers.back();
      takers.pop_back();
      last.insert(last.begin(), one);
      if (turns_[index(one)]) break;
      const Part& part = parts_[part_of_[index(one)]];
      std::erase_if(takers, [&](int t) { return t == one || !part.has(t); });
      const Part between{.first = takers.empty() ? one : takers.front(), .end = one};
      const std::vector<bool> earlier = reach(before_, between, one);
      std::erase_if(takers, [&](int t) { return earlier[index(t - between.first)]; });
    }
    return last;
  }

  void share(std::vector<int> takers, double held) {
    std::vector<Shared>& all = parts_[part_of_[index(takers.back())]].shared;
    const auto same = std::find_if(all.begin(), all.end(),
                                   [&](const Shared& one) { return one.takers == takers; });
    if (same != all.end()) {
      same->held += held;
    } else {
      all.push_back({held, std::move(takers)});
    }
  }

  // All of a part that can be reached from an activity, without itself.
  [[nodiscard]] static std::vector<bool> reach(const Neighbours& next, const Part& part, int from) {
    std::vector<bool> seen(index(part.end - part.first));
    std::vector<int> open = {from};
    while (!open.empty()) {
      const int at = open.back();
      open.pop_back();
      for (const int one : next[index(at)]) {
        if (!part.has(one) || seen[index(one - part.first)]) continue;
        seen[index(one - part.first)] = true;
        open.push_back(one);
      }
    }
    return seen;
  }

  // While this turning point, a compute of the role, runs.
  [[nodiscard]] double while_turning(int turn) const {
    return memory(turn) + base_[index(turn)] + begun_[index(turn)];
  }

  // While `running`, of this part or the turning point behind it, runs, and no other compute of the
  // role; -1: while none runs.
  [[nodiscard]] double while_running(const Part& part, int running) const {
    if (running >= 0 && turns_[index(running)]) return while_turning(running);
    Unknowns u(part);
    for (int i = part.first; i < part.end; ++i) u.add(false);
    if (running < 0) return most_held(u, running);
    const std::vector<bool> earlier = reach(before_, part, running);
    const std::vector<bool> later = reach(graph_.successors(), part, running);
    for (int i = part.first; i < part.end; ++i) {
      if (earlier[index(i - part.first)]) u.fix(i, true);
      if (later[index(i - part.first)] || i == running) u.fix(i, false);
    }
    return memory(running) + most_held(u, running);
  }

  // While any of the part's computes run.
  [[nodiscard]] double while_any_run(const Part& part) const {
    Unknowns u(part);
    for (int i = part.first; i < part.end; ++i) u.add(computes_here(i));
    for (int i = part.first; i < part.end; ++i) {
      if (!computes_here(i)) continue;
      u.gain(u.start(i), memory(i));
      u.gain(u.end(i), -memory(i));
    }
    return most_held(u, -1);
  }

  // Chooses the open unknowns so that most is held: at most as many bytes as with the best choice
  // of which taker is the last one, and more where there are too many to try them all.
  [[nodiscard]] double most_held(const Unknowns& u, int running) const {
    constexpr std::size_t most_cuts = 4096;  // times activities
    const std::size_t most_tries = most_cuts / std::max<std::size_t>(u.starts.size(), 1);
    std::vector<std::size_t> choices;
    std::size_t tries = 1;
    for (const Shared& one : u.part.shared) {
      const bool all = tries * one.takers.size() <= most_tries;
      choices.push_back(all ? one.takers.size() : 0);  // 0: counts to the end of the part
      tries *= std::max<std::size_t>(choices.back(), 1);
    }
    double most = 0;
    for (std::size_t t = 0; t < tries; ++t) {
      Unknowns one = u;
      std::size_t rest = t;
      for (std::size_t i = 0; i < choices.size(); ++i) {
        const Shared& shared = u.part.shared[i];
        one.gain(one.end(shared.takers.back()), shared.held);
        if (choices[i] == 0) continue;
        one.gain(one.end(shared.takers[rest % choices[i]]), -shared.held);
        rest /= choices[i];
      }
      most = std::max(most, most_held_with(one, running));
    }
    return most;
  }

  [[nodiscard]] double most_held_with(Unknowns& u, int running) const {
    const Part& part = u.part;
    u.always += base_[index(part.first)];
    for (int i = part.first; i < part.end; ++i) {
      if (i == running) {
        u.always += begun_[index(i)];
        continue;
      }
      u.gain(u.start(i), begun_[index(i)]);
      u.gain(u.end(i), -ended_[index(i)]);
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
    add_order(u, cut);
    return most - cut.capacity(source, sink);
  }

  // What has ended has started; what has started, after all before it ended.
  void add_order(const Unknowns& u, MinCut& cut) const {
    const auto implies = [&](std::size_t one, std::size_t other) {
      const bool open =
          u.value[one] == Unknowns::Value::open && u.value[other] == Unknowns::Value::open;
      if (open) cut.add(one, other, std::numeric_limits<double>::infinity());
    };
    for (int i = u.part.first; i < u.part.end; ++i) {
      if (u.end(i) != u.start(i)) implies(u.end(i), u.start(i));
      for (const int before : before_[index(i)]) {
        if (u.part.has(before)) implies(u.start(i), u.end(before));
      }
    }
  }

  const TaskGraph& graph_;
  int role_;
  bool with_memory_;
  Neighbours before_;
  std::vector<bool> turns_;           // by activity: is a turning point
  std::vector<Part> parts_;           // in order, one more than turning points
  std::vector<std::size_t> part_of_;  // by activity
  bool in_turn_ = false;              // see in_turn()
  bool holds_ = false;
  std::vector<double> begun_;  // bytes, by activity, on the role
  std::vector<double> ended_;
  std::vector<double> base_;  // bytes
};

double peak(const TaskGraph& graph, int role, int concurrent_computes, bool with_memory) {
  assert(role >= 0 && role < graph.roles());
  const Peak of(graph, role, with_memory);
  return concurrent_computes == 1 ? of.one_at_a_time() : of.any_number();
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
