#pragma once

// Analysis results as JSON, for `convoy compare --json` and the report. Values that do not apply or
// are not numbers become null.

#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "analysis/comparison.hpp"
#include "analysis/fidelity.hpp"
#include "analysis/winners.hpp"

namespace convoy::analysis {

using Json = nlohmann::ordered_json;

Json optional_json(std::optional<double> value);
Json optional_json(std::optional<std::int64_t> value);

Json to_json(const Metric& metric);
Json to_json(const Level& level);
Json to_json(const Comparison& comparison);
Json to_json(const std::vector<Fidelity>& all);
// Winners of analysis/web/src/data.d.ts.
Json to_json(const WinnersMap& map);

}  // namespace convoy::analysis
