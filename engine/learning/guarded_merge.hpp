#pragma once

// Updates become the next version, and none of them spoils it: what is far larger than the others
// is scaled down (an option), what would make the version NaN or infinite is left out.

#include "engine/api/options.hpp"
#include "engine/learning/aggregation.hpp"

namespace convoy::engine {

// As merge(), by the options' rule.
//
// With norm_bound > 0 the size of an update is the root mean square of its changes (of parameters;
// so submodels of any size compare). One whose size is above norm_bound times the median of the
// others' is scaled down to that; the others are those of this aggregation and the latest 64 that
// were aggregated before, which the state remembers. Where there are no others, or their median is
// 0, nothing is bounded. Running statistics are never scaled.
//
// Where the version, or what the rule remembers, would hold NaN or infinity, the update with the
// largest change is left out, until that no longer holds: report.left_out. Where that is every one,
// the weights are those of the version before, and the rule remembers what it did: whoever asked
// must not go on as if it were a new version.
Merged merge_guarded(const Layout& layout, const AggregationOptions& options,
                     const TensorWeights& current, std::int64_t version,
                     const std::vector<Received>& updates, const RuleState* state);

}  // namespace convoy::engine
