#include "sim/schedule/pipeline_graph.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "sim/schedule/pipeline_members.hpp"
#include "sim/task/collectives.hpp"
#include "sim/task/pipeline_label.hpp"

namespace convoy::sim {
namespace {

using Kind = PipelineInstruction::Kind;
using Called = PipelineLabel::Kind;

std::size_t at(int i) { return static_cast<std::size_t>(i); }

// What the graph has of a member so far.
struct Progress {
  PipelineMember* member = nullptr;
  int weights = -1;                       // artifact: its present ones
  int last = -1;                          // activity: its last compute
  int returned = -1;                      // artifact: of its last backward
  int stepped = -1;                       // artifact: of its last step
  std::vector<int> versions;              // artifacts: of its weights, by steps before
  std::vector<int> activation;            // by micro-batch: of its forward
  std::vector<int> went_with;             // by micro-batch: the weights of its forward
  std::vector<std::vector<int>> arrived;  // by micro-batch: activations, then gradients
};

struct StageProgress {
  std::vector<PipelineInstruction> order;
  std::size_t done = 0;  // instructions
  std::vector<Progress> members;
  std::vector<bool> went;  // by micro-batch: forward
  std::vector<bool> came;  // by micro-batch: back
  std::vector<int> steps;  // by micro-batch: of the stage when it went forward
  int back = 0;            // micro-batches

  [[nodiscard]] bool has_ended() const { return done == order.size(); }
};

class PipelineWriter {
 public:
  PipelineWriter(const PipelineProblem& problem, const PipelinePlan& plan,
                 const PipelineOptions& options)
      : plan_(plan),
        options_(options),
        groups_(pipeline_groups(problem, plan, options.figures)),
        stages_(groups_.size()) {
    const int passes = options.rounds;
    if (passes < 1 || (passes > 1 && plan.stashes_weights)) {
      throw std::invalid_argument(fmt::format(
          "a pipeline of {} rounds; give 1 or more, and 1 where stages stash weights", passes));
    }
    made_.roles.resize(groups_.size());
    for (int p = 0; p < count(); ++p) {
      for (const PipelineMember& member : groups_[at(p)]) {
        made_.roles[at(p)].push_back(member.compute.role);
        made_.devices.push_back(member.compute.device);
      }
    }
    const int roles = static_cast<int>(made_.devices.size());
    const std::size_t each = at(plan.microbatches) * 6 + 16;  // artifacts of a member, about
    graph_ = std::make_shared<TaskGraph>(roles + options.more_roles, at(roles) * each);
    for (int p = 0; p < count(); ++p) begin(p);
  }

  PipelineGraph write() {
    // In turns, from the last stage to the first, as they could compute.
    bool goes_on = true;
    while (goes_on) {
      goes_on = false;
      for (int p = count(); p-- > 0;) {
        StageProgress& stage = stages_[at(p)];
        if (stage.has_ended() || !can_go_on(p)) continue;
        add(p, stage.order[stage.done++]);
        goes_on = true;
      }
    }
    for (const StageProgress& stage : stages_) {
      if (!stage.has_ended()) throw std::logic_error("a pipeline's stages wait for each other");
    }
    if (options_.collect_at) collect(*options_.collect_at);
    if (!plan_.stashes_weights) graph_->repeat(options_.rounds);
    made_.graph = graph_;
    return std::move(made_);
  }

 private:
  [[nodiscard]] int count() const { return static_cast<int>(plan_.stages.size()); }
  [[nodiscard]] int microbatches() const { return plan_.microbatches; }

  void begin(int p) {
    StageProgress& stage = stages_[at(p)];
    const int window = std::min(plan_.stages[at(p)].window, microbatches());
    stage.order = stage_order(plan_.order, window, microbatches(), plan_.stashes_weights);
    stage.went.resize(at(microbatches()));
    stage.came.resize(at(microbatches()));
    stage.steps.resize(at(microbatches()), 0);
    for (PipelineMember& member : groups_[at(p)]) {
      Progress& one = stage.members.emplace_back();
      one.member = &member;
      one.activation.resize(at(microbatches()), -1);
      one.went_with.resize(at(microbatches()), -1);
      one.arrived.resize(at(microbatches()));
      const int role = member.compute.role;
      one.weights = graph_->artifact("weights", member.weight_bytes, role);
      one.versions.push_back(one.weights);
      if (plan_.stashes_weights) graph_->hold(one.weights, member.version_bytes);
      // Nobody takes them: they stay to the task's end.
      const int stays =
          plan_.stashes_weights ? graph_->artifact("optimizer", 0, role) : one.weights;
      graph_->hold(stays, member.stays_bytes);
    }
  }

  // --- instruction by instruction ---------------------------------------------------------------

  [[nodiscard]] bool can_go_on(int p) const {
    const StageProgress& stage = stages_[at(p)];
    const auto [kind, m] = stage.order[stage.done];
    if (kind == Kind::forward) return p == 0 || stages_[at(p - 1)].went[at(m)];
    if (kind == Kind::backward) return p + 1 == count() || stages_[at(p + 1)].came[at(m)];
    return !waits_for_all(p) || std::all_of(stages_.begin(), stages_.end(), [&](const auto& one) {
      return one.back == microbatches();
    });
  }
  [[nodiscard]] bool waits_for_all(int p) const {
    return !options_.overlaps && !plan_.stashes_weights && stages_[at(p)].members.size() > 1;
  }

  void add(int p, PipelineInstruction what) {
    StageProgress& stage = stages_[at(p)];
    const auto m = at(what.microbatch);
    switch (what.kind) {
      case Kind::forward:
        stage.steps[m] = static_cast<int>(stage.members.front().versions.size()) - 1;
        for (Progress& member : stage.members) forward(p, member, what);
        for (const Progress& member : stage.members) {
          send(member.activation[m], member.member->ahead, p, p + 1, what);
        }
        stage.went[m] = true;
        break;
      case Kind::backward:
        for (Progress& member : stage.members) backward(p, member, what);
        for (const Progress& member : stage.members) {
          send(member.returned, member.member->back, p, p - 1, what);
        }
        stage.came[m] = true;
        ++stage.back;
        break;
      case Kind::step:
        step(p, what);
        break;
    }
  }

  void forward(int p, Progress& member, PipelineInstruction what) {
    const auto m = at(what.microbatch);
    std::vector<int> inputs = std::exchange(member.arrived[m], {});
    const int weights = weights_for(member, what);
    if (plan_.stashes_weights) inputs.push_back(weights);
    Activity activity = member.member->forward;
    activity.label = label(Called::forward, p, what.microbatch);
    activity.work = work(options_.works.forward, member, what);
    const int made = compute(member, std::move(activity), std::move(inputs),
                             {"activation", member.member->activation_bytes});
    graph_->hold(made, member.member->stash_bytes);
    member.activation[m] = made;
    member.went_with[m] = weights;
  }
  // The present ones, or those after as many steps as the first stage had made.
  [[nodiscard]] int weights_for(const Progress& member, PipelineInstruction what) const {
    if (!plan_.vertical_sync) return member.weights;
    const int steps = stages_.front().steps[at(what.microbatch)];
    return member.versions[at(std::min(steps, static_cast<int>(member.versions.size()) - 1))];
  }

  void backward(int p, Progress& member, PipelineInstruction what) {
    const auto m = at(what.microbatch);
    std::vector<int> inputs = std::exchange(member.arrived[m], {});
    inputs.insert(inputs.begin(), member.activation[m]);
    if (plan_.stashes_weights) inputs.push_back(member.went_with[m]);
    Activity activity = member.member->backward;
    activity.label = label(Called::backward, p, what.microbatch);
    activity.work = work(options_.works.backward, member, what);
    member.returned = compute(member, std::move(activity), std::move(inputs),
                              {"gradient", member.member->gradient_bytes});
  }

  void send(int artifact, const std::vector<PipelineMember::Sending>& all, int from, int to,
            PipelineInstruction what) {
    for (const PipelineMember::Sending& one : all) {
      const Called called = what.kind == Kind::forward ? Called::forward : Called::backward;
      const int there = graph_->transfer_part(label(called, from, what.microbatch, to), artifact,
                                              one.bytes, one.to);
      receiver(to, one.to).arrived[at(what.microbatch)].push_back(there);
    }
  }
  Progress& receiver(int p, int role) {
    std::vector<Progress>& members = stages_[at(p)].members;
    return members[at(role - role_of(members.front()))];
  }

  void step(int p, PipelineInstruction what) {
    std::vector<Progress>& members = stages_[at(p)].members;
    if (members.size() == 1) {
      take_step(p, members[0], what, {members[0].returned});
      return;
    }
    const int n = static_cast<int>(members.size());
    const Collective sum = all_reduce(*graph_, gradients(p, what), ring(p, what));
    for (int i = 0; i < n; ++i) {
      const std::vector<int>& came = sum.arrived[at(i)];
      take_step(p, members[at(i)], what, {came.begin() + (n - 2), came.end()});
    }
  }

  // What the members of a group send first.
  std::vector<int> gradients(int p, PipelineInstruction what) {
    std::vector<Progress>& members = stages_[at(p)].members;
    const int n = static_cast<int>(members.size());
    const std::vector<int> ends = waits_for_all(p) ? last_of_others(p) : std::vector<int>();
    std::vector<int> all;
    for (int i = 0; i < n; ++i) {
      Progress& member = members[at(i)];
      Activity activity{.label = label(Called::take, p, number(what)), .at = role_of(member)};
      activity.work = added(member, what, first_chunk_of(i, n), n);
      all.push_back(compute(member, std::move(activity), {member.returned},
                            {"gradients", member.member->weight_bytes}));
      for (const int end : ends) graph_->order(end, member.last);
    }
    return all;
  }

  CollectiveOptions ring(int p, PipelineInstruction what) {
    CollectiveOptions options{.label = label(Called::all_reduce, p, number(what)), .priority = 1};
    options.adds = true;
    options.add_label = label(Called::add, p, number(what));
    options.add_s = [this](const CollectiveAdd& add) { return options_.add_s * add.bytes; };
    options.add = [this, p, what](const CollectiveAdd& add) {
      return added(stages_[at(p)].members[at(add.participant)], what, add.chunk, add.chunks);
    };
    return options;
  }
  engine::Work added(Progress& member, PipelineInstruction what, int chunk, int chunks) const {
    const auto& add = options_.works.add;
    return add ? add(member.member->about(what), chunk, chunks) : engine::Work();
  }

  // The last computes of the other stages.
  [[nodiscard]] std::vector<int> last_of_others(int p) const {
    std::vector<int> all;
    for (int q = 0; q < count(); ++q) {
      if (q == p) continue;
      for (const Progress& member : stages_[at(q)].members) {
        all.push_back(graph_->producer(member.returned));
      }
    }
    return all;
  }

  void take_step(int p, Progress& member, PipelineInstruction what, std::vector<int> inputs) {
    const bool versions = plan_.stashes_weights;
    Activity activity = member.member->step;
    activity.label = label(Called::step, p, number(what));
    activity.work = work(options_.works.step, member, what);
    if (versions) inputs.push_back(member.weights);
    member.stepped = compute(member, std::move(activity), std::move(inputs),
                             {versions ? "weights" : "update", member.member->weight_bytes});
    if (!versions) return;
    graph_->hold(member.stepped, member.member->version_bytes);
    member.weights = member.stepped;
    member.versions.push_back(member.stepped);
  }

  void collect(int role) {
    int home = 0;  // stage
    std::vector<int> there;
    double bytes = 0;
    for (int p = 0; p < count(); ++p) {
      const std::vector<int>& roles = made_.roles[at(p)];
      if (std::find(roles.begin(), roles.end(), role) != roles.end()) home = p;
    }
    for (int p = 0; p < count(); ++p) {
      Progress& first = stages_[at(p)].members.front();
      Activity activity{.label = label(Called::give, p, -1), .at = role_of(first)};
      activity.work = work(options_.works.give, first, stages_[at(p)].order.back());
      const LayerRange layers = plan_.stages[at(p)].layers;
      const double size =
          options_.collect_bytes ? options_.collect_bytes(layers) : first.member->weight_bytes;
      const int given = compute(first, std::move(activity), {first.stepped}, {"weights", size});
      const bool is_there = role_of(first) == role || options_.collects_off_clock;
      there.push_back(is_there ? given
                               : graph_->transfer(label(Called::collect, p, -1), given, role));
      bytes += size;
    }
    Progress& member = receiver(home, role);
    Activity activity{.label = label(Called::join, home, -1), .at = role};
    activity.off_clock = options_.collects_off_clock;
    if (options_.works.join) activity.work = options_.works.join();
    made_.result = compute(member, std::move(activity), std::move(there), {"weights", bytes});
  }

  // --- small things -----------------------------------------------------------------------------

  // Adds a compute behind the member's last.
  int compute(Progress& member, Activity activity, std::vector<int> inputs, Product product) {
    if (member.last >= 0) activity.after = {member.last};
    const int made = graph_->compute(std::move(activity), std::move(inputs), std::move(product));
    member.last = graph_->producer(made);
    return made;
  }

  static engine::Work work(const std::function<engine::Work(const PipelineCompute&)>& of,
                           Progress& member, PipelineInstruction what) {
    return of ? of(member.member->about(what)) : engine::Work();
  }
  // As which a step and its all-reduce are numbered.
  [[nodiscard]] int number(PipelineInstruction what) const {
    return plan_.stashes_weights ? what.microbatch : -1;
  }
  static int role_of(const Progress& member) { return member.member->compute.role; }
  static std::string label(Called kind, int stage, int microbatch, int to = -1) {
    return to_text(
        PipelineLabel{.kind = kind, .stage = stage, .microbatch = microbatch, .to_stage = to});
  }

  const PipelinePlan& plan_;
  const PipelineOptions& options_;
  std::vector<PipelineGroup> groups_;
  std::vector<StageProgress> stages_;
  std::shared_ptr<TaskGraph> graph_;
  PipelineGraph made_;
};

}  // namespace

PipelineGraph make_pipeline(const PipelineProblem& problem, const PipelinePlan& plan,
                            const PipelineOptions& options) {
  return PipelineWriter(problem, plan, options).write();
}

}  // namespace convoy::sim
