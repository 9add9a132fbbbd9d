#pragma once

// Reads all tables of a scenario except [fleet], [schedule] and [sweep]. Errors are reported at
// their keys. Internal to sim/scenario.

#include <filesystem>
#include <map>

#include "base/table_reader.hpp"
#include "sim/scenario/fleet.hpp"
#include "sim/scenario/scenario.hpp"

namespace convoy::sim {

// Reads [training] into `scenario` and `setting`. Gives batch sizes by memory class in GB.
std::map<int, double> read_training(base::TableReader reader, const Fleet& fleet,
                                    Scenario& scenario, Setting& setting,
                                    base::Diagnostics& problems);
StopOptions read_stop(base::TableReader reader, bool learn);
OutputOptions read_output(base::TableReader reader);
// `folder`: base of relative paths.
HilOptions read_hil(base::TableReader reader, const std::filesystem::path& folder,
                    ClockOptions& clock);
void read_network(base::TableReader reader, WorldConfig& world);
EvaluationOptions read_evaluation(base::TableReader reader);

}  // namespace convoy::sim
