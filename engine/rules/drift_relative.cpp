// As drift.cpp, with 1 + |W - W_base_i|_1 / |delta_i|_1 instead of 1 + |W - W_base_i|_1, which does
// not depend on the model's size. Our own: on large models the 1 of Co-S2P's rule vanishes beside a
// norm over millions of parameters, and updates without staleness outweigh all others.

#include "engine/rules/rule.hpp"

namespace convoy::engine {
namespace {

class DriftRelative : public Rule {
 public:
  [[nodiscard]] std::string name() const override { return "drift-relative"; }
  [[nodiscard]] Needs needs() const override { return {.received = true}; }

  [[nodiscard]] std::vector<double> shares(const Updates& updates) const override {
    std::vector<double> weights;
    for (std::size_t i = 0; i < updates.size(); ++i) {
      const double size = updates.change_l1(i);
      const double drift = updates.drift_l1(i);
      const double scale = size > 0 ? 1 + drift / size : 1;
      weights.push_back(size / updates.facts(i).rate / scale);
    }
    return in_proportion(std::move(weights));
  }

  void combine(const Elements& e, std::span<double> change) const override {
    for (std::size_t i = 0; i < e.size; ++i) change[i] = e.sum[i];
  }
};

}  // namespace

namespace rules {
RuleKind drift_relative() {
  return {"drift-relative", "as drift, relative to the size of the update (ours)",
          [](base::TableReader&) { return std::make_shared<const DriftRelative>(); }};
}
}  // namespace rules

}  // namespace convoy::engine
