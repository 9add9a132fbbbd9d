#include "sim/schedule/split_update.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>

#include "base/diagnostics.hpp"
#include "sim/schedule/split_batch.hpp"

namespace convoy::sim {
namespace {

using engine::Stage;

// Adds what `times` batches with these activities take.
void add(SplitCost& cost, const std::vector<SplitMove>& moves, double times) {
  double bytes = 0;              // of what was made last
  std::array<double, 2> held{};  // by stashes, by role
  std::array<double, 2> most{};  // with the computes
  for (const SplitMove& move : moves) {
    const Activity& a = move.activity;
    if (a.kind == ActivityKind::transfer) {
      (a.to == split_server ? cost.bytes_up : cost.bytes_down) += times * bytes;
      cost.messages += times;
      continue;
    }
    const auto role = static_cast<std::size_t>(a.at);
    bytes = move.bytes;
    held[role] += move.held;
    most[role] = std::max(most[role], held[role] + a.memory);
    if (move.takes_stash) held[role] = 0;
    (a.at == split_server ? cost.server_s : cost.node_s) += times * a.seconds;
    (a.at == split_server ? cost.server_flops : cost.flops) += times * a.flops;
  }
  cost.server_memory = std::max(cost.server_memory, most[split_server]);
  cost.node_memory = std::max(cost.node_memory, most[split_worker]);
}

SplitCost cost_of(const SplitBatches& split, const SplitWork& work) {
  const engine::EpochPlan& epoch = split.epoch();
  const engine::BatchCounts& counts = split.counts();
  const SplitParts& parts = split.parts();
  SplitCost cost;
  if (counts.rests > 0) {
    add(cost, split.batch(static_cast<int>(epoch.rest)), static_cast<double>(counts.rests));
    cost.activation_bytes = cost.bytes_up / static_cast<double>(counts.rests);
    cost.gradient_bytes = cost.bytes_down / static_cast<double>(counts.rests);
  }
  if (counts.whole > 0) {
    SplitCost one;
    const std::vector<SplitMove> moves = split.batch(static_cast<int>(epoch.batch));
    add(one, moves, 1);
    cost.activation_bytes = one.bytes_up;
    cost.gradient_bytes = one.bytes_down;
    add(cost, moves, static_cast<double>(counts.whole));
  }
  cost.node_memory += split.node_keeps();
  if (!split.is_shared()) cost.server_memory += split.server_keeps();
  cost.part_bytes = split.bytes_of(parts.front) + split.bytes_of(parts.tail);
  if (!work.has_own) {
    cost.bytes_down += cost.part_bytes;
    ++cost.messages;
  }
  if (!work.own) {
    cost.bytes_up += cost.part_bytes;
    cost.messages += parts.has_tail() ? 2 : 1;
  }
  return cost;
}

// Puts a split task's activities into a graph, each after the one before.
class Writer {
 public:
  Writer(const SplitBatches& split, const SplitWork& work, TaskGraph& graph)
      : split_(split), work_(work), graph_(graph) {}

  void write() {
    begin();
    const std::vector<SplitMove> whole = moves(split_.counts().whole, split_.epoch().batch);
    const std::vector<SplitMove> rest = moves(split_.counts().rests, split_.epoch().rest);
    const std::int64_t all = split_.counts().whole + split_.counts().rests;
    for (std::int64_t i = 0; i < all; ++i) {
      const std::int64_t in_epoch = i % split_.epoch().batches();
      add(in_epoch < split_.epoch().whole ? whole : rest, i + 1 == all);
    }
    end();
  }

 private:
  [[nodiscard]] std::vector<SplitMove> moves(std::int64_t times, std::int64_t samples) const {
    return times > 0 ? split_.batch(static_cast<int>(samples)) : std::vector<SplitMove>();
  }

  int transfer(const char* label, int artifact, int to) {
    const int there = graph_.transfer(label, artifact, to);
    const double rate = to == split_server ? work_.up_bytes_per_s : work_.down_bytes_per_s;
    if (rate > 0 && work_.at_least) graph_.guarantee(there, rate);
    if (rate > 0 && !work_.at_least) graph_.limit(there, rate);
    return there;
  }

  void begin() {
    const SplitParts& parts = split_.parts();
    const double bytes = split_.bytes_of(parts.front) + split_.bytes_of(parts.tail);
    if (work_.has_own) {
      part_ = graph_.artifact("own part", bytes, split_worker);
    } else {
      part_ = transfer("download", graph_.artifact("part", bytes, split_server), split_worker);
    }
    graph_.hold(part_, split_.node_keeps());
    servers_ = graph_.artifact("server's part", split_.bytes_of(parts.middle), split_server);
    if (!split_.is_shared()) graph_.hold(servers_, split_.server_keeps());
    at_ = part_;
  }

  void add(const std::vector<SplitMove>& moves, bool is_last) {
    std::array<int, 2> stash{};
    const auto is_nodes = [](const SplitMove& move) {
      return move.activity.kind == ActivityKind::compute && move.activity.at == split_worker;
    };
    const auto nodes_last = std::find_if(moves.rbegin(), moves.rend(), is_nodes);
    for (const SplitMove& move : moves) {
      const Activity& a = move.activity;
      if (a.kind == ActivityKind::transfer) {
        at_ = transfer(a.label.c_str(), at_, a.to);
        continue;
      }
      int& kept = stash[static_cast<std::size_t>(a.at)];
      std::vector<int> inputs = {at_};
      if (move.takes_stash) inputs.push_back(kept);
      if (a.at == split_server && !begun_) inputs.push_back(servers_);
      begun_ = begun_ || a.at == split_server;
      // Nobody takes an update of the node's own layers: it has them until it has gone back last.
      if (work_.own && is_last && &move == &*nodes_last) inputs.push_back(part_);
      at_ = graph_.compute(a, std::move(inputs), {move.product, move.bytes});
      if (move.held <= 0) continue;
      graph_.hold(at_, move.held);
      kept = at_;
    }
  }

  // The update of a stage; it comes after all that came before.
  int take(int at, const Stage& stage, const Stage& learned, std::vector<int> inputs) {
    const int before = static_cast<int>(graph_.activities().size()) - 1;
    const int taken = graph_.compute(
        {.label = "take", .at = at, .work = engine::TakeStage{learned.first, learned.last}},
        std::move(inputs), {"update of a part", split_.bytes_of(stage)});
    graph_.order(before, graph_.producer(taken));
    return taken;
  }

  void end() {
    const SplitParts& parts = split_.parts();
    const SplitParts& learned = split_.learned();
    if (split_.is_shared()) {
      const int taken = take(split_worker, parts.front, learned.front, {at_, part_});
      const int update = graph_.compute(
          {.label = "update", .at = split_worker, .work = engine::JoinStages{.partial = true}},
          {taken}, {"update of a part", split_.bytes_of(parts.front)});
      transfer("upload", update, split_server);
      return;
    }
    if (work_.own) {
      // Only when the node has gone back through its last batch, too.
      const int taken = take(split_server, parts.middle, learned.middle, {servers_});
      graph_.compute(
          {.label = "join", .at = split_server, .work = engine::JoinStages{.partial = true}},
          {taken}, {"update of a part", split_.bytes_of(parts.middle)});
      return;
    }
    std::vector<int> there;
    there.push_back(transfer("upload", take(split_worker, parts.front, learned.front, {at_, part_}),
                             split_server));
    if (parts.has_tail()) {
      there.push_back(transfer("upload", take(split_worker, parts.tail, learned.tail, {at_, part_}),
                               split_server));
    }
    there.push_back(take(split_server, parts.middle, learned.middle, {there.back(), servers_}));
    graph_.compute({.label = "join", .at = split_server, .work = engine::JoinStages{}}, there,
                   {"update", engine::transfer_bytes(split_.trace())});
  }

  const SplitBatches& split_;
  const SplitWork& work_;
  TaskGraph& graph_;
  int part_ = -1;     // on the node
  int servers_ = -1;  // the server's part of the version
  int at_ = -1;       // what was made last
  bool begun_ = false;
};

}  // namespace

SplitCost split_cost(const Setting& setting, const NodeSetting& node, const LocalWork& work) {
  return cost_of(SplitBatches(setting, node, work), *work.split);
}

LocalUpdate make_split(const Setting& setting, const NodeSetting& node, const LocalWork& work) {
  const SplitBatches split(setting, node, work);
  const SplitCost cost = cost_of(split, *work.split);
  LocalUpdate update;
  update.memory = cost.node_memory;
  update.server_memory = cost.server_memory;
  update.samples = static_cast<double>(split.counts().samples());
  update.upload_bytes = split.is_shared() ? split.bytes_of(split.parts().front)
                        : work.split->own ? split.bytes_of(split.parts().middle)
                                          : engine::transfer_bytes(split.trace());
  update.depth = setting.architecture->depth();
  if (work.split->own) {
    update.own_before = split.learned().front.last;
    update.own_from = split.learned().tail.first;
  }
  const std::int64_t batches = split.counts().whole + split.counts().rests;
  const std::int64_t each = split.parts().has_tail() ? 9 : 5;
  update.graph = TaskGraph(2, static_cast<std::size_t>(each * batches + 10));
  Writer(split, *work.split, update.graph).write();
  return update;
}

std::shared_ptr<const TaskGraph> taking_shared_part(const Setting& setting, const NodeSetting& node,
                                                    const LocalWork& work) {
  const SplitBatches split(setting, node, work);
  const double bytes = split.bytes_of(split.parts().middle);
  const Stage& learned = split.learned().middle;
  auto graph = std::make_shared<TaskGraph>(1);
  const int part =
      graph->compute({.label = "take", .work = engine::TakeStage{learned.first, learned.last}}, {},
                     {"update of a part", bytes});
  graph->compute({.label = "update", .work = engine::JoinStages{.partial = true}}, {part},
                 {"update of a part", bytes});
  return graph;
}

bool fits_both(const SplitCost& cost, const Setting& setting, const NodeSetting& node) {
  const double servers = setting.nodes.front().machine->memory;
  return cost.node_memory <= node.machine->memory &&
         (servers <= 0 || cost.server_memory <= servers);
}

int nearest_fitting_cut(const Setting& setting, const NodeSetting& node, const LocalWork& work) {
  const engine::Architecture& a = *setting.architecture;
  std::vector<int> cuts = engine::cuts(engine::trace(a, engine::full_submodel(a)));
  const int wanted = work.split->cut;
  std::ranges::stable_sort(cuts, {}, [&](int cut) { return std::abs(cut - wanted); });
  for (const int cut : cuts) {
    LocalWork other = work;
    other.split->cut = cut;
    try {
      if (fits_both(split_cost(setting, node, other), setting, node)) return cut;
    } catch (const base::UserError&) {
      // The labels, or the model that is learned, do not allow this one.
    }
  }
  return 0;
}

}  // namespace convoy::sim
