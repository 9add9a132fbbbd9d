#include "sim/schedule/pipeline_task.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "sim/schedule/pipeline_graph.hpp"
#include "sim/schedule/pipeline_moves.hpp"
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

// After its (last) step the device of a stage of one sends its weights to their keeper.
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
                        model.copy_bytes(planned.plan.stages[s].layers),
                        static_cast<int>(role - made.devices.begin()));
  }
}

// Data parallelism with a parameter server, which is the last role.
class ParameterServer {
 public:
  ParameterServer(const PipelinePlanner& planner, const PlannedPipeline& planned)
      : planner_(planner), model_(*planner.model()), planned_(planned) {}

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
      arrived.push_back(
          graph.transfer("all-reduce@0", micro_batches(graph, stage, i, bytes), devices));
    }
    task.members.push_back(server_node);
    task.result = step(graph, stage, std::move(arrived), bytes);
    for (int i = 0; i < devices; ++i) graph.transfer("all-reduce@0", task.result, i);
    add_runtimes(planner_.setting(), task.members, graph);
    graph.repeat(rounds);
    task.graph = std::make_shared<const TaskGraph>(std::move(graph));
    return task;
  }

 private:
  // A device's computes, one after another; gives its gradients.
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
        last = graph.compute({.label = to_text({.kind = way, .microbatch = m}),
                              .at = role,
                              .seconds = pass.seconds,
                              .watts = pass.watts,
                              .flops = pass.flops},
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
                          .memory = model_.kept_bytes(stage.layers) + (devices + 1) * bytes},
                         std::move(arrived), {"weights", bytes});
  }

  const PipelinePlanner& planner_;
  const PipelineModel& model_;
  const PlannedPipeline& planned_;
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
  PipelineOptions options{.rounds = planned.plan.stashes_weights ? 1 : rounds};
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
  task.result = made.result >= 0 ? made.result : graph.result();
  if (planner.keys().replicates) add_copies(model, planned, made, graph);
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
