#include "sim/task/graph.hpp"

#include <algorithm>
#include <cassert>
#include <stdexcept>

namespace convoy::sim {

int TaskGraph::artifact(std::string name, double bytes, int place) {
  assert(place >= 0 && place < roles_);
  return add(Artifact{std::move(name), bytes, place, -1});
}

int TaskGraph::add(Artifact artifact) {
  artifacts_.push_back(std::move(artifact));
  consumers_.push_back(0);
  return static_cast<int>(artifacts_.size()) - 1;
}

void TaskGraph::hold(int artifact, double bytes) {
  Artifact& held = artifacts_[static_cast<std::size_t>(artifact)];
  assert(bytes >= 0 && held.held == 0);
  if (bytes <= 0) return;
  held.held = bytes;
  holds_ = true;
  if (held.producer < 0) held_at_start_.push_back(artifact);
}

int TaskGraph::producer(int artifact) const {
  return artifacts_[static_cast<std::size_t>(artifact)].producer;
}

bool TaskGraph::is_split(int worker) const {
  return std::any_of(activities_.begin(), activities_.end(), [&](const Activity& a) {
    const bool works = a.kind == ActivityKind::compute && !engine::is_nothing(a.work);
    return works && a.at != worker && !engine::is_packing(a.work);
  });
}

std::vector<int> TaskGraph::first_artifacts() const {
  std::vector<int> first;
  for (std::size_t i = 0; i < artifacts_.size(); ++i) {
    if (artifacts_[i].producer < 0) first.push_back(static_cast<int>(i));
  }
  return first;
}

void TaskGraph::depend(int before, int after) {
  std::vector<int>& next = successors_[static_cast<std::size_t>(before)];
  // The newest activity can only be the last one there: so what thousands take costs each the same.
  const bool newest = after + 1 == static_cast<int>(successors_.size());
  const bool known = newest ? !next.empty() && next.back() == after
                            : std::find(next.begin(), next.end(), after) != next.end();
  if (known) return;
  next.push_back(after);
  ++waits_for_[static_cast<std::size_t>(after)];
}

int TaskGraph::add(Activity activity) {
  const int index = static_cast<int>(activities_.size());
  successors_.emplace_back();
  waits_for_.push_back(0);
  for (const int input : activity.inputs) {
    const Artifact& artifact = artifacts_[static_cast<std::size_t>(input)];
    assert(artifact.place == activity.at || (activity.off_clock && activity.seconds == 0));
    ++consumers_[static_cast<std::size_t>(input)];
    if (artifact.producer >= 0) depend(artifact.producer, index);
  }
  for (const int before : activity.after) depend(before, index);
  activities_.push_back(std::move(activity));
  return index;
}

int TaskGraph::transfer(std::string label, int artifact, int to, int priority) {
  const double bytes = artifacts_[static_cast<std::size_t>(artifact)].bytes;
  return transfer_part(std::move(label), artifact, bytes, to, priority);
}

int TaskGraph::transfer_part(std::string label, int artifact, double bytes, int to, int priority) {
  assert(to >= 0 && to < roles_ && bytes >= 0);
  Artifact copy = artifacts_[static_cast<std::size_t>(artifact)];
  if (copy.whole_bytes > 0 && bytes != copy.bytes) copy.whole_bytes *= bytes / copy.bytes;
  copy.bytes = bytes;
  Activity activity{.kind = ActivityKind::transfer,
                    .label = std::move(label),
                    .at = copy.place,
                    .to = to,
                    .bytes = copy.bytes,
                    .whole_bytes = copy.whole_bytes,
                    .priority = priority,
                    .inputs = {artifact}};
  const int made = static_cast<int>(artifacts_.size());
  activity.outputs = {made};
  copy.place = to;
  copy.held = 0;
  copy.producer = add(std::move(activity));
  return add(std::move(copy));
}

int TaskGraph::compute(Activity activity, std::vector<int> inputs, Product product) {
  assert(activity.at >= 0 && activity.at < roles_);
  if (!(activity.share >= 0 && activity.share <= 1)) {
    throw std::invalid_argument(
        "a compute (" + activity.label + ") has a share of " + std::to_string(activity.share) +
        " of its node's speed; give it 0 (none) or a share above 0 and up to 1");
  }
  const int place = activity.at;
  const int made = static_cast<int>(artifacts_.size());
  activity.kind = ActivityKind::compute;
  activity.inputs = std::move(inputs);
  activity.outputs = {made};
  const int index = add(std::move(activity));
  return add(Artifact{std::move(product.name), product.bytes, place, index, product.whole_bytes});
}

void TaskGraph::limit(int artifact, double bytes_per_s) {
  Activity& transfer = activities_[static_cast<std::size_t>(producer(artifact))];
  assert(transfer.kind == ActivityKind::transfer && bytes_per_s > 0);
  transfer.bytes_per_s = bytes_per_s;
}

void TaskGraph::guarantee(int artifact, double bytes_per_s) {
  limit(artifact, bytes_per_s);
  activities_[static_cast<std::size_t>(producer(artifact))].at_least = true;
}

void TaskGraph::size_late(int activity) {
  activities_[static_cast<std::size_t>(activity)].sized_late = true;
}

void TaskGraph::order(int before, int after) {
  assert(before < after);
  activities_[static_cast<std::size_t>(after)].after.push_back(before);
  depend(before, after);
}

}  // namespace convoy::sim
