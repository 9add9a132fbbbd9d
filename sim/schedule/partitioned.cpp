#include "sim/schedule/partitioned.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/text.hpp"
#include "sim/plan/partitioned.hpp"
#include "sim/schedule/block_update.hpp"
#include "sim/schedule/kinds.hpp"

namespace convoy::sim {
namespace {

// Bytes/s that all devices together get to and from the server.
struct Shared {
  double down = 0;
  double up = 0;
};

constexpr double bits = 8;
constexpr double mega = 1e6;

Shared shared_bandwidth(const platforms::Link& server, std::optional<double> mbps) {
  // A server's link brings in what devices send. Both directions of a link of half duplex may be
  // busy at once, for different devices: each gets half.
  const double each = server.duplex == platforms::Duplex::half ? 2 : 1;
  const Shared link{server.up_bps / each / bits, server.down_bps / each / bits};
  const bool has_rate = link.down > 0 && link.up > 0;
  if (!mbps) {
    if (has_rate) return link;
    throw base::UserError(
        "the server's link has no rate: say in schedule.partitioned.bandwidth_mbps what bandwidth "
        "the devices share");
  }
  const double asked = *mbps * mega / bits;
  if (has_rate && asked > std::min(link.down, link.up) * (1 + 1e-9)) {
    throw base::UserError(fmt::format(
        "schedule.partitioned.bandwidth_mbps is {}, and the server's link has {}{}: lower it, or "
        "give fleet.server a faster link",
        *mbps, base::human_rate(bits * std::min(link.down, link.up)),
        each > 1 ? " in each direction at once" : ""));
  }
  return {asked, asked};
}

// The parts of `all` that each gets at most, max-min fair: nobody gets more than its limit, and
// those below theirs get the same.
std::vector<double> fair_parts(const std::vector<double>& limits, double all) {
  std::vector<std::size_t> order(limits.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, {}, [&](std::size_t i) { return limits[i]; });
  std::vector<double> parts(limits.size());
  double left = all;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const double equal = left / static_cast<double>(order.size() - i);
    parts[order[i]] = std::min(limits[order[i]], equal);
    left -= parts[order[i]];
  }
  return parts;
}

void require_rate(const NodeSetting& node, NodeId id) {
  if (node.link.down_bps > 0 && node.link.up_bps > 0) return;
  throw base::UserError(
      fmt::format("node {}: its link has no rate, and partitioned plans by it; give it a link",
                  node.name.of(id)));
}

// What there is to plan: the devices' parts of the shared download, and the problem.
struct Problem {
  std::vector<BlockCost> costs;
  std::vector<double> downloads;  // bytes/s
  BlockProblem blocks;
};

Problem problem_of(const Setting& setting, const std::vector<NodeId>& nodes, const LocalWork& work,
                   bool keeps_received, std::optional<double> mbps) {
  const NodeSetting& server = setting.nodes[server_node];
  const Shared shared = shared_bandwidth(server.link, mbps);
  Problem problem;
  std::vector<double> links;
  for (const NodeId id : nodes) {
    require_rate(setting.nodes[id], id);
    links.push_back(setting.nodes[id].link.down_bps / bits);
    problem.costs.push_back(block_cost(setting, setting.nodes[id], work, keeps_received));
  }
  problem.downloads = fair_parts(links, shared.down);
  problem.blocks.bandwidth_bytes_per_s = shared.up;
  problem.blocks.parameters = problem.costs.front().parameters;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const NodeSetting& node = setting.nodes[nodes[i]];
    const BlockCost& cost = problem.costs[i];
    const double latency = 2 * (node.link.latency_s + server.link.latency_s);
    problem.blocks.devices.push_back(
        {.name = node.name.of(nodes[i]),
         .fixed_s = latency + cost.download_bytes / problem.downloads[i] + cost.fixed_s,
         .seconds_per_parameter = cost.seconds_per_parameter,
         .bytes_per_parameter = cost.bytes_per_parameter,
         .link_bytes_per_s = node.link.up_bps / bits});
  }
  return problem;
}

void require_costs(const Setting& setting) {
  if (!setting.fixed || (setting.fixed->compute_s > 0 && setting.fixed->upload_bytes > 0)) return;
  throw base::UserError(
      "training.fixed_cost: partitioned divides compute_s and upload_bytes among the devices, so "
      "that both must be above 0");
}

// Of nodes that all have a block.
PartitionedRound round_of(const std::vector<NodeId>& nodes, const Problem& problem,
                          const BlockPlan& plan) {
  PartitionedRound round;
  std::int64_t first = 0;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const std::int64_t parameters = plan.parameters[i];
    const BlockDevice& device = problem.blocks.devices[i];
    const double rate = std::min(plan.bandwidth_bytes_per_s[i], device.link_bytes_per_s);
    const double seconds = device.fixed_s +
                           static_cast<double>(parameters) * device.seconds_per_parameter +
                           problem.costs[i].upload_bytes(parameters) / rate;
    round.parts.push_back({nodes[i], {first, parameters, problem.downloads[i], rate}, seconds});
    round.seconds = std::max(round.seconds, seconds);
    first += parameters;
  }
  return round;
}

}  // namespace

PartitionedRound plan_round(const Setting& setting, std::vector<NodeId> nodes,
                            const LocalWork& work, bool keeps_received,
                            std::optional<double> bandwidth_mbps) {
  require_costs(setting);
  for (;;) {
    const Problem problem = problem_of(setting, nodes, work, keeps_received, bandwidth_mbps);
    const BlockPlan plan = plan_blocks(problem.blocks);
    // Who has no block downloads nothing: the others get more of the server's link.
    std::vector<NodeId> used;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      if (plan.parameters[i] > 0) used.push_back(nodes[i]);
    }
    if (used.size() == nodes.size()) return round_of(nodes, problem, plan);
    nodes = std::move(used);
  }
}

ScheduleKind schedules::partitioned() {
  return schedule_kind<Partitioned>("partitioned",
                                    "rounds in which each device updates a block of the parameters",
                                    read_partitioned);
}

PartitionedOptions read_partitioned(base::TableReader& common, base::TableReader& own) {
  PartitionedOptions options{read_rounds(read_client_pool_whole(common), own)};
  options.bandwidth_mbps =
      own.maybe_number({"bandwidth_mbps", "bandwidth that devices share in each direction, Mbit/s",
                        "the server's link"},
                       base::above(0).up_to(1e9));
  return options;
}

Partitioned::Partitioned(const std::shared_ptr<const Setting>& setting,
                         const PartitionedOptions& options)
    : Rounds(setting, static_cast<const RoundsOptions&>(options)),
      setting_(setting),
      bandwidth_mbps_(options.bandwidth_mbps) {
  if (!options.clients.compression.is_none()) {
    throw base::UserError(
        "schedule.compression: partitioned sends blocks and models whole; leave it out");
  }
  const engine::Rule* rule = options.clients.learning.aggregation.rule.get();
  if (rule != nullptr && rule->needs().labels) {
    throw base::UserError(fmt::format(
        "schedule.aggregation: the rule \"{}\" counts rows of an update by the labels of its node, "
        "and blocks are made of rows; choose another",
        rule->name()));
  }
  planned_for_ = clients_.members();
  round_plan_ = planned(planned_for_);  // throws where there is no plan
}

PartitionedRound Partitioned::planned(const std::vector<NodeId>& nodes) const {
  LocalWork work;
  work.weight_epochs = setting_->local_epochs;
  work.weight_steps = setting_->local_steps;
  return plan_round(*setting_, nodes, work, setting_->proximal > 0, bandwidth_mbps_);
}

std::vector<PlannedTask> Partitioned::plan() const {
  std::map<NodeId, BlockWork> blocks;
  for (const PartitionedRound::Part& part : planned(clients_.members()).parts) {
    blocks[part.node] = part.block;
  }
  return clients_.plan(most_updates(), most_behind(), [&](NodeId node) -> TaskChanges {
    const auto found = blocks.find(node);
    if (found == blocks.end()) return {};
    return {.block = found->second};
  });
}

void Partitioned::add_tasks(std::int64_t /*round*/, const std::vector<NodeId>& nodes,
                            Orders& orders) {
  if (nodes != planned_for_) {
    round_plan_ = planned(nodes);
    planned_for_ = nodes;
  }
  for (const PartitionedRound::Part& part : round_plan_.parts) {
    add_task(part.node, orders, {.block = part.block});
  }
}

}  // namespace convoy::sim
