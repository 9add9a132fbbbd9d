#include "sim/schedule/pipeline_task.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "sim/schedule/pipeline_graph.hpp"
#include "sim/schedule/pipeline_moves.hpp"
#include "sim/schedule/pipeline_works.hpp"
#include "sim/task/pipeline_label.hpp"

namespace convoy::sim {
namespace {

std::size_t index_of(int i) { return static_cast<std::size_t>(i); }

// What a compute of a member is, by the model.
const StagePass& pass_of(const PipelineModel& model, const PlannedPipeline& planned,
                         const PipelineCompute& compute) {
  const ModelCosts& costs = planned.asked->costs();
  const int kind = planned.asked->problem().devices[index_of(compute.device)].kind;
  const int machine = costs.kind(kind).machine;
  switch (compute.instruction.kind) {
    case PipelineInstruction::Kind::forward:
      return model.forward(machine, compute.layers, compute.samples.count());
    case PipelineInstruction::Kind::backward:
      return model.backward(machine, compute.layers, compute.samples.count(), costs.accumulates());
    case PipelineInstruction::Kind::step:
      break;
  }
  return model.update(machine, compute.layers);
}

// Each node's runtime is there as long as the task.
void add_runtimes(const Setting& setting, const std::vector<NodeId>& members, TaskGraph& graph) {
  for (std::size_t role = 0; role < members.size(); ++role) {
    if (members[role] == server_node) continue;
    const double context = setting.nodes[members[role]].machine->context;
    const int runtime = graph.artifact("runtime", 0, static_cast<int>(role));
    if (context > 0) graph.hold(runtime, context);
  }
}

// What a pass's heartbeats come to, as one small transfer of each device to the server.
void add_heartbeats(const PipelineKeys& keys, double pass_s, int server, TaskGraph& graph) {
  if (!keys.heartbeat.period_s) return;
  const double beats = pass_s / *keys.heartbeat.period_s;  // on the average
  for (int role = 0; role < graph.roles(); ++role) {
    if (role == server) continue;
    const int sent = graph.artifact("heartbeats", beats * keys.heartbeat.bytes, role);
    graph.transfer("heartbeat", sent, server);
  }
}

// After its (last) step the device of a stage of one sends its weights and the optimizer's state to
// their keeper.
void add_copies(const PipelineModel& model, const PlannedPipeline& planned,
                const PipelineGraph& made, TaskGraph& graph) {
  for (std::size_t s = 0; s < planned.plan.stages.size(); ++s) {
    const NodeId keeper = keeper_of(planned, s);
    if (keeper == no_node) continue;
    int stepped = -1;
    for (const Activity& a : graph.activities()) {
      const auto label = read_pipeline_label(a.label);
      const bool is_step =
          label && label->kind == PipelineLabel::Kind::step && label->stage == static_cast<int>(s);
      if (is_step && !a.outputs.empty()) stepped = a.outputs.front();
    }
    const auto role = std::ranges::find_if(
        made.devices, [&](int device) { return planned.asked->node(device) == keeper; });
    if (stepped < 0 || role == made.devices.end()) continue;
    graph.transfer_part(fmt::format("replicate@{}", s), stepped,
                        model.kept_bytes(planned.plan.stages[s].layers),
                        static_cast<int>(role - made.devices.begin()));
  }
}

PipelineWorks works_of(const PipelinePlanner& planner, const PipelinePlan& plan) {
  std::vector<engine::Stage> stages;
  for (const PipelineStage& stage : plan.stages) {
    stages.push_back(planner.model()->stage(stage.layers));
  }
  return pipeline_works(plan, {.stages = learned_stages(planner.setting(), stages),
                               .vertical_sync = plan.vertical_sync});
}

double samples_of(const PipelinePlan& plan, const TaskGraph& graph) {
  return static_cast<double>(plan.microbatch) * plan.microbatches * graph.repeat();
}

// Data parallelism with a parameter server, which is the last role.
class ParameterServer {
 public:
  ParameterServer(const PipelinePlanner& planner, const PlannedPipeline& planned)
      : planner_(planner),
        model_(*planner.model()),
        planned_(planned),
        works_(works_of(planner, planned.plan)) {}

  PipelineTask task(int rounds) {
    const PipelineStage& stage = planned_.plan.stages.front();
    const auto devices = static_cast<int>(stage.members.size());
    TaskGraph graph(devices + 1);
    PipelineTask task;
    task.roles.emplace_back();
    const double bytes = model_.gradient_bytes(stage.layers);
    std::vector<int> arrived;
    for (int i = 0; i < devices; ++i) {
      task.members.push_back(planned_.node(stage.members[index_of(i)]));
      task.roles.back().push_back(i);
      const int gradients = compute(graph, i, Called::take, works_.add(asked(i), 0, 1),
                                    micro_batches(graph, stage, i, bytes), bytes);
      arrived.push_back(graph.transfer("all-reduce@0", gradients, devices));
    }
    task.members.push_back(server_node);
    const int summed = step(graph, stage, std::move(arrived), bytes);
    for (int i = 0; i < devices; ++i) {
      const int there = graph.transfer("all-reduce@0", summed, i);
      const int made = compute(graph, i, Called::step, works_.step(asked(i)), there, bytes);
      if (i > 0) continue;
      const int given = compute(graph, i, Called::give, works_.give(asked(i)), made, bytes);
      task.result = compute(graph, i, Called::join, works_.join(), given, bytes);
    }
    add_heartbeats(planner_.keys(), planned_.forecast.round_s, devices, graph);
    add_runtimes(planner_.setting(), task.members, graph);
    graph.repeat(rounds);
    task.samples = samples_of(planned_.plan, graph);
    task.graph = std::make_shared<const TaskGraph>(std::move(graph));
    return task;
  }

 private:
  using Called = PipelineLabel::Kind;

  // As which a device's works are asked.
  [[nodiscard]] PipelineCompute asked(int role, PipelineInstruction instruction = {
                                                    PipelineInstruction::Kind::step, 0}) const {
    const PipelineStage& stage = planned_.plan.stages.front();
    PipelineCompute compute{.instruction = instruction,
                            .member = role,
                            .role = role,
                            .device = stage.members[index_of(role)].device,
                            .layers = stage.layers,
                            .microbatches = planned_.plan.microbatches};
    for (int i = 0; i < role; ++i) compute.samples.first += stage.members[index_of(i)].samples;
    compute.samples.last = compute.samples.first + stage.members[index_of(role)].samples;
    return compute;
  }

  // Of a device that has no time of its own.
  static int compute(TaskGraph& graph, int role, Called called, engine::Work work, int input,
                     double bytes) {
    return graph.compute({.label = to_text({.kind = called}), .at = role, .work = std::move(work)},
                         {input}, {"weights", bytes});
  }

  // A device's computes, one after another; gives what its last backward makes.
  int micro_batches(TaskGraph& graph, const PipelineStage& stage, int role, double bytes) {
    const StageMember& member = stage.members[index_of(role)];
    const PipelineProblem& problem = planned_.asked->problem();
    const int kind = problem.devices[index_of(member.device)].kind;
    const ModelCosts::Kind& machine = planned_.asked->costs().kind(kind);
    const int weights = graph.artifact("weights", bytes, role);
    graph.hold(weights, problem.costs->memory_bytes(stage.layers, member.samples, 1, 1));
    int last = weights;
    for (int m = 0; m < problem.microbatches; ++m) {
      for (const auto way : {PipelineLabel::Kind::forward, PipelineLabel::Kind::backward}) {
        const bool forward = way == PipelineLabel::Kind::forward;
        const StagePass& pass = forward
                                    ? model_.forward(machine.machine, stage.layers, member.samples)
                                    : model_.backward(machine.machine, stage.layers, member.samples,
                                                      planned_.asked->costs().accumulates());
        const PipelineCompute c = asked(role, {forward ? PipelineInstruction::Kind::forward
                                                       : PipelineInstruction::Kind::backward,
                                               m});
        last = graph.compute({.label = to_text({.kind = way, .microbatch = m}),
                              .at = role,
                              .seconds = pass.seconds,
                              .watts = pass.watts,
                              .flops = pass.flops,
                              .work = forward ? works_.forward(c) : works_.backward(c)},
                             {last}, {forward ? "activation" : "gradient", forward ? 0 : bytes});
      }
    }
    return last;
  }

  int step(TaskGraph& graph, const PipelineStage& stage, std::vector<int> arrived, double bytes) {
    const auto devices = static_cast<int>(arrived.size());
    const StagePass pass = parameter_server_step(planner_.setting(), model_, devices);
    return graph.compute({.label = "step@0",
                          .at = devices,
                          .seconds = pass.seconds,
                          .watts = pass.watts,
                          .flops = pass.flops,
                          .memory = model_.kept_bytes(stage.layers) + (devices + 1) * bytes,
                          .work = sum()},
                         std::move(arrived), {"weights", bytes});
  }

  // The server has no gradients: it adds those that came. By the sum each device steps alike.
  [[nodiscard]] engine::Work sum() const {
    auto add = std::get<engine::AddGradients>(works_.add(asked(0), 0, 1));
    add.own = false;
    return add;
  }

  const PipelinePlanner& planner_;
  const PipelineModel& model_;
  const PlannedPipeline& planned_;
  PipelineWorks works_;
};

}  // namespace

PipelineTask pipeline_task(const PipelinePlanner& planner, const PlannedPipeline& as_planned,
                           int rounds) {
  // Seconds of activities are those at the nominal speeds.
  const ByNode<double> nominal(planner.setting().nodes.size(), 1.0);
  const PlannedPipeline planned =
      planner.moved(as_planned, as_planned.asked->asked().nodes, nominal).value();
  if (planner.manner().reduce == ReduceBy::server && planned.stages() == 1) {
    return ParameterServer(planner, planned).task(rounds);
  }
  const PipelineModel& model = *planner.model();
  PipelineOptions options{.rounds = planned.plan.stashes_weights ? 1 : rounds,
                          .collect_at = 0,
                          .more_roles = planner.keys().heartbeat.period_s ? 1 : 0,
                          .collects_off_clock = true};
  options.works = works_of(planner, planned.plan);
  options.figures.flops = [&](const PipelineCompute& c) {
    return pass_of(model, planned, c).flops;
  };
  options.figures.watts = [&](const PipelineCompute& c) {
    return std::optional(pass_of(model, planned, c).watts);
  };
  const PipelineGraph made = make_pipeline(planned.asked->problem(), planned.plan, options);
  PipelineTask task{.roles = made.roles};
  for (const int device : made.devices) task.members.push_back(planned.asked->node(device));
  TaskGraph graph = *made.graph;
  task.result = made.result;
  task.samples = samples_of(planned.plan, graph);
  if (planner.keys().replicates) add_copies(model, planned, made, graph);
  if (planner.keys().heartbeat.period_s) {
    add_heartbeats(planner.keys(), planned.forecast.round_s, graph.roles() - 1, graph);
    task.members.push_back(server_node);
  }
  add_runtimes(planner.setting(), task.members, graph);
  task.graph = std::make_shared<const TaskGraph>(std::move(graph));
  return task;
}

PipelineTask move_task(const std::vector<NodeMove>& moves) {
  PipelineTask task;
  std::map<NodeId, int> roles;
  const auto role = [&](NodeId node) {
    const auto [at, is_new] = roles.try_emplace(node, static_cast<int>(roles.size()));
    if (is_new) task.members.push_back(node);
    return at->second;
  };
  const bool gathers = std::ranges::any_of(moves, &NodeMove::through_server);
  const int server = gathers ? role(server_node) : -1;
  for (const NodeMove& move : moves) {
    role(move.from);
    role(move.to);
  }
  TaskGraph graph(static_cast<int>(task.members.size()));
  std::vector<int> gathered;  // at the server
  std::vector<std::pair<const NodeMove*, int>> sent;
  for (const NodeMove& move : moves) {
    const int weights = graph.artifact("weights", move.bytes, role(move.from));
    if (!move.through_server) {
      task.result = graph.transfer("weights", weights, role(move.to));
      continue;
    }
    const bool is_there = move.from == server_node;
    gathered.push_back(is_there ? weights : graph.transfer("gather", weights, server));
    if (move.to != server_node) sent.emplace_back(&move, gathered.back());
  }
  for (const auto& [move, weights] : sent) {
    const int there = graph.transfer("distribute", weights, role(move->to));
    for (const int other : gathered) {
      if (graph.producer(other) >= 0) graph.order(graph.producer(other), graph.producer(there));
    }
  }
  task.graph = std::make_shared<const TaskGraph>(std::move(graph));
  return task;
}

}  // namespace convoy::sim
