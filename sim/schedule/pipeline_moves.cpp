#include "sim/schedule/pipeline_moves.hpp"

#include <algorithm>
#include <map>

#include "sim/plan/pipeline_recovery.hpp"

namespace convoy::sim {
namespace {

// The old stage of a layer.
std::size_t stage_with(const PipelinePlan& plan, int layer) {
  std::size_t s = 0;
  while (plan.stages[s].layers.last <= layer) ++s;
  return s;
}

// A node from which to get the weights of a stage.
NodeId holder_of(const WeightPlaces& from, std::size_t stage) {
  for (const StageMember& member : from.plan.plan.stages[stage].members) {
    if (from.present[from.plan.node(member)]) return from.plan.node(member);
  }
  const NodeId keeper = from.replicates ? keeper_of(from.plan, stage) : no_node;
  return keeper != no_node && from.present[keeper] ? keeper : server_node;
}

}  // namespace

NodeId keeper_of(const PlannedPipeline& planned, std::size_t stage) {
  for (const WeightBackup& backup : backups_of(planned.asked->problem(), planned.plan)) {
    if (backup.stage == static_cast<int>(stage)) return planned.asked->node(backup.holder);
  }
  return no_node;
}

std::vector<NodeMove> direct_moves(const PipelineModel& model, const WeightPlaces& from,
                                   const PlannedPipeline& to) {
  std::vector<NodeMove> moves;
  for (const PipelineStage& stage : to.plan.stages) {
    for (const StageMember& member : stage.members) {
      const NodeId node = to.node(member);
      for (int layer = stage.layers.first; layer < stage.layers.last; ++layer) {
        const std::size_t was = stage_with(from.plan.plan, layer);
        const bool has =
            std::ranges::any_of(from.plan.plan.stages[was].members,
                                [&](const StageMember& m) { return from.plan.node(m) == node; });
        const NodeId holder = holder_of(from, was);
        if (has || holder == node) continue;
        const double bytes = model.kept_bytes({layer, layer + 1});
        if (!moves.empty() && moves.back().to == node && moves.back().from == holder) {
          moves.back().bytes += bytes;
        } else {
          moves.push_back({.from = holder, .to = node, .bytes = bytes});
        }
      }
    }
  }
  return moves;
}

std::vector<NodeMove> gathering_moves(const PipelineModel& model, const WeightPlaces& from,
                                      const PlannedPipeline& to) {
  std::vector<NodeMove> moves;
  for (std::size_t s = 0; s < from.plan.plan.stages.size(); ++s) {
    const NodeId holder = holder_of(from, s);
    if (holder == server_node) continue;
    moves.push_back({.from = holder,
                     .to = server_node,
                     .bytes = model.kept_bytes(from.plan.plan.stages[s].layers),
                     .through_server = true});
  }
  for (const PipelineStage& stage : to.plan.stages) {
    for (const StageMember& member : stage.members) {
      moves.push_back({.from = server_node,
                       .to = to.node(member),
                       .bytes = model.kept_bytes(stage.layers),
                       .through_server = true});
    }
  }
  return moves;
}

double seconds_of(const std::vector<NodeMove>& moves, const Setting& setting) {
  double sum = 0;
  for (const bool gathers : {true, false}) {  // what the server distributes it has gathered before
    std::map<NodeId, double> up;
    std::map<NodeId, double> down;
    for (const NodeMove& move : moves) {
      if ((move.through_server && move.to == server_node) != gathers) continue;
      const platforms::Link& sends = setting.nodes[move.from].link;
      const platforms::Link& receives = setting.nodes[move.to].link;
      if (sends.up_bps > 0) up[move.from] += move.bytes * 8 / sends.up_bps;
      if (receives.down_bps > 0) down[move.to] += move.bytes * 8 / receives.down_bps;
    }
    double most = 0;
    for (const auto& [node, seconds] : up) most = std::max(most, seconds);
    for (const auto& [node, seconds] : down) most = std::max(most, seconds);
    sum += most;
  }
  return sum;
}

double bytes_of(const std::vector<NodeMove>& moves) {
  double sum = 0;
  for (const NodeMove& move : moves) sum += move.bytes;
  return sum;
}

}  // namespace convoy::sim
