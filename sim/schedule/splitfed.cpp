#include "sim/schedule/splitfed.hpp"

#include "sim/schedule/kinds.hpp"

namespace convoy::sim {

ScheduleKind schedules::splitfed() {
  return schedule_kind<SplitFed>(
      "splitfed", "rounds in which devices train the first layers and the server the rest",
      read_splitfed);
}

SplitFedOptions read_splitfed(base::TableReader& common, base::TableReader& own) {
  SplitFedOptions options{read_rounds(common, own)};
  options.version = own.choice({"version", "what becomes of the server's parts: v1 averages them"},
                               SplitFedOptions::versions, options.version);
  options.split = read_split_keys(own);
  return options;
}

namespace {

RoundsOptions with_split(const Setting& setting, const SplitFedOptions& options) {
  RoundsOptions rounds = static_cast<const RoundsOptions&>(options);
  rounds.clients.split = [work = split_of(options.split, setting, "schedule.splitfed")](
                             NodeId /*node*/) { return work; };
  return rounds;
}

}  // namespace

SplitFed::SplitFed(const std::shared_ptr<const Setting>& setting, const SplitFedOptions& options)
    : Rounds(setting, with_split(*setting, options)) {}

}  // namespace convoy::sim
