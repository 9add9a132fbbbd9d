#pragma once

// The list of schedule kinds. To add one: write a file that defines schedules::NAME(), and add a
// line here; no other code knows the names.

#include <type_traits>

#include "sim/schedule/schedule.hpp"

#define CONVOY_SCHEDULE_KINDS(KIND) \
  KIND(fedavg)                      \
  KIND(cos2p)                       \
  KIND(fedprox)                     \
  KIND(fedbuff)                     \
  KIND(fedasync)                    \
  KIND(fedcompass)                  \
  KIND(teasq)                       \
  KIND(heterofl)                    \
  KIND(fedrolex)                    \
  KIND(ramfed)                      \
  KIND(prunefl)                     \
  KIND(fedpm)                       \
  KIND(depthfl)                     \
  KIND(edgesplit)                   \
  KIND(splitfed)                    \
  KIND(splitlearning)               \
  KIND(partitioned)                 \
  KIND(asteroid)                    \
  KIND(dataparallel)                \
  KIND(gpipe)                       \
  KIND(pipedream)                   \
  KIND(dapple)                      \
  CONVOY_EXAMPLE_KINDS(KIND)

// The kinds of examples/, only in the test program.
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

// A kind whose options are read by `read` and whose schedule is Made(setting, options).
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
            // Schedules without a client pool ask nothing of the engine.
            if constexpr (requires { options.clients.learning; })
              spec.learning = options.clients.learning;
            if constexpr (requires { options.why_no_learning; })
              spec.why_no_learning = options.why_no_learning;
            return spec;
          },
          !std::is_same_v<decltype(&Made::explain), decltype(&Schedule::explain)>,
          requires(Options o){o.manner;
}
};  // namespace convoy::sim
}

}  // namespace convoy::sim
