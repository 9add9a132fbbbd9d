#pragma once

// Aggregates updates and protects the next version from bad ones: scales down updates that are far
// larger than the others (an option), leaves out those that would make the version NaN or infinite.

#include "engine/api/options.hpp"
#include "engine/learning/aggregation.hpp"

namespace convoy::engine {

// As merge(), by the rule of the options.
//
// With norm_bound > 0: the size of an update is the root mean square of its parameters' changes,
// which makes submodels of any size comparable. An update larger than norm_bound times the median
// of the others is scaled down to that bound. The others are the updates of this aggregation and
// the latest 64 before it, kept in the state. Without others, or with a median of 0, nothing is
// scaled. Running statistics are never scaled.
//
// If the version or the rule's state would hold NaN or infinity, the update with the largest change
// is left out, repeatedly: report.left_out. If all updates are left out, weights and state are
// those before; the caller must not publish them as a new version.
Merged merge_guarded(const Layout& layout, const AggregationOptions& options,
                     const TensorWeights& current, std::int64_t version,
                     const std::vector<Received>& updates, const RuleState* state,
                     const Others& others = {});

}  // namespace convoy::engine
