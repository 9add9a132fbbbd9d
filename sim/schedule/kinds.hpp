#pragma once

// The kinds of schedules: a line each. A new one is a file that defines schedules::NAME(), and a
// line here; nothing else knows their names.

#include "sim/schedule/schedule.hpp"

#define CONVOY_SCHEDULE_KINDS(KIND) \
  KIND(fedavg)                      \
  KIND(cos2p)                       \
  KIND(fedprox)                     \
  KIND(fedbuff)                     \
  KIND(fedasync)                    \
  KIND(heterofl)                    \
  KIND(fedrolex)                    \
  KIND(ramfed)                      \
  CONVOY_EXAMPLE_KINDS(KIND)

// Those of examples/, in the program that tests build of them.
#ifdef CONVOY_SCHEDULE_EXAMPLES
#define CONVOY_EXAMPLE_KINDS(KIND) KIND(trickle) KIND(passes)
#else
#define CONVOY_EXAMPLE_KINDS(KIND)
#endif

namespace convoy::sim {

namespace schedules {
#define CONVOY_DECLARE(name) ScheduleKind name();
CONVOY_SCHEDULE_KINDS(CONVOY_DECLARE)
#undef CONVOY_DECLARE
}  // namespace schedules

// A kind whose options `read` reads, and whose schedule is a Made(setting, options).
template <class Made, class Options>
ScheduleKind schedule_kind(std::string name, std::string meaning,
                           Options (*read)(base::TableReader& common, base::TableReader& own)) {
  return {std::move(name), std::move(meaning),
          [read](base::TableReader& common, base::TableReader& own) {
            const Options options = read(common, own);
            ScheduleSpec spec;
            spec.make = [options](std::shared_ptr<const Setting> setting) {
              return std::make_unique<Made>(std::move(setting), options);
            };
            // Without a client pool nothing is asked of the engine.
            if constexpr (requires { options.clients.learning; })
              spec.learning = options.clients.learning;
            return spec;
          }};
}

}  // namespace convoy::sim
