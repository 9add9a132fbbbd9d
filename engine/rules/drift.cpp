// W += sum gamma_i delta_i, gamma_i ~ (|delta_i|_1 / r_i) / (1 + |W - W_base_i|_1), sum 1: Co-S2P's
// published code (arXiv 2410.08457). An update gets less weight the further the model has moved
// from its base. The sum is not divided by the shares of a parameter's holders.

#include "engine/rules/rule.hpp"

namespace convoy::engine {
namespace {

class Drift : public Rule {
 public:
  [[nodiscard]] std::string name() const override { return "drift"; }
  [[nodiscard]] Needs needs() const override { return {.received = true}; }

  [[nodiscard]] std::vector<double> shares(const Updates& updates) const override {
    std::vector<double> weights;
    for (std::size_t i = 0; i < updates.size(); ++i) {
      const double size = updates.change_l1(i);
      weights.push_back(size / updates.facts(i).rate / (1 + updates.drift_l1(i)));
    }
    return in_proportion(std::move(weights));
  }

  void combine(const Elements& e, std::span<double> change) const override {
    for (std::size_t i = 0; i < e.size; ++i) change[i] = e.sum[i];
  }
};

}  // namespace

namespace rules {
RuleKind drift() {
  return {"drift", "larger and fresher updates count for more (Co-S2P's code)",
          [](base::TableReader&) { return std::make_shared<const Drift>(); }};
}
}  // namespace rules

}  // namespace convoy::engine
