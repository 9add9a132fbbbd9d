#include "analysis/pipeline.hpp"

#include <algorithm>
#include <utility>

#include "analysis/pipeline_round.hpp"

namespace convoy::analysis {
namespace {

using Kind = sim::PipelineLabel::Kind;

// The bubbles of one round, and what its devices did.
class Bubbles {
 public:
  Bubbles(const PipelineRoundView& view, std::int32_t round, std::vector<Bubble>& out)
      : view_(view), round_(round), out_(out) {}

  void of_node(std::int32_t node, const std::vector<std::int32_t>& computes,
               PipelineDevice& device) {
    node_ = node;
    double until = view_.round().begin_s;
    for (const std::int32_t i : computes) {
      const Activity& a = view_.of(i);
      if (a.start_s > until) explain(i, until, a.start_s);
      const double from = std::max(until, a.start_s);
      if (a.end_s > from) device.computing_s += a.end_s - from;
      until = std::max(until, a.end_s);
      if (const auto& label = view_.label(i); label) device.stage = label->stage;
    }
    const double reduced = std::max(until, view_.reduced_until(node));
    add(until, reduced, PipelineWait::all_reduce);
    add(reduced, view_.round().end_s, PipelineWait::done);
    for (; told_ < out_.size(); ++told_) {
      const Bubble& bubble = out_[told_];
      device.waiting_s[static_cast<std::size_t>(bubble.cause)] += bubble.end_s - bubble.begin_s;
    }
    ++device.rounds;
    device.rounds_s += view_.round().end_s - view_.round().begin_s;
  }

 private:
  // Why the compute did not begin before, from `begin` to `end`.
  void explain(std::int32_t compute, double begin, double end) {
    const double ready = std::clamp(view_.of(compute).ready_s, begin, end);
    const auto& what = view_.label(compute);
    if (!what) {
      add(begin, end, PipelineWait::other);
      return;
    }
    switch (what->kind) {
      case Kind::forward:
        until_there(compute, begin, ready, PipelineWait::activation, PipelineWait::other);
        break;
      case Kind::backward:
        until_there(compute, begin, ready, PipelineWait::gradient, PipelineWait::other);
        break;
      case Kind::join:
        until_there(compute, begin, ready, PipelineWait::done, PipelineWait::done);
        break;
      case Kind::take:
      case Kind::all_reduce:
      case Kind::add:
      case Kind::step:
      case Kind::give:
      case Kind::collect:
        add(begin, ready, PipelineWait::all_reduce);
        break;
    }
    add(ready, end, PipelineWait::other);
  }

  // `made`: the cause until the last of what it needs is made; `none`: where it needs nothing of
  // others, or has it.
  void until_there(std::int32_t compute, double begin, double ready, PipelineWait made,
                   PipelineWait none) {
    const std::int32_t needed = view_.last_needed(compute);
    if (needed < 0) {
      add(begin, ready, none);
      return;
    }
    const Activity& transfer = view_.of(needed);
    const double sent = std::clamp(transfer.ready_s, begin, ready);
    const double there = std::clamp(transfer.end_s, sent, ready);
    add(begin, sent, made);
    add(sent, there, PipelineWait::link);
    add(there, ready, none);
  }

  void add(double begin, double end, PipelineWait cause) {
    if (end <= begin) return;
    Bubble* last = out_.size() > told_ ? &out_.back() : nullptr;
    if (last != nullptr && last->cause == cause && last->end_s == begin) {
      last->end_s = end;
    } else {
      out_.push_back({round_, node_, begin, end, cause});
    }
  }

  const PipelineRoundView& view_;
  std::int32_t round_;
  std::int32_t node_ = 0;
  std::vector<Bubble>& out_;
  std::size_t told_ = out_.size();  // bubbles in the sums
};

// From the end of the round to its begin, activity by activity; each was ready when another ended.
void trace(const PipelineRoundView& view, std::int32_t round, std::vector<PathPiece>& out) {
  const std::size_t first = out.size();
  const double begin = view.round().begin_s;
  double until = view.round().end_s;
  const auto add = [&](std::int32_t activity, bool waits, double from) {
    from = std::max(from, begin);
    if (from >= until) return;
    out.push_back({round, activity, waits, from, until});
    until = from;
  };
  // Activities are by end: those behind the last one are of no concern.
  std::size_t left = view.activities().size();
  std::int32_t next = view.activities().back();
  while (until > begin && left-- > 0) {
    const Activity& a = view.of(next);
    add(next, false, a.start_s);
    add(next, true, a.ready_s);
    if (until <= begin || is_same_instant(until, begin)) break;
    next = view.made_ready(next);
    if (next >= 0) continue;
    // Nothing ended then: what it waited for is not recorded. On with what ended before.
    const auto& all = view.activities();
    const auto behind =
        std::ranges::lower_bound(all, until, {}, [&](std::int32_t i) { return view.of(i).end_s; });
    if (behind == all.begin()) break;
    next = *std::prev(behind);
    add(-1, true, view.of(next).end_s);
  }
  add(-1, true, begin);
  std::reverse(out.begin() + static_cast<std::ptrdiff_t>(first), out.end());
}

}  // namespace

bool has_pipeline(const RunTables& run) {
  const PipelineLabels labels = read_pipeline_labels(run);
  return std::ranges::any_of(labels, [](const auto& label) { return label.has_value(); });
}

PipelineTables read_pipeline(const RunTables& run) {
  PipelineTables tables;
  tables.labels = read_pipeline_labels(run);
  std::vector<std::vector<std::int32_t>> all = round_activities(run, tables.labels);
  std::vector<PipelineRoundView> views;
  views.reserve(all.size());
  for (const auto& activities : all) views.emplace_back(run, tables.labels, activities);
  std::vector<const PipelineRoundView*> by_begin;
  by_begin.reserve(views.size());
  for (const PipelineRoundView& view : views) by_begin.push_back(&view);
  std::ranges::stable_sort(by_begin, {}, [](const auto* view) { return view->round().begin_s; });
  std::map<std::int32_t, PipelineDevice> devices;
  for (const PipelineRoundView* one : by_begin) {
    const PipelineRoundView& view = *one;
    const auto round = static_cast<std::int32_t>(tables.rounds.size());
    tables.rounds.push_back(view.round());
    for (const auto& [node, computes] : view.computes()) {
      PipelineDevice& device = devices[node];
      device.node = node;
      Bubbles(view, round, tables.bubbles).of_node(node, computes, device);
    }
    trace(view, round, tables.path);
  }
  for (const auto& [node, device] : devices) tables.devices.push_back(device);
  return tables;
}

std::vector<PipelineFlow> pipeline_flows(const RunTables& run) {
  const PipelineLabels labels = read_pipeline_labels(run);
  std::vector<PipelineFlow> flows;
  for (const auto& activities : round_activities(run, labels)) {
    const PipelineRoundView view(run, labels, activities);
    for (const std::int32_t i : activities) {
      if (!view.of(i).is_transfer() || !view.label(i)) continue;
      flows.push_back({view.producer(i), i, view.consumer(i)});
    }
  }
  return flows;
}

}  // namespace convoy::analysis
