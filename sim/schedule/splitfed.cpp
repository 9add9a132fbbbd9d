#include "sim/schedule/splitfed.hpp"

#include <utility>

#include "sim/schedule/kinds.hpp"

namespace convoy::sim {

ScheduleKind schedules::splitfed() {
  return schedule_kind<SplitFed>(
      "splitfed", "rounds in which devices train the first layers and the server the rest",
      read_splitfed);
}

SplitFedOptions read_splitfed(base::TableReader& common, base::TableReader& own) {
  SplitFedOptions options{read_rounds(common, own)};
  options.version = own.choice({"version",
                                "v1: the server has a part for each device, and both parts are "
                                "averaged; v2: it has one, which all step in turn; v3: as v1, but "
                                "each device keeps its part"},
                               SplitFedOptions::versions, options.version);
  options.clients.learning.own_layers = options.version == SplitFedOptions::Version::v3;
  options.split = read_split_keys(own);
  options.clients.when_full = read_when_full(own);
  return options;
}

namespace {

SplitWork split_by(const Setting& setting, const SplitFedOptions& options) {
  SplitWork work = split_of(options.split, setting, "schedule.splitfed");
  work.shared = options.version == SplitFedOptions::Version::v2;
  work.own = options.version == SplitFedOptions::Version::v3;
  return work;
}

RoundsOptions with_split(const Setting& setting, const SplitFedOptions& options) {
  RoundsOptions rounds = static_cast<const RoundsOptions&>(options);
  rounds.clients.split = [work = split_by(setting, options)](NodeId /*node*/) { return work; };
  return rounds;
}

}  // namespace

SplitFed::SplitFed(const std::shared_ptr<const Setting>& setting, const SplitFedOptions& options)
    : Rounds(setting, with_split(*setting, options)),
      setting_(setting),
      cut_{.work = split_by(*setting, options), .by_hand = !options.split.cut.empty()},
      version_(options.version) {}

std::optional<Explanation> SplitFed::explain(bool compare) const {
  const auto drawn = static_cast<std::size_t>(usual_updates().value_or(1));
  return explain_common_cut(setting_, cut_, clients_.members(), drawn, compare);
}

void SplitFed::add_tasks(std::int64_t round, const std::vector<NodeId>& nodes, Orders& orders) {
  const std::size_t before = orders.size();
  Rounds::add_tasks(round, nodes, orders);
  if (!is_shared()) return;
  for (std::size_t i = before; i < orders.size(); ++i) {
    std::get<Assign>(orders[i]).shared = SharedSession{.group = group_, .role = 0};
  }
}

Assign SplitFed::aggregation_of(std::int64_t round, std::vector<TaskId> updates) {
  if (!is_shared()) return Rounds::aggregation_of(round, std::move(updates));
  updates_ = std::move(updates);
  Assign take =
      clients_.take_shared({.group = group_++, .role = 0, .ends = true}, updates_.front());
  taking_ = take.task;
  return take;
}

Orders SplitFed::on(const Event& event) {
  Orders orders = Rounds::on(event);
  if (event.kind == EventKind::task_done && event.task == taking_) {
    updates_.push_back(std::exchange(taking_, no_task));
    orders.emplace_back(clients_.aggregate(std::exchange(updates_, {})));
  }
  return orders;
}

}  // namespace convoy::sim
