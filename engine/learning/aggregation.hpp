#pragma once

// Updates become the next version of the global model, by a rule (engine/rules), or one update that
// stands for them.

#include "engine/learning/tensors.hpp"
#include "engine/rules/rule.hpp"

namespace convoy::engine {

// An update and what it was trained from.
struct Received {
  const TensorUpdate* update = nullptr;
  const TensorWeights* base = nullptr;  // where the rule needs it
};

struct Merged {
  Tensors weights;
  Trained trained;
  RuleState state;  // of the rule, from now on
  AggregationReport report;
};

// Applies the rule to version `version`. Updates are added in the order given, in double where they
// meet. Running statistics (buffers) are averages of the updates' values by their shares, whatever
// the rule, and do not count in norms. `state`: of the rule, null before its first aggregation.
// Throws base::UserError where a rule misses what it needs.
Merged merge(const Layout& layout, const Rule& rule, const TensorWeights& current,
             std::int64_t version, const std::vector<Received>& updates,
             const RuleState* state = nullptr);

// One update in the place of several: see Combine in engine/api/work.hpp. It is of the smallest
// submodel that holds all of theirs; where that holds an element that none of them does, its change
// is 0.
std::shared_ptr<const TensorUpdate> combine(const Layout& layout,
                                            const std::vector<const TensorUpdate*>& updates);

// Share of the parameters of the tensors named that no update has held so far.
double untrained_share(const Layout& layout, const Trained& trained,
                       const std::vector<bool>& counted);

}  // namespace convoy::engine
