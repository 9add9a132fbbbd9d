#include "sim/plan/pipeline_recovery.hpp"

#include <algorithm>
#include <map>
#include <tuple>

#include "sim/plan/pipeline_allocation.hpp"
#include "sim/plan/pipeline_marks.hpp"
#include "sim/plan/pipeline_parts.hpp"
#include "sim/plan/require.hpp"

namespace convoy::sim {
namespace {

constexpr std::string_view recovery = "recovery";
constexpr double unlimited = std::numeric_limits<double>::infinity();

// Who has the weights of which layer after a loss.
class Holders {
 public:
  Holders(const PipelineProblem& problem, const PipelinePlan& plan, const std::vector<int>& lost)
      : has_(static_cast<std::size_t>(problem.costs->layers())), is_left_(problem.devices.size()) {
    std::fill(is_left_.begin(), is_left_.end(), true);
    for (const int device : lost) is_left_.at(static_cast<std::size_t>(device)) = false;
    std::vector<std::vector<int>> backups(has_.size());
    for (const PipelineStage& stage : plan.stages) {
      for (const StageMember& member : stage.members) add(has_, stage.layers, member.device);
    }
    for (const WeightBackup& backup : backups_of(problem, plan)) {
      add(backups, plan.stages[static_cast<std::size_t>(backup.stage)].layers, backup.holder);
    }
    for (std::size_t layer = 0; layer < has_.size(); ++layer) {
      if (has_[layer].empty()) has_[layer] = backups[layer];
    }
  }

  [[nodiscard]] bool is_left(int device) const {
    return is_left_[static_cast<std::size_t>(device)];
  }
  [[nodiscard]] const std::vector<int>& of(int layer) const {
    return has_[static_cast<std::size_t>(layer)];
  }
  [[nodiscard]] bool has(int device, int layer) const {
    return std::find(of(layer).begin(), of(layer).end(), device) != of(layer).end();
  }

  [[nodiscard]] std::vector<LayerRange> missing() const {
    std::vector<LayerRange> missing;
    for (int layer = 0; layer < static_cast<int>(has_.size()); ++layer) {
      if (!of(layer).empty()) continue;
      if (!missing.empty() && missing.back().last == layer) {
        ++missing.back().last;
      } else {
        missing.push_back({layer, layer + 1});
      }
    }
    return missing;
  }

 private:
  void add(std::vector<std::vector<int>>& to, LayerRange layers, int device) const {
    if (!is_left(device)) return;
    for (int layer = layers.first; layer < layers.last; ++layer) {
      to[static_cast<std::size_t>(layer)].push_back(device);
    }
  }

  std::vector<std::vector<int>> has_;
  std::vector<bool> is_left_;
};

// Collects moves: a device sends one after the other, and receives one after the other.
class Moves {
 public:
  explicit Moves(const PipelineProblem& problem)
      : problem_(problem), sends_(problem.devices.size()), receives_(problem.devices.size()) {}

  // From the holder that is done first.
  void bring(int layer, int to, const Holders& holders) {
    int from = -1;
    double least = unlimited;
    for (const int holder : holders.of(layer)) {
      const double end = sends_[static_cast<std::size_t>(holder)] + seconds(layer, holder, to);
      if (end >= least) continue;
      least = end;
      from = holder;
    }
    if (from >= 0) send(layer, from, to);
  }

  void send(int layer, int from, int to) {
    const double took = seconds(layer, from, to);
    sends_[static_cast<std::size_t>(from)] += took;
    receives_[static_cast<std::size_t>(to)] += took;
    const double bytes = problem_.costs->weight_bytes({layer, layer + 1});
    if (!moves_.empty()) {
      WeightMove& last = moves_.back();
      if (last.from == from && last.to == to && last.layers.last == layer) {
        ++last.layers.last;
        last.bytes += bytes;
        return;
      }
    }
    moves_.push_back({from, to, {layer, layer + 1}, bytes});
  }

  [[nodiscard]] const std::vector<WeightMove>& all() const { return moves_; }

  [[nodiscard]] double seconds() const {
    double longest = 0;
    for (const double s : sends_) longest = std::max(longest, s);
    for (const double s : receives_) longest = std::max(longest, s);
    return moves_.empty() ? 0 : longest + problem_.latency_s;
  }

 private:
  [[nodiscard]] double seconds(int layer, int from, int to) const {
    return problem_.costs->weight_bytes({layer, layer + 1}) / problem_.bandwidth(from, to);
  }

  const PipelineProblem& problem_;
  std::vector<double> sends_;
  std::vector<double> receives_;
  std::vector<WeightMove> moves_;
};

double bytes_of(const std::vector<WeightMove>& moves) {
  double bytes = 0;
  for (const WeightMove& move : moves) bytes += move.bytes;
  return bytes;
}

// New boundaries between groups that are left.
class Boundaries {
 public:
  Boundaries(const PipelineProblem& problem, const PipelinePlan& old, const Holders& holders,
             const RecoveryOptions& options)
      : problem_(problem), times_(problem), old_(old), holders_(holders), options_(options) {
    for (const PipelineStage& stage : old.stages) {
      std::vector<int> group;
      for (const StageMember& member : stage.members) {
        if (holders.is_left(member.device)) group.push_back(member.device);
      }
      if (!group.empty()) groups_.push_back(std::move(group));
    }
    require(recovery, !groups_.empty(), "no device of the pipeline is left");
  }

  PipelinePlan run() {
    const int layers = problem_.costs->layers();
    const int stages = static_cast<int>(groups_.size());
    const auto load = [&](int stage, LayerRange range) { return load_of(stage, range); };
    const auto cut = [&](int stage, int layer) { return cut_s(stage, layer); };
    const double least = best_chain(layers, stages, load, cut).load;
    require(recovery, least < unlimited,
            "the devices that are left do not hold the layers in the order of the stages: "
            "reschedule all of them");
    return plan_of(fewest_bytes(least * (1 + options_.slack)));
  }

 private:
  [[nodiscard]] int window(int stage) const {
    if (old_.order != PipelineOrder::one_f_one_b) return old_.microbatches;
    return window_of(options_.window, static_cast<int>(groups_.size()), stage, old_.microbatches);
  }

  std::vector<StageMember> members(int stage, LayerRange range) {
    return allocate(times_, range, groups_[static_cast<std::size_t>(stage)], window(stage),
                    !old_.stashes_weights ? 1 : window(old_.vertical_sync ? 0 : stage));
  }

  double load_of(int stage, LayerRange range) {
    const auto [at, is_new] = loads_.try_emplace({stage, range.first, range.last}, unlimited);
    if (!is_new) return at->second;
    const std::vector<StageMember> shared = members(stage, range);
    if (shared.empty()) return unlimited;
    const PipelineStep step = compute_step(problem_, range, shared);
    return at->second = step.forward_s + step.backward_s;
  }

  [[nodiscard]] double cut_s(int stage, int layer) const {
    const auto at = static_cast<std::size_t>(stage);
    const PipelineStep link =
        transfer_step(problem_, layer, problem_.microbatch,
                      slowest_between(problem_, groups_[at], groups_[at + 1]));
    return link.forward_s + link.backward_s;
  }

  [[nodiscard]] double bytes_to(int stage, LayerRange range) const {
    double bytes = 0;
    for (const int device : groups_[static_cast<std::size_t>(stage)]) {
      for (int layer = range.first; layer < range.last; ++layer) {
        if (holders_.has(device, layer)) continue;
        bytes += problem_.costs->weight_bytes({layer, layer + 1});
      }
    }
    return bytes;
  }

  // Of the boundaries with no step above `longest`, those for which the fewest bytes move.
  std::vector<LayerRange> fewest_bytes(double longest) {
    struct Cell {
      double bytes = unlimited;
      int first = 0;
    };
    const int layers = problem_.costs->layers();
    const int stages = static_cast<int>(groups_.size());
    std::vector<std::vector<Cell>> cells(static_cast<std::size_t>(stages),
                                         std::vector<Cell>(static_cast<std::size_t>(layers) + 1));
    const auto cell = [&](int stage, int last) -> Cell& {
      return cells[static_cast<std::size_t>(stage)][static_cast<std::size_t>(last)];
    };
    for (int stage = 0; stage < stages; ++stage) {
      for (int last = stage + 1; last <= layers; ++last) {
        if (stage + 1 < stages && (last == layers || cut_s(stage, last - 1) > longest)) continue;
        for (int first = stage; first < last && (stage > 0 || first == 0); ++first) {
          const double before = stage == 0 ? 0 : cell(stage - 1, first).bytes;
          if (before >= cell(stage, last).bytes || load_of(stage, {first, last}) > longest) {
            continue;
          }
          const double bytes = before + bytes_to(stage, {first, last});
          if (bytes < cell(stage, last).bytes) cell(stage, last) = {bytes, first};
        }
      }
    }
    std::vector<LayerRange> ranges(static_cast<std::size_t>(stages));
    int last = layers;
    for (int stage = stages - 1; stage >= 0; --stage) {
      ranges[static_cast<std::size_t>(stage)] = {cell(stage, last).first, last};
      last = cell(stage, last).first;
    }
    return ranges;
  }

  PipelinePlan plan_of(const std::vector<LayerRange>& ranges) {
    PipelinePlan plan = old_;
    plan.stages.clear();
    for (int stage = 0; stage < static_cast<int>(ranges.size()); ++stage) {
      const LayerRange range = ranges[static_cast<std::size_t>(stage)];
      plan.stages.push_back({range, members(stage, range), window(stage)});
    }
    plan.planner = old_.planner + ", light replay";
    return plan;
  }

  const PipelineProblem& problem_;
  StageTimes times_;
  const PipelinePlan& old_;
  const Holders& holders_;
  RecoveryOptions options_;
  std::vector<std::vector<int>> groups_;
  std::map<std::tuple<int, int, int>, double> loads_;
};

PipelineProblem with_microbatches_of(const PipelinePlan& plan, PipelineProblem problem) {
  problem.microbatch = plan.microbatch;
  problem.microbatches = plan.microbatches;
  return problem;
}

}  // namespace

std::vector<WeightBackup> backups_of(const PipelineProblem& problem, const PipelinePlan& plan) {
  std::vector<WeightBackup> backups;
  const std::size_t stages = plan.stages.size();
  for (std::size_t s = 0; s < stages && stages > 1; ++s) {
    const PipelineStage& stage = plan.stages[s];
    if (stage.members.size() > 1) continue;
    const int owner = stage.members.front().device;
    const auto& next = plan.stages[(s + 1) % stages].members;
    const auto holder =
        std::max_element(next.begin(), next.end(), [&](const StageMember& a, const StageMember& b) {
          return problem.bandwidth(owner, a.device) < problem.bandwidth(owner, b.device);
        });
    backups.push_back(
        {static_cast<int>(s), owner, holder->device, problem.costs->weight_bytes(stage.layers)});
  }
  return backups;
}

PipelineRecovery light_replay(const PipelineProblem& problem, const PipelinePlan& plan,
                              const std::vector<int>& lost, const RecoveryOptions& options) {
  check_plan(problem, plan);
  const PipelineProblem now = with_microbatches_of(plan, problem);
  const Holders holders(now, plan, lost);
  PipelineRecovery result;
  result.plan = Boundaries(now, plan, holders, options).run();
  result.missing = holders.missing();
  Moves moves(now);
  for (const PipelineStage& stage : result.plan.stages) {
    for (const StageMember& member : stage.members) {
      for (int layer = stage.layers.first; layer < stage.layers.last; ++layer) {
        if (!holders.has(member.device, layer)) moves.bring(layer, member.device, holders);
      }
    }
  }
  result.moves = moves.all();
  result.moved_bytes = bytes_of(result.moves);
  result.recovery_s = moves.seconds();
  return result;
}

PipelineRecovery reschedule(const PipelineProblem& problem, const PipelinePlan& plan,
                            const std::vector<int>& lost,
                            const std::function<PipelinePlan(const PipelineProblem&)>& planner,
                            const RecoveryOptions& options) {
  check_plan(problem, plan);
  const Holders holders(problem, plan, lost);
  std::vector<int> left;
  for (int device = 0; device < static_cast<int>(problem.devices.size()); ++device) {
    if (holders.is_left(device)) left.push_back(device);
  }
  require(recovery, !left.empty(), "no device is left");
  PipelineProblem now = with_microbatches_of(plan, problem);
  now.devices.clear();
  now.bandwidth_bytes_per_s.clear();
  int gatherer = left.front();
  for (const int from : left) {
    now.devices.push_back(problem.devices[static_cast<std::size_t>(from)]);
    for (const int to : left) now.bandwidth_bytes_per_s.push_back(problem.bandwidth(from, to));
    if (now.devices.back().memory_bytes >
        problem.devices[static_cast<std::size_t>(gatherer)].memory_bytes) {
      gatherer = from;
    }
  }
  PipelineRecovery result;
  result.plan = planner(now);
  result.missing = holders.missing();
  Moves gathers(problem);
  for (int layer = 0; layer < problem.costs->layers(); ++layer) {
    if (!holders.has(gatherer, layer)) gathers.bring(layer, gatherer, holders);
  }
  Moves moves(problem);
  for (PipelineStage& stage : result.plan.stages) {
    for (StageMember& member : stage.members) {
      member.device = left[static_cast<std::size_t>(member.device)];
      if (member.device == gatherer) continue;
      for (int layer = stage.layers.first; layer < stage.layers.last; ++layer) {
        if (!holders.of(layer).empty()) moves.send(layer, gatherer, member.device);
      }
    }
  }
  result.gathers = gathers.all();
  result.moves = moves.all();
  result.moved_bytes = bytes_of(result.gathers) + bytes_of(result.moves);
  result.recovery_s = gathers.seconds() + options.planning_s + moves.seconds();
  return result;
}

}  // namespace convoy::sim
