#include "sim/schedule/fedprox.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "sim/schedule/kinds.hpp"

namespace convoy::sim {

ScheduleKind schedules::fedprox() {
  return schedule_kind<FedProx>(
      "fedprox", "rounds with a proximal term, in which stragglers train fewer epochs",
      read_fedprox);
}

FedProxOptions read_fedprox(base::TableReader& common, base::TableReader& own) {
  static constexpr base::Words<bool> partial = {{true, "keep"}, {false, "drop"}};
  FedProxOptions options{read_rounds(common, own)};
  options.mu =
      own.number({"mu", "factor of the proximal term: mu/2 x |w - received|^2 in the loss"},
                 base::at_least(0).up_to(1e6), options.mu);
  options.stragglers =
      own.number({"stragglers", "share of a round's clients that train fewer epochs"},
                 base::at_least(0).below(1), options.stragglers);
  options.keep = own.choice({"partial", "stragglers' updates count, or stragglers get no task"},
                            partial, options.keep);
  return options;
}

namespace {

RoundsOptions with_mu(const FedProxOptions& options) {
  RoundsOptions rounds = static_cast<const RoundsOptions&>(options);
  rounds.clients.proximal = options.mu;
  return rounds;
}

}  // namespace

FedProx::FedProx(const std::shared_ptr<const Setting>& setting, const FedProxOptions& options)
    : Rounds(setting, with_mu(options)),
      seed_(setting->seed),
      epochs_(setting->local_epochs),
      stragglers_(options.stragglers),
      keep_(options.keep) {
  if (setting->proximal > 0 && setting->proximal != options.mu) {
    throw base::UserError(
        fmt::format("training.proximal is {} and schedule.fedprox.mu is {}; give mu alone",
                    setting->proximal, options.mu));
  }
  if (stragglers_ > 0 && (setting->local_steps || epochs_ < 2)) {
    throw base::UserError(fmt::format(
        "schedule.fedprox.stragglers: a straggler trains fewer epochs than the others, who train "
        "{}; set training.local_epochs to 2 or more",
        setting->local_steps ? "steps" : "one"));
  }
}

void FedProx::add_tasks(std::int64_t round, const std::vector<NodeId>& nodes, Orders& orders) {
  const auto whole = std::max<std::size_t>(
      1, static_cast<std::size_t>(
             std::llround(static_cast<double>(nodes.size()) * (1 - stragglers_))));
  base::Random random({seed_, static_cast<std::uint64_t>(round), 0x70726f78ULL});
  std::vector<NodeId> order = nodes;
  if (whole < nodes.size()) base::shuffle(order, random);
  std::map<NodeId, int> fewer;  // epochs of the stragglers
  for (std::size_t i = whole; i < order.size(); ++i) {
    const auto below = static_cast<std::uint64_t>(epochs_ - 1);
    fewer[order[i]] = 1 + static_cast<int>(random.below(below));
  }
  for (const NodeId node : nodes) {
    const auto found = fewer.find(node);
    if (found == fewer.end()) {
      add_task(node, orders);
    } else if (keep_) {
      add_task(node, orders, {.epochs = found->second});
    }
  }
}

}  // namespace convoy::sim
