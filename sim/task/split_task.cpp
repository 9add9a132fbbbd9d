#include "sim/task/split_task.hpp"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>
#include <variant>

namespace convoy::sim {
namespace {

template <class Work>
const Work* work_of(const Activity& a) {
  return std::get_if<Work>(&a.work);
}

// The stage that a compute trains or takes; nothing: it is other work.
std::optional<std::pair<int, int>> stage_of(const Activity& a) {
  if (const auto* w = work_of<engine::Forward>(a)) return std::pair(w->first, w->last);
  if (const auto* w = work_of<engine::Backward>(a)) return std::pair(w->first, w->last);
  if (const auto* w = work_of<engine::TrainStage>(a)) return std::pair(w->first, w->last);
  if (const auto* w = work_of<engine::TakeStage>(a)) return std::pair(w->first, w->last);
  return std::nullopt;
}

}  // namespace

std::shared_ptr<const SplitTask> SplitTask::of(std::shared_ptr<const TaskGraph> graph) {
  const auto& all = graph->activities();
  const auto first = std::ranges::find(all, ActivityKind::transfer, &Activity::kind);
  if (graph->roles() != 2 || first == all.end() || !graph->is_split(first->to)) return nullptr;
  const int worker = first->to;
  return std::shared_ptr<const SplitTask>(new SplitTask(std::move(graph), worker));
}

SplitTask::SplitTask(std::shared_ptr<const TaskGraph> graph, int worker)
    : graph_(std::move(graph)), worker_(worker) {
  const auto& all = graph_->activities();
  const auto count = graph_->artifacts().size();
  for (std::size_t i = 0; i < count; ++i) {
    const bool made = graph_->producer(static_cast<int>(i)) >= 0;
    number_.push_back(made ? static_cast<int>(i) : given);
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    const Activity& a = all[i];
    if (a.kind != ActivityKind::transfer) continue;
    number_[static_cast<std::size_t>(a.outputs.front())] = number(a.inputs.front());
    if (a.at == worker_) last_upload_ = static_cast<int>(i);
  }
  keep_from_.resize(all.size());
  int least = std::numeric_limits<int>::max();
  for (std::size_t i = all.size(); i-- > 0;) {
    for (const int input : all[i].inputs) {
      if (number(input) != given) least = std::min(least, number(input));
    }
    keep_from_[i] = least;
  }
}

std::string SplitTask::why_only_simulated() const {
  const auto& all = graph_->activities();
  if (graph_->repeat() != 1) return "it goes through its activities several times";
  if (!is_transfer_to(0, worker_) || product(0) != given) {
    return "its node does not start from what the server sends it";
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    const Activity& a = all[i];
    if (a.sized_late) return "some of its sizes follow from what it learns";
    if (i > 0 && std::ranges::find(graph_->successors()[i - 1], static_cast<int>(i)) ==
                     graph_->successors()[i - 1].end()) {
      return "its activities do not go one after another";
    }
    if (a.kind != ActivityKind::compute || a.at != worker_ || engine::is_nothing(a.work)) continue;
    if (!stage_of(a)) return "the server's part of the model is one that nodes share";
  }
  if (shares_servers_part()) return "the server's part of the model is one that nodes share";
  const auto* join = work_of<engine::JoinStages>(graph_->activities().back());
  if (join->partial) return "its node keeps layers of its own";
  return "";
}

bool SplitTask::shares_servers_part() const {
  const Activity& last = graph_->activities().back();
  const auto* join = work_of<engine::JoinStages>(last);
  return join == nullptr || last.at == worker_;
}

std::vector<std::pair<int, int>> SplitTask::worker_layers() const {
  std::vector<std::pair<int, int>> stages;
  for (const Activity& a : graph_->activities()) {
    if (a.kind != ActivityKind::compute || a.at != worker_) continue;
    const auto stage = stage_of(a);
    if (stage && std::ranges::find(stages, *stage) == stages.end()) stages.push_back(*stage);
  }
  std::ranges::sort(stages);
  return stages;
}

std::vector<int> SplitTask::inputs(int activity) const {
  std::vector<int> numbers;
  for (const int input : graph_->activities()[static_cast<std::size_t>(activity)].inputs) {
    numbers.push_back(number(input));
  }
  return numbers;
}

int SplitTask::product(int activity) const {
  return number(graph_->activities()[static_cast<std::size_t>(activity)].outputs.front());
}

bool SplitTask::is_transfer_to(int activity, int role) const {
  const Activity& a = graph_->activities()[static_cast<std::size_t>(activity)];
  return a.kind == ActivityKind::transfer && a.to == role;
}

}  // namespace convoy::sim
