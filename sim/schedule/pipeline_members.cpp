#include "sim/schedule/pipeline_members.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/diagnostics.hpp"

namespace convoy::sim {
namespace {

using Kind = PipelineInstruction::Kind;

std::size_t number(int i) { return static_cast<std::size_t>(i); }

class Groups {
 public:
  Groups(const PipelineProblem& problem, const PipelinePlan& plan, const PipelineFigures& figures)
      : problem_(problem), costs_(*problem.costs), plan_(plan), figures_(figures) {
    check_windows();
    for (int p = 0; p < count(); ++p) begin(p);
    for (int p = 0; p + 1 < count(); ++p) connect(p);
    for (int p = 0; p < count(); ++p) {
      for (PipelineMember& member : groups_[number(p)]) describe(p, member);
    }
  }

  std::vector<PipelineGroup> take() { return std::move(groups_); }

 private:
  [[nodiscard]] int count() const { return static_cast<int>(plan_.stages.size()); }
  [[nodiscard]] const PipelineStage& stage(int p) const { return plan_.stages[number(p)]; }

  void check_windows() const {
    for (int p = 1; p < count(); ++p) {
      const int here = most_in_flight(plan_, p);
      const int before = most_in_flight(plan_, p - 1);
      if (here <= before) continue;
      throw base::UserError(fmt::format(
          "stage {} of the pipeline waits for {} micro-batches before it sends one back, and stage "
          "{} sends it no more than {} before one comes back: both would wait for ever. Give stage "
          "{} a window of at most {}, or stage {} one of at least {}",
          p + 1, here, p, before, p + 1, before, p, here));
    }
  }

  void begin(int p) {
    PipelineGroup& group = groups_.emplace_back();
    int first = 0;
    for (const StageMember& one : stage(p).members) {
      PipelineMember& member = group.emplace_back();
      PipelineCompute& compute = member.compute;
      compute.stage = p;
      compute.member = static_cast<int>(group.size()) - 1;
      compute.role = roles_++;
      compute.device = one.device;
      compute.layers = stage(p).layers;
      compute.microbatches = plan_.microbatches;
      compute.samples = {first, first + one.samples};
      first += one.samples;
    }
  }

  // What goes between this stage and the next.
  void connect(int p) {
    PipelineGroup& here = groups_[number(p)];
    PipelineGroup& next = groups_[number(p + 1)];
    const int cut = stage(p).layers.last - 1;
    const int first_here = here.front().compute.role;
    const int first_next = next.front().compute.role;
    const auto ahead = pieces_between(stage(p).members, first_here, stage(p + 1).members);
    for (std::size_t j = 0; j < next.size(); ++j) {
      next[j].from_before = ahead[j];
      for (const SamplePiece& piece : ahead[j]) {
        here[number(piece.from - first_here)].ahead.push_back(
            {next[j].compute.role, costs_.forward_bytes(cut, piece.taken.count())});
      }
    }
    const auto back = pieces_between(stage(p + 1).members, first_next, stage(p).members);
    for (std::size_t j = 0; j < here.size(); ++j) {
      here[j].from_behind = back[j];
      for (const SamplePiece& piece : back[j]) {
        next[number(piece.from - first_next)].back.push_back(
            {here[j].compute.role, costs_.backward_bytes(cut, piece.taken.count())});
      }
    }
  }

  void describe(int p, PipelineMember& member) const {
    const LayerRange layers = stage(p).layers;
    const int kind = problem_.devices[number(member.compute.device)].kind;
    const int n = member.compute.samples.count();
    if (p + 1 < count()) member.activation_bytes = costs_.forward_bytes(layers.last - 1, n);
    if (p > 0) member.gradient_bytes = costs_.backward_bytes(layers.first - 1, n);
    member.weight_bytes = costs_.weight_bytes(layers);
    member.forward = activity(member, Kind::forward, costs_.forward_s(kind, layers, n));
    member.backward = activity(member, Kind::backward, costs_.backward_s(kind, layers, n));
    member.step = activity(member, Kind::step, costs_.step_s(kind, layers));
    divide_memory(p, member);
  }

  Activity activity(PipelineMember& member, Kind kind, double seconds) const {
    const PipelineCompute& asked = member.about({kind, 0});
    Activity made;
    made.at = asked.role;
    made.seconds = seconds;
    if (figures_.flops) made.flops = figures_.flops(asked);
    if (figures_.watts) made.watts = figures_.watts(asked);
    return made;
  }

  // Of the most that the member takes, each micro-batch in flight has its stash, and each version
  // of the weights what the last of them adds.
  void divide_memory(int p, PipelineMember& member) const {
    const int flying = most_in_flight(plan_, p);
    const int kept = std::min(versions_of(plan_, stage(p)), plan_.microbatches);
    const auto memory = [&](int stashes, int versions) {
      return costs_.memory_bytes(stage(p).layers, member.compute.samples.count(), stashes,
                                 versions);
    };
    const double most = memory(flying, kept);
    const double stash = costs_.stash_bytes(stage(p).layers, member.compute.samples.count());
    member.stash_bytes = std::clamp(stash, 0.0, most / flying);
    member.stays_bytes = most - (flying * member.stash_bytes);
    if (kept == 1) return;
    member.version_bytes =
        std::clamp(most - memory(flying, kept - 1), 0.0, member.stays_bytes / kept);
    member.stays_bytes -= kept * member.version_bytes;
  }

  const PipelineProblem& problem_;
  const PipelineCosts& costs_;
  const PipelinePlan& plan_;
  const PipelineFigures& figures_;
  std::vector<PipelineGroup> groups_;
  int roles_ = 0;
};

}  // namespace

PipelineCompute& PipelineMember::about(PipelineInstruction what) {
  compute.instruction = what;
  compute.pieces.clear();
  if (what.kind == Kind::forward) compute.pieces = from_before;
  if (what.kind == Kind::backward) compute.pieces = from_behind;
  return compute;
}

std::vector<PipelineGroup> pipeline_groups(const PipelineProblem& problem, const PipelinePlan& plan,
                                           const PipelineFigures& figures) {
  return Groups(problem, plan, figures).take();
}

int most_in_flight(const PipelinePlan& plan, int stage) {
  if (plan.order != PipelineOrder::one_f_one_b) return plan.microbatches;
  return std::min(plan.stages[number(stage)].window, plan.microbatches);
}

std::vector<std::vector<SamplePiece>> pieces_between(const std::vector<StageMember>& from,
                                                     int from_role,
                                                     const std::vector<StageMember>& to) {
  std::vector<std::vector<SamplePiece>> all;
  int begin = 0;
  for (const StageMember& one : to) {
    const int end = begin + one.samples;
    std::vector<SamplePiece>& pieces = all.emplace_back();
    int first = 0;
    for (std::size_t i = 0; i < from.size(); ++i) {
      const int last = first + from[i].samples;
      const SampleRange taken{std::max(begin, first), std::min(end, last)};
      if (taken.count() > 0) {
        pieces.push_back({from_role + static_cast<int>(i), {first, last}, taken});
      }
      first = last;
    }
    begin = end;
  }
  return all;
}

}  // namespace convoy::sim
