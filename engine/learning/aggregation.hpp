#pragma once

// Aggregates updates to the next version of the global model by a rule (engine/rules), or combines
// them into one update.

#include "engine/learning/at_work.hpp"
#include "engine/learning/received.hpp"

namespace convoy::engine {

struct Merged {
  Tensors weights;
  Trained trained;
  RuleState state;  // the rule's state after this aggregation
  AggregationReport report;
};

// What an aggregation knows of the run's other nodes.
struct Others {
  std::size_t nodes = 0;  // of the run, with data; 0: as many as there are updates
  std::optional<std::vector<Holder>> at_work = {};  // for a rule that needs it
};

// Memory for the elements of a tensor by update, where a rule asks for these (Needs::changes): a
// longer tensor is taken in stretches.
constexpr std::size_t stretch_bytes = 64 << 20;

// Applies the rule to version `version`. Updates are added in the given order, in double precision.
// Running statistics (buffers) are always averaged by the updates' shares and do not count in
// norms. Layers that are the nodes' own (UpdateOrigin::rest_is_own) stay as they are, and the
// report does not count them. `state`: the rule's, null before its first aggregation. Throws
// base::UserError if an input that the rule needs is missing.
Merged merge(const Layout& layout, const Rule& rule, const TensorWeights& current,
             std::int64_t version, const std::vector<Received>& updates,
             const RuleState* state = nullptr, const Others& others = {},
             std::size_t stretch = stretch_bytes);

// Combines several updates into one: see Combine in engine/api/work.hpp. Its submodel is the
// smallest that holds all of theirs; an element held by none of them gets a change of 0.
// `by_label`: for a rule with Needs::labels; it then has all of their labels.
std::shared_ptr<const TensorUpdate> combine(const Layout& layout,
                                            const std::vector<const TensorUpdate*>& updates,
                                            bool by_label = false);

// Share of the parameters in the named tensors that no update has held so far.
double untrained_share(const Layout& layout, const Trained& trained,
                       const std::vector<bool>& counted);

}  // namespace convoy::engine
