#include "analysis/pipeline_round.hpp"

#include <algorithm>
#include <cmath>
#include <unordered_set>
#include <utility>

namespace convoy::analysis {
namespace {

using Kind = sim::PipelineLabel::Kind;
using sim::PipelineLabel;

bool is_pass(Kind kind) { return kind == Kind::forward || kind == Kind::backward; }

constexpr double instant_s = 1e-9;

double hair_of(double time) { return instant_s * std::max(1.0, std::abs(time)); }

}  // namespace

bool is_same_instant(double a, double b) { return std::abs(a - b) <= hair_of(std::max(a, b)); }

PipelineLabels read_pipeline_labels(const RunTables& run) {
  PipelineLabels labels;
  labels.reserve(run.labels.all().size());
  for (const std::string& text : run.labels.all()) {
    labels.push_back(sim::read_pipeline_label(text));
  }
  return labels;
}

std::vector<std::vector<std::int32_t>> round_activities(const RunTables& run,
                                                        const PipelineLabels& labels) {
  std::unordered_set<std::int64_t> tasks;
  for (const Activity& a : run.activities) {
    if (labels[static_cast<std::size_t>(a.label)]) tasks.insert(a.task);
  }
  std::vector<std::int32_t> all;
  for (std::size_t i = 0; i < run.activities.size(); ++i) {
    const Activity& a = run.activities[i];
    if (a.started() && tasks.contains(a.task)) all.push_back(static_cast<std::int32_t>(i));
  }
  const auto at = [&](std::int32_t i) -> const Activity& {
    return run.activities[static_cast<std::size_t>(i)];
  };
  std::stable_sort(all.begin(), all.end(), [&](std::int32_t x, std::int32_t y) {
    const Activity& a = at(x);
    const Activity& b = at(y);
    return std::tuple(a.task, a.iteration, a.end_s) < std::tuple(b.task, b.iteration, b.end_s);
  });
  std::vector<std::vector<std::int32_t>> rounds;
  for (const std::int32_t i : all) {
    const bool same = !rounds.empty() && at(rounds.back().back()).task == at(i).task &&
                      at(rounds.back().back()).iteration == at(i).iteration;
    if (!same) rounds.emplace_back();
    rounds.back().push_back(i);
  }
  // What a pipeline has in common with nothing (a download before it) is no round.
  std::erase_if(rounds, [&](const std::vector<std::int32_t>& round) {
    return std::ranges::none_of(round, [&](std::int32_t i) {
      return labels[static_cast<std::size_t>(at(i).label)].has_value();
    });
  });
  return rounds;
}

PipelineRoundView::PipelineRoundView(const RunTables& run, const PipelineLabels& labels,
                                     const std::vector<std::int32_t>& activities)
    : run_(run), labels_(labels), activities_(activities) {
  const Activity& first = of(activities.front());
  round_ = {first.task, first.iteration, first.ready_s, first.end_s};
  for (const std::int32_t i : activities) {
    const Activity& a = of(i);
    round_.begin_s = std::min({round_.begin_s, a.ready_s, a.start_s});
    round_.end_s = std::max(round_.end_s, a.end_s);
    if (!a.is_transfer()) computes_[a.node].push_back(i);
    const std::optional<PipelineLabel>& what = label(i);
    if (!what) continue;
    if (a.is_transfer()) {
      const int stage = what->to_stage >= 0 ? what->to_stage : what->stage;
      const bool collects = what->kind == Kind::collect;  // of any stage
      arrived_[{what->kind, what->microbatch, collects ? 0 : stage, a.peer}] = i;
      if (what->kind == Kind::all_reduce) reduced_until_[a.peer] = a.end_s;
    } else {
      compute_of_[{what->kind, what->microbatch, what->stage, a.node}] = i;
    }
  }
  for (auto& [node, all] : computes_) {
    std::ranges::stable_sort(all, {}, [&](std::int32_t i) { return of(i).start_s; });
  }
}

std::int32_t PipelineRoundView::last_needed(std::int32_t compute) const {
  const std::optional<PipelineLabel>& what = label(compute);
  if (!what) return -1;
  Key key{what->kind, what->microbatch, what->stage, of(compute).node};
  if (what->kind == Kind::join) {
    key = {Kind::collect, what->microbatch, 0, of(compute).node};
  } else if (!is_pass(what->kind)) {
    return -1;
  }
  const auto found = arrived_.find(key);
  return found == arrived_.end() ? -1 : found->second;
}

double PipelineRoundView::reduced_until(std::int32_t node) const {
  const auto found = reduced_until_.find(node);
  return found == reduced_until_.end() ? round_.begin_s : found->second;
}

int PipelineRoundView::fits(std::int32_t before, std::int32_t after) const {
  const Activity& p = of(before);
  const Activity& x = of(after);
  constexpr int data = 4;
  constexpr int neighbour = 3;
  constexpr int order = 2;
  const std::optional<PipelineLabel>& made = label(before);
  const std::optional<PipelineLabel>& taken = label(after);
  const std::int32_t there = p.is_transfer() ? p.peer : p.node;  // where what it makes is
  if (there != x.node) {
    // A transfer that takes no time is in no gap: who made what it brought is as good.
    if (made && taken && !p.is_transfer() && !x.is_transfer()) {
      if (is_pass(made->kind) && made->kind == taken->kind &&
          made->microbatch == taken->microbatch && std::abs(made->stage - taken->stage) == 1) {
        return neighbour;
      }
      if (made->stage == taken->stage && !is_pass(taken->kind)) return order;
    }
    return p.node == x.node || (x.is_transfer() && p.node == x.peer) ? 1 : 0;
  }
  if (!made || !taken) return order;
  const int to = made->to_stage >= 0 ? made->to_stage : made->stage;
  const bool same = made->microbatch == taken->microbatch && to == taken->stage;
  bool needed = false;
  switch (taken->kind) {
    case Kind::forward:
      needed = same && made->kind == Kind::forward && p.is_transfer() != x.is_transfer();
      break;
    case Kind::backward:
      needed = same && (x.is_transfer() ? !p.is_transfer() && made->kind == Kind::backward
                                        : p.is_transfer() && made->kind == Kind::backward);
      break;
    case Kind::all_reduce:
      needed = same && (made->kind == Kind::take || made->kind == Kind::add ||
                        (made->kind == Kind::all_reduce && p.is_transfer()));
      break;
    case Kind::add:
    case Kind::step:
      needed = same && made->kind == Kind::all_reduce;
      break;
    case Kind::give:
    case Kind::collect:
      needed = (made->kind == Kind::step || made->kind == Kind::give) && to == taken->stage;
      break;
    case Kind::join:
      needed = made->kind == Kind::collect || made->kind == Kind::step || made->kind == Kind::give;
      break;
    case Kind::take:
      break;
  }
  if (needed) return data;
  return !p.is_transfer() && !x.is_transfer() ? order : 1;
}

std::int32_t PipelineRoundView::made_ready(std::int32_t index) const {
  const std::int32_t exact = best_within(index, 0);
  return exact >= 0 ? exact : best_within(index, hair_of(of(index).ready_s));
}

std::int32_t PipelineRoundView::best_within(std::int32_t index, double hair) const {
  const double ready = of(index).ready_s;
  auto at = std::ranges::lower_bound(activities_, ready - hair, {},
                                     [&](std::int32_t i) { return of(i).end_s; });
  std::int32_t best = -1;
  int best_fit = 0;
  for (; at != activities_.end() && of(*at).end_s <= ready + hair; ++at) {
    // What took no time may have ended in the instant in which this one began: it is no reason.
    if (*at == index || of(*at).ready_s >= ready) continue;
    const int fit = fits(*at, index);
    if (best >= 0 && fit <= best_fit) continue;
    best = *at;
    best_fit = fit;
  }
  return best;
}

std::int32_t PipelineRoundView::producer(std::int32_t transfer) const {
  const std::optional<PipelineLabel>& what = label(transfer);
  const Activity& a = of(transfer);
  if (!what) return -1;
  if (is_pass(what->kind)) {
    const auto found = compute_of_.find({what->kind, what->microbatch, what->stage, a.node});
    return found == compute_of_.end() ? -1 : found->second;
  }
  const auto computes = computes_.find(a.node);
  if (computes == computes_.end()) return -1;
  const auto makes = [&](std::int32_t i) {
    const std::optional<PipelineLabel>& made = label(i);
    if (!made || made->stage != what->stage || of(i).end_s <= of(i).start_s) return false;
    if (what->kind == Kind::collect) return made->kind == Kind::step || made->kind == Kind::give;
    // What takes the gradients may take no time: they are those of the last backward then.
    if (made->kind == Kind::backward) {
      return what->microbatch < 0 || made->microbatch == what->microbatch;
    }
    return made->microbatch == what->microbatch &&
           (made->kind == Kind::take || made->kind == Kind::add);
  };
  auto at = std::ranges::upper_bound(computes->second, a.ready_s, {},
                                     [&](std::int32_t i) { return of(i).start_s; });
  while (at != computes->second.begin()) {
    --at;
    if (of(*at).end_s <= a.ready_s + hair_of(a.ready_s) && makes(*at)) return *at;
  }
  return -1;
}

std::int32_t PipelineRoundView::consumer(std::int32_t transfer) const {
  const std::optional<PipelineLabel>& what = label(transfer);
  const Activity& a = of(transfer);
  if (!what) return -1;
  if (is_pass(what->kind)) {
    const auto found = compute_of_.find({what->kind, what->microbatch, what->to_stage, a.peer});
    return found == compute_of_.end() ? -1 : found->second;
  }
  const auto computes = computes_.find(a.peer);
  if (computes == computes_.end()) return -1;
  const auto takes = [&](std::int32_t i) {
    const std::optional<PipelineLabel>& taken = label(i);
    if (!taken) return false;
    if (what->kind == Kind::collect) return taken->kind == Kind::join;
    return taken->stage == what->stage && taken->microbatch == what->microbatch &&
           (taken->kind == Kind::add || taken->kind == Kind::step);
  };
  auto at = std::ranges::lower_bound(computes->second, a.end_s - hair_of(a.end_s), {},
                                     [&](std::int32_t i) { return of(i).start_s; });
  const auto found = std::find_if(at, computes->second.end(), takes);
  return found == computes->second.end() ? -1 : *found;
}

}  // namespace convoy::analysis
