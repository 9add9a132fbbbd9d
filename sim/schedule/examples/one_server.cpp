// Example of tasks that share a session (SharedSession): rounds in which all nodes train the first
// layers of a model, each its own copy, and the server the rest, of which it has one: the batches
// of all nodes step it in the order in which they are done there. At a round's end the server takes
// what this part has learned, and aggregates it with the nodes' parts. (SplitFed v2, arXiv
// 2004.12088, whose clients take turns of a whole epoch; here they come batch by batch.)

#include <fmt/format.h>

#include <set>

#include "engine/model/batches.hpp"
#include "engine/model/stage_costs.hpp"
#include "platforms/roofline.hpp"
#include "sim/schedule/client_pool_options.hpp"
#include "sim/schedule/kinds.hpp"
#include "sim/schedule/training_steps.hpp"

namespace convoy::sim {
namespace {

struct OneServerOptions {
  ClientPoolOptions clients;  // of these: transfer and aggregation
  std::string cut = "1";
  std::optional<double> deadline_s;
};

OneServerOptions read_one_server(base::TableReader& common, base::TableReader& own) {
  OneServerOptions o{read_client_pool(common, {}, {.weight = 0})};
  o.cut = own.text({"cut", "layer behind which the server's part begins, or its number"}, o.cut);
  o.deadline_s = own.maybe_number(
      {"deadline_s", "time after a round's start at which late nodes are left out, s", "none"},
      base::above(0));
  return o;
}

class OneServer : public Schedule {
 public:
  OneServer(const std::shared_ptr<const Setting>& setting, const OneServerOptions& options)
      : setting_(setting),
        options_(options),
        trace_(
            engine::trace(*setting->architecture, engine::full_submodel(*setting->architecture))),
        cut_(engine::read_cut(trace_, options.cut, "schedule.one_server.cut")),
        front_{0, cut_},
        rest_{cut_, engine::whole(trace_).last},
        present_(setting->nodes.size(), true),
        graphs_(setting->nodes.size()) {
    if (setting_->fixed || setting_->learned_as) {
      throw base::UserError(
          "schedule.one_server: a model cut in two has no training.fixed_cost or learn_as; leave "
          "them out");
    }
  }

  Orders on(const Event& event) override {
    Orders orders;
    note(event, orders);
    if (!event.last || !at_work_.empty() || is_server_at_work_) return orders;
    if (!updates_.empty()) {
      orders.emplace_back(take());
    } else {
      begin_tasks(event.time, orders);
    }
    return orders;
  }

  [[nodiscard]] std::vector<PlannedTask> plan() const override {
    std::vector<PlannedTask> all;
    for (NodeId node = 1; node < static_cast<NodeId>(setting_->nodes.size()); ++node) {
      if (setting_->nodes[node].samples == 0) continue;
      const auto graph = graph_of(node);
      double memory = 0;
      for (const Activity& a : graph->activities()) {
        if (a.at == 1) memory = std::max(memory, a.memory);
      }
      all.push_back({.node = node,
                     .label = "train",
                     .graph = graph,
                     .members = {server_node, node},
                     .memory = memory,
                     .depth = setting_->architecture->depth()});
    }
    return all;
  }

 private:
  void note(const Event& event, Orders& orders) {
    if (event.kind == EventKind::node_joined) present_[event.node] = true;
    if (event.kind == EventKind::node_lost) present_[event.node] = false;
    if (event.kind == EventKind::published) is_server_at_work_ = false;
    const bool ours = at_work_.contains(event.task);
    if (event.kind == EventKind::task_done && ours) updates_.push_back(event.task);
    if (event.kind == EventKind::task_done && event.task == taking_) {
      orders.emplace_back(aggregation());
    }
    if (event.kind == EventKind::task_done || event.kind == EventKind::task_failed) {
      at_work_.erase(event.task);
    }
    if (event.kind != EventKind::timer_fired || event.timer != timer_) return;
    for (const TaskId late : at_work_) orders.emplace_back(Cancel{late});
    at_work_.clear();
  }

  // Nodes of a round of which nobody has answered try again, with the same part of the server.
  void begin_tasks(double now, Orders& orders) {
    for (NodeId node = 1; node < static_cast<NodeId>(setting_->nodes.size()); ++node) {
      const NodeSetting& n = setting_->nodes[node];
      if (!present_[node] || n.samples == 0) continue;
      orders.emplace_back(
          Assign{.task = next_,
                 .graph = graph_of(node),
                 .members = {server_node, node},
                 .worker = 1,
                 .brief = {.batch = n.batch, .test_locally = setting_->test_locally},
                 .shared = SharedSession{.group = round_, .role = 0},
                 .label = "train",
                 .samples = static_cast<double>(counts(n).samples())});
      at_work_.insert(next_++);
    }
    if (at_work_.empty() || !options_.deadline_s) return;
    orders.emplace_back(SetTimer{++timer_, now + *options_.deadline_s});
  }

  // What the server's part has learned, as an update of these layers.
  Assign take() {
    is_server_at_work_ = true;
    auto graph = std::make_shared<TaskGraph>(1);
    const double bytes = engine::transfer_bytes(trace_, rest_);
    const int part = graph->compute(
        {.label = "take", .work = engine::TakeStage{rest_.first, rest_.last}}, {}, {"part", bytes});
    graph->compute({.label = "update", .work = engine::JoinStages{.partial = true}}, {part},
                   {"update", bytes});
    taking_ = next_servers_++;
    return {.task = taking_,
            .graph = graph,
            .members = {server_node},
            .kind = TaskKind::aggregation,
            .shared = SharedSession{.group = round_++, .role = 0, .ends = true},
            .label = "take"};
  }

  Assign aggregation() {
    std::vector<TaskId> taken = std::exchange(updates_, {});
    std::sort(taken.begin(), taken.end());
    auto graph = std::make_shared<TaskGraph>(1);
    const double model = engine::transfer_bytes(trace_, engine::whole(trace_));
    std::vector<int> inputs = {graph->artifact("model", model, 0)};
    std::vector<double> bytes(taken.size(), engine::transfer_bytes(trace_, front_));
    bytes.push_back(engine::transfer_bytes(trace_, rest_));
    for (const double b : bytes) inputs.push_back(graph->artifact("update", b, 0));
    Activity work =
        charged({.label = "aggregate", .memory = 3 * model, .work = engine::Aggregate{}},
                engine::aggregation_step(model, bytes));
    graph->compute(std::move(work), inputs, {"model", model});
    taken.push_back(taking_);
    return {.task = next_servers_++,
            .graph = graph,
            .members = {server_node},
            .kind = TaskKind::aggregation,
            .consumes = std::move(taken),
            .publishes = graph->result(),
            .label = "aggregate"};
  }

  [[nodiscard]] engine::BatchCounts counts(const NodeSetting& node) const {
    const auto epoch =
        engine::plan_epoch(node.samples, node.batch, engine::needs_two_samples(trace_));
    return engine::count_batches(epoch, setting_->local_epochs, setting_->local_steps);
  }

  // Filled in: time and energy of the step on the node of its role.
  [[nodiscard]] Activity charged(Activity activity, const engine::StepCost& step,
                                 NodeId node = server_node) const {
    const platforms::Machine& machine = *setting_->nodes[node].machine;
    const platforms::Prediction each = platforms::predict(step, machine);
    activity.seconds = each.seconds;
    activity.watts = each.watts;
    activity.flops = step.flops();
    activity.memory += machine.context;
    return activity;
  }

  [[nodiscard]] engine::StepCost cost(const engine::Stage& stage,
                                      std::initializer_list<engine::Pass> passes, int batch) const {
    engine::StepCost all;
    for (const engine::Pass pass : passes) {
      const engine::StepCost one =
          engine::stage_step(trace_, stage, pass, setting_->optimizer, batch, setting_->precision);
      all.kernels.insert(all.kernels.end(), one.kernels.begin(), one.kernels.end());
    }
    return all;
  }

  [[nodiscard]] double memory(const engine::Stage& stage, int batch) const {
    return engine::stage_memory(trace_, stage, setting_->optimizer, {.microbatch = batch},
                                setting_->precision)
        .total();
  }

  std::shared_ptr<const TaskGraph> graph_of(NodeId node) const {
    std::shared_ptr<const TaskGraph>& graph = graphs_[node];
    if (!graph) graph = make_graph(node);
    return graph;
  }

  [[nodiscard]] std::shared_ptr<const TaskGraph> make_graph(NodeId node) const {
    auto graph = std::make_shared<TaskGraph>(2);
    const engine::BatchCounts counts = this->counts(setting_->nodes[node]);
    const double part = engine::transfer_bytes(trace_, front_);
    const int here = graph->transfer("download", graph->artifact("model", part, 0), 1);
    int trained = -1;
    for (std::int64_t b = 0; b < counts.whole + counts.rests; ++b) {
      const std::int64_t within = b % counts.epoch.batches();
      const int n = static_cast<int>(counts.epoch.size_of(within));
      trained = add_batch(*graph, node, n, trained < 0 ? here : trained);
    }
    const int update =
        graph->compute({.label = "update", .at = 1, .work = engine::JoinStages{.partial = true}},
                       {trained}, {"update", part});
    graph->transfer("upload", update, 0);
    return graph;
  }

  // A batch of n samples, from what the node's part was before; gives what it is then.
  int add_batch(TaskGraph& graph, NodeId node, int n, int before) const {
    using enum engine::Pass;
    const Activity ahead = charged({.label = "forward",
                                    .at = 1,
                                    .memory = memory(front_, n),
                                    .work = engine::Forward{0, cut_}},
                                   cost(front_, {forward}, n), node);
    const Activity serving = charged({.label = "serve",
                                      .at = 0,
                                      .memory = memory(rest_, n),
                                      .work = engine::TrainStage{rest_.first, rest_.last}},
                                     cost(rest_, {forward, backward, update}, n));
    const Activity back = charged({.label = "backward",
                                   .at = 1,
                                   .memory = memory(front_, n),
                                   .work = engine::Backward{0, cut_}},
                                  cost(front_, {backward}, n), node);
    const Activity stepping = charged(
        {.label = "step", .at = 1, .memory = memory(front_, n), .work = engine::Step{0, cut_}},
        cost(front_, {update}, n), node);
    const double up = engine::bytes_forward(trace_, cut_, n) + 8.0 * n;  // with labels
    const double down = engine::bytes_backward(trace_, cut_, n);
    int at = graph.compute(ahead, {before}, {"activations", up});
    at = graph.transfer("activations", at, 0);
    at = graph.compute(serving, {at}, {"gradients", down});
    at = graph.transfer("gradients", at, 1);
    at = graph.compute(back, {at}, {"gradient", 0});
    return graph.compute(stepping, {at}, {"part", engine::transfer_bytes(trace_, front_)});
  }

  std::shared_ptr<const Setting> setting_;
  OneServerOptions options_;
  engine::Trace trace_;
  int cut_;
  engine::Stage front_;  // on each node
  engine::Stage rest_;   // at the server
  ByNode<bool> present_;
  mutable ByNode<std::shared_ptr<const TaskGraph>> graphs_;
  std::set<TaskId> at_work_;
  std::vector<TaskId> updates_;
  bool is_server_at_work_ = false;  // at what comes between two rounds
  std::int64_t round_ = 0;          // the number of the group
  std::int64_t timer_ = 0;
  TaskId taking_ = no_task;
  TaskId next_ = 0;
  TaskId next_servers_ = 1'000'000'000'000;
};

}  // namespace

ScheduleKind schedules::one_server() {
  return schedule_kind<OneServer>(
      "one_server", "nodes train the first layers, the server all the rest once (an example)",
      read_one_server);
}

}  // namespace convoy::sim
