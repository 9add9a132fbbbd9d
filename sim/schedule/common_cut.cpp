#include "sim/schedule/common_cut.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <numeric>
#include <optional>
#include <utility>

#include "base/text.hpp"
#include "sim/plan/guarantees.hpp"
#include "sim/schedule/split_tables.hpp"

namespace convoy::sim {
namespace {

class CommonCuts {
 public:
  CommonCuts(const SplitProblem& problem, bool in_turn) : problem_(problem), in_turn_(in_turn) {}

  // With this cut (an index of the devices' cuts) on all of them.
  [[nodiscard]] SplitPlan plan(std::size_t cut) const {
    const std::size_t n = problem_.devices.size();
    const double part = in_turn_ ? 1 : 1 / static_cast<double>(n);
    SplitPlan plan;
    plan.cuts.assign(n, cut);
    plan.server_shares.assign(n, part);
    for (const SplitDevice& device : problem_.devices) {
      plan.bandwidth_bytes_per_s.push_back(
          std::min(device.link_bytes_per_s, part * problem_.bandwidth_bytes_per_s));
      if (!in_turn_) continue;
      const Cut& c = device.cuts[cut];
      plan.times_s.push_back(c.device_s + c.messages * device.latency_s + c.server_s +
                             c.bytes / plan.bandwidth_bytes_per_s.back());
    }
    if (!in_turn_) {
      plan.times_s =
          estimate_guaranteed(problem_, plan.cuts, plan.bandwidth_bytes_per_s, plan.server_shares);
    }
    const auto longest = std::ranges::max_element(plan.times_s);
    plan.bottleneck = static_cast<std::size_t>(longest - plan.times_s.begin());
    plan.round_s =
        in_turn_ ? std::accumulate(plan.times_s.begin(), plan.times_s.end(), 0.0) : *longest;
    return plan;
  }

  // Whether the server's memory holds all parts that are there at a time.
  [[nodiscard]] bool fits_server(std::size_t cut) const {
    double bytes = 0;
    for (const SplitDevice& device : problem_.devices) {
      const double one = device.cuts[cut].server_bytes;
      bytes = in_turn_ ? std::max(bytes, one) : bytes + one;
    }
    return bytes <= problem_.server_memory_bytes;
  }

  // The fastest of the cuts that fit all devices and the server; nothing: none does.
  [[nodiscard]] std::optional<SplitPlan> best() const {
    std::optional<SplitPlan> best;
    for (std::size_t cut = 0; cut < problem_.devices.front().cuts.size(); ++cut) {
      const bool fits = std::ranges::all_of(problem_.devices, [&](const SplitDevice& device) {
        return device.cuts[cut].device_bytes <= device.memory_bytes;
      });
      if (!fits || !fits_server(cut)) continue;
      SplitPlan other = plan(cut);
      if (!best || other.round_s < best->round_s) best = std::move(other);
    }
    return best;
  }

 private:
  const SplitProblem& problem_;
  bool in_turn_;
};

SplitProblemOptions options_for(const SplitWork& work) {
  return {.labels_stay = work.tail > 0,
          .tail = work.tail,
          .also = work.cut,
          .recompute = work.recompute,
          .shared = work.shared,
          .own = work.own};
}

std::vector<NodeId> most_demanding(const SplitProblems& problems, std::size_t place,
                                   std::vector<NodeId> members, std::size_t drawn) {
  if (drawn >= members.size()) return members;
  std::ranges::stable_sort(members, std::greater(),
                           [&](NodeId node) { return problems.cost(node, place).server_memory; });
  members.resize(drawn);
  std::ranges::sort(members);
  return members;
}

}  // namespace

SplitExplanation explain_common_cut(const std::shared_ptr<const Setting>& setting,
                                    const CommonCut& cut, std::vector<NodeId> members,
                                    std::size_t drawn, bool compare) {
  const SplitProblems problems(setting, options_for(cut.work));
  const std::size_t place = problems.read(std::to_string(cut.work.cut), "cut");
  const std::size_t all = members.size();
  const std::vector<NodeId> nodes = most_demanding(problems, place, std::move(members), drawn);
  SplitProblem problem = problems.of(nodes, problems.nominal());
  const CommonCuts cuts(problem, cut.in_turn);
  SplitExplanation explanation{.layers = problems.layers(),
                               .bandwidth_bytes_per_s = problems.bandwidth_bytes_per_s(),
                               .server_memory = problem.server_memory_bytes,
                               .in_turn = cut.in_turn,
                               .versions = cut.in_turn ? static_cast<int>(nodes.size()) : 1,
                               .planned_as = "with the best common cut"};
  const auto table = [&](const SplitPlan& plan, bool by_hand) {
    SplitTable made = table_of(*setting, problems, nodes, plan);
    for (SplitRow& row : made.rows) row.by_hand = by_hand;
    return made;
  };
  std::vector<std::string>& notes = explanation.notes;
  explanation.plan = table(cuts.plan(place), cut.by_hand);
  if (const auto best = cuts.best()) {
    if (best->cuts.front() != place) {
      explanation.planned = table(*best, false);
    } else {
      notes.emplace_back("no other common cut is predicted to be faster");
    }
  }
  if (nodes.size() < all) {
    notes.push_back(
        fmt::format("a round draws {} of {} devices; these are those whose parts need the most of "
                    "the server's memory",
                    nodes.size(), all));
  }
  if (!cuts.fits_server(place)) {
    notes.emplace_back(
        "the server's memory does not hold the parts of all at once: some wait for others, which "
        "the prediction does not know");
  }
  if (!cut.in_turn) {
    notes.emplace_back(
        "network and server divide among those that use them: predicted times are estimates, as if "
        "each device were guaranteed an equal share of both");
  }
  if (cut.work.own) {
    notes.emplace_back(
        "in its first task a device gets the initial layers; later no weights cross");
  }
  if (compare) explanation.alternatives = split_alternatives(problem);
  return explanation;
}

}  // namespace convoy::sim
