#include "sim/schedule/schedule.hpp"

#include "sim/schedule/cos2p.hpp"
#include "sim/schedule/fedavg.hpp"

namespace convoy::sim {
namespace {

// How a kind is read from [schedule] into something that makes it.
struct Kind {
  std::string name;
  std::function<ScheduleSpec(base::TableReader&)> read;
};

template <class Made, class Options>
std::function<ScheduleSpec(base::TableReader&)> kind_of(Options (*read)(base::TableReader&)) {
  return [read](base::TableReader& reader) {
    const Options options = read(reader);
    return ScheduleSpec{"",
                        [options](std::shared_ptr<const Setting> setting) {
                          return std::make_unique<Made>(std::move(setting), options);
                        },
                        options.crew.learning};
  };
}

const std::vector<Kind>& kinds() {
  static const std::vector<Kind> all = {
      {"fedavg", kind_of<FedAvg>(read_fedavg)},
      {"cos2p", kind_of<CoS2P>(read_cos2p)},
  };
  return all;
}

}  // namespace

std::string name_of(const Order& order) {
  static const std::vector<std::string> names = {
      "assign", "cancel", "aggregate", "evaluate", "set_timer", "cancel_timer", "finish"};
  return names[order.index()];
}

ScheduleSpec read_schedule(base::TableReader reader) {
  std::vector<std::string> names;
  for (const Kind& kind : kinds()) names.push_back(kind.name);
  const std::size_t chosen = reader.choice("kind", names, 0);
  ScheduleSpec spec;
  for (std::size_t i = 0; i < kinds().size(); ++i) {
    ScheduleSpec read = kinds()[i].read(reader);
    if (i == chosen) spec = std::move(read);
  }
  spec.kind = names[chosen];
  reader.finish();
  return spec;
}

}  // namespace convoy::sim
