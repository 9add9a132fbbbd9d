#include "sim/plan/pipeline_allocation.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

namespace convoy::sim {
namespace {

// One group's devices while a micro-batch is shared.
class MicrobatchSharing {
 public:
  MicrobatchSharing(StageTimes& times, LayerRange layers, std::span<const int> group, int stashes,
                    int versions)
      : times_(times), layers_(layers) {
    for (const int device : group) {
      shares_.push_back({device, times.most_samples(device, layers, stashes, versions)});
    }
  }

  [[nodiscard]] bool fits(int samples) const {
    int room = 0;
    for (const Share& share : shares_) room = std::min(samples, room + share.most);
    return room == samples;
  }

  // In proportion to speed, within the memories; what is left over, again.
  void share(int left) {
    const int each = std::max(1, left / static_cast<int>(shares_.size()));
    for (Share& share : shares_) share.speed = 1 / std::max(latency(share.device, each), 1e-30);
    while (left > 0) left -= share_once(left);
    for (Share& share : shares_) look(share);
  }

  void even_out() {
    while (move_one()) {
    }
  }

  [[nodiscard]] std::vector<int> samples() const {
    std::vector<int> samples;
    for (const Share& share : shares_) samples.push_back(share.samples);
    return samples;
  }

 private:
  struct Share {
    int device = 0;
    int most = 0;
    int samples = 0;
    double speed = 0;
    double rest = 0;  // of its share, less whole samples
    double now = 0;   // s
    double then = 0;  // s with one sample more; infinite where it has no room
  };

  [[nodiscard]] double latency(int device, int samples) {
    const PipelineStep pass = times_.pass(device, layers_, samples);
    return pass.forward_s + pass.backward_s;
  }

  void look(Share& share) {
    share.now = latency(share.device, share.samples);
    share.then = share.samples < share.most ? latency(share.device, share.samples + 1)
                                            : std::numeric_limits<double>::infinity();
  }

  int share_once(int left) {
    double sum = 0;
    for (const Share& share : shares_) {
      if (share.samples < share.most) sum += share.speed;
    }
    int given = 0;
    int whole = 0;
    std::vector<Share*> open;
    for (Share& share : shares_) {
      if (share.samples >= share.most) continue;
      const double part = left * (share.speed / sum);
      const int floor = std::min(left - whole, static_cast<int>(part));
      const int add = std::min(floor, share.most - share.samples);
      whole += floor;
      given += add;
      share.samples += add;
      share.rest = part - floor;
      open.push_back(&share);
    }
    std::stable_sort(open.begin(), open.end(),
                     [](const Share* a, const Share* b) { return a->rest > b->rest; });
    for (Share* share : open) {
      if (whole == left) break;
      if (share->samples >= share->most) continue;
      ++share->samples;
      ++given;
      ++whole;
    }
    return given;
  }

  // From the slowest to the one that is fastest with one more.
  bool move_one() {
    Share* slowest = shares_.data();
    Share* receiver = shares_.data();
    for (Share& share : shares_) {
      if (share.now > slowest->now) slowest = &share;
      if (share.then < receiver->then) receiver = &share;
    }
    if (receiver->then >= slowest->now || receiver == slowest) return false;
    --slowest->samples;
    ++receiver->samples;
    look(*slowest);
    look(*receiver);
    return true;
  }

  StageTimes& times_;
  LayerRange layers_;
  std::vector<Share> shares_;
};

}  // namespace

StageTimes::StageTimes(const PipelineProblem& problem)
    : problem_(problem), layers_(problem.costs->layers()) {
  std::map<std::pair<int, double>, int> known;
  int kinds = 0;
  for (const PipelineDevice& device : problem.devices) {
    kinds = std::max(kinds, device.kind + 1);
    const auto next = static_cast<int>(known.size());
    classes_.push_back(known.try_emplace({device.kind, device.memory_bytes}, next).first->second);
  }
  const auto ranges = static_cast<std::size_t>(layers_) * static_cast<std::size_t>(layers_);
  passes_.resize(ranges * static_cast<std::size_t>(kinds));
  most_.resize(ranges * known.size());
}

PipelineStep StageTimes::pass(int device, LayerRange layers, int samples) {
  if (samples == 0) return {};
  const int kind = problem_.devices[static_cast<std::size_t>(device)].kind;
  const auto ranges = static_cast<std::size_t>(layers_) * static_cast<std::size_t>(layers_);
  auto& known = passes_[(static_cast<std::size_t>(kind) * ranges) + range_of(layers)];
  if (known.empty()) known.assign(static_cast<std::size_t>(problem_.microbatch) + 1, {-1, -1});
  PipelineStep& pass = known[static_cast<std::size_t>(samples)];
  if (pass.forward_s < 0) {
    pass = {problem_.costs->forward_s(kind, layers, samples),
            problem_.costs->backward_s(kind, layers, samples)};
  }
  return pass;
}

int StageTimes::most_samples(int device, LayerRange layers, int stashes, int versions) {
  const PipelineDevice& known_as = problem_.devices[static_cast<std::size_t>(device)];
  if (std::isinf(known_as.memory_bytes)) return problem_.microbatch;
  const auto ranges = static_cast<std::size_t>(layers_) * static_cast<std::size_t>(layers_);
  auto& known = most_[(static_cast<std::size_t>(class_of(device)) * ranges) + range_of(layers)];
  const auto at = static_cast<std::size_t>(stashes);
  const bool is_kept = versions == 1 && stashes <= 2 * layers_;
  if (is_kept && known.empty()) known.assign(static_cast<std::size_t>((2 * layers_) + 1), -1);
  if (is_kept && known[at] >= 0) return known[at];
  int fits = 0;
  int too_many = problem_.microbatch + 1;
  while (too_many - fits > 1) {
    const int middle = (fits + too_many) / 2;
    const double bytes = problem_.costs->memory_bytes(layers, middle, stashes, versions);
    (bytes <= known_as.memory_bytes ? fits : too_many) = middle;
  }
  if (is_kept) known[at] = fits;
  return fits;
}

int StageTimes::fast_samples(int device, LayerRange layers, double longest_s, int stashes) {
  int fits = 0;
  int too_many = most_samples(device, layers, stashes, 1) + 1;
  while (too_many - fits > 1) {
    const int middle = (fits + too_many) / 2;
    const PipelineStep one = pass(device, layers, middle);
    (one.forward_s + one.backward_s < longest_s ? fits : too_many) = middle;
  }
  return fits;
}

std::vector<int> allocate_samples(StageTimes& times, LayerRange layers, std::span<const int> group,
                                  int stashes, int versions) {
  MicrobatchSharing sharing(times, layers, group, stashes, versions);
  if (!sharing.fits(times.problem().microbatch)) return {};
  sharing.share(times.problem().microbatch);
  sharing.even_out();
  return sharing.samples();
}

std::vector<StageMember> allocate(StageTimes& times, LayerRange layers, std::span<const int> group,
                                  int stashes, int versions) {
  std::vector<StageMember> members;
  const std::vector<int> samples = allocate_samples(times, layers, group, stashes, versions);
  for (std::size_t i = 0; i < samples.size(); ++i) {
    if (samples[i] > 0) members.push_back({group[i], samples[i]});
  }
  return members;
}

}  // namespace convoy::sim
