#include "analysis/report/timeline.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "analysis/report/columns.hpp"
#include "analysis/rounds.hpp"

namespace convoy::analysis {
namespace {

enum Lane { compute_lane = 0, send_lane = 1, receive_lane = 2 };

struct Slice {
  std::int32_t node = 0;
  std::int32_t lane = 0;
  std::int32_t label = 0;
  std::int32_t cause = 0;
  bool real = false;
  double begin_s = 0;
  double end_s = 0;
  std::int64_t task = 0;
};

bool comes_before(const Slice& a, const Slice& b) {
  if (a.node != b.node) return a.node < b.node;
  return a.begin_s != b.begin_s ? a.begin_s < b.begin_s : a.lane < b.lane;
}

// Transfers with the server are shown for the worker only.
std::vector<Slice> slices(const std::vector<Activity>& activities, std::size_t nodes) {
  std::vector<Slice> all;
  all.reserve(activities.size());
  for (const Activity& a : activities) {
    if (!a.started()) continue;
    const auto add = [&](std::int32_t node, Lane lane) {
      if (static_cast<std::size_t>(node) >= nodes) return;
      all.push_back({node, lane, a.label, a.cause, a.real, a.start_s, a.end_s, a.task});
    };
    if (!a.is_transfer()) {
      add(a.node, compute_lane);
      continue;
    }
    if (a.node != 0) add(a.node, send_lane);
    if (a.peer != 0) add(a.peer, receive_lane);
  }
  std::sort(all.begin(), all.end(), comes_before);
  return all;
}

// Merges slices shorter than a bin: all of a lane's slices in one bin become one slice with their
// total length and the label with the longest time. So busy times stay the same and slices do not
// overlap.
class Thinner {
 public:
  explicit Thinner(double bin_s) : bin_s_(bin_s) {}

  // Sorted by node, then start.
  std::vector<Slice> operator()(const std::vector<Slice>& all) {
    for (const Slice& slice : all) {
      if (!kept_.empty() && slice.node != node_) flush_all();
      node_ = slice.node;
      Bin& bin = bins_[slice.lane];
      if (slice.end_s - slice.begin_s >= bin_s_) {
        flush(bin);
        kept_.push_back(slice);
        continue;
      }
      const double number = std::floor(slice.begin_s / bin_s_);
      if (number != bin.number) flush(bin);
      bin.number = number;
      bin.slices.push_back(slice);
    }
    flush_all();
    std::sort(kept_.begin(), kept_.end(), comes_before);
    return std::move(kept_);
  }

 private:
  struct Bin {
    double number = -1;
    std::vector<Slice> slices;
  };

  void flush_all() {
    for (auto& [lane, bin] : bins_) flush(bin);
  }

  void flush(Bin& bin) {
    if (bin.slices.empty()) return;
    double together = 0;
    std::map<std::pair<std::int32_t, std::int32_t>, double> labels;  // label and cause of failure
    for (const Slice& slice : bin.slices) {
      const double took = slice.end_s - slice.begin_s;
      together += took;
      labels[{slice.label, slice.cause}] += took;
    }
    const auto longest =
        std::ranges::max_element(labels, {}, [](const auto& l) { return l.second; });
    Slice one = bin.slices.front();
    one.label = longest->first.first;
    one.cause = longest->first.second;
    one.end_s = one.begin_s + together;
    kept_.push_back(one);
    bin.slices.clear();
  }

  double bin_s_;
  std::int32_t node_ = -1;
  std::map<std::int32_t, Bin> bins_;  // by lane
  std::vector<Slice> kept_;
};

Json slices_json(const std::vector<Slice>& all, const Clock& clock) {
  return {{"node", column(all, &Slice::node)},
          {"lane", column(all, &Slice::lane)},
          {"label", column(all, &Slice::label)},
          {"begin_s", column(all, [&](const Slice& s) { return clock(s.begin_s); })},
          {"end_s", column(all, [&](const Slice& s) { return clock(s.end_s); })},
          {"task", column(all, &Slice::task)},
          {"real", column(all, [](const Slice& s) { return s.real ? 1 : 0; })},
          {"cause", column(all, &Slice::cause)}};
}

Json spans_json(const std::vector<Absence>& spans) {
  return {{"node", column(spans, &Absence::node)},
          {"begin_s", column(spans, &Absence::begin_s)},
          {"end_s", column(spans, &Absence::end_s)}};
}

}  // namespace

Json frame_json(const RunTables& run, const std::vector<Idle>& idle, double shortest_s,
                const PageLimits& limits) {
  const std::size_t nodes = std::min(run.nodes.size(), limits.nodes);
  std::vector<const char*> kinds(run.labels.all().size(), "compute");
  for (const Activity& a : run.activities) {
    if (a.is_transfer()) kinds[static_cast<std::size_t>(a.label)] = "transfer";
  }
  Names causes = run.causes;
  std::vector<Idle> waits;
  for (const Idle& wait : idle) {
    // Shown as transfers and as absences already.
    if (wait.cause == IdleCause::link || wait.cause == IdleCause::outage) continue;
    if (static_cast<std::size_t>(wait.node) >= nodes) continue;
    if (wait.end_s - wait.begin_s >= shortest_s) waits.push_back(wait);
  }
  std::vector<Absence> away = absences(run);
  std::erase_if(away, [&](const Absence& a) { return static_cast<std::size_t>(a.node) >= nodes; });
  const Clock clock(run.until_s());
  Json json = {{"labels", run.labels.all()}, {"kinds", kinds}};
  json["waits"] = {{"node", column(waits, &Idle::node)},
                   {"begin_s", column(waits, [&](const Idle& w) { return clock(w.begin_s); })},
                   {"end_s", column(waits, [&](const Idle& w) { return clock(w.end_s); })},
                   {"cause", column(waits, [&](const Idle& w) {
                      return causes.number(std::string(name_of(idle_words, w.cause)));
                    })}};
  json["causes"] = causes.all();
  json["away"] = spans_json(away);
  return json;
}

Json activities_json(const RunTables& run, const PageLimits& limits) {
  return slices_json(slices(run.activities, limits.nodes), Clock(run.until_s()));
}

Json timeline_json(const RunTables& run, const std::vector<Idle>& idle, const PageLimits& limits) {
  std::vector<Slice> all = slices(run.activities, std::min(run.nodes.size(), limits.nodes));
  double bin_s = 0;
  constexpr double finest = 1e5;  // finer than any screen
  while (all.size() > limits.activities && bin_s < run.until_s()) {
    bin_s = bin_s == 0 ? run.until_s() / finest : 2 * bin_s;
    all = Thinner(bin_s)(all);
  }
  Json json = frame_json(run, idle, bin_s, limits);
  json["activities"] = slices_json(all, Clock(run.until_s()));
  json["merged_below_s"] = bin_s;
  return json;
}

}  // namespace convoy::analysis
