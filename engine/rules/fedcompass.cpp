// FedCompass (Li et al. 2023, arXiv 2309.14675; code: github APPFL/APPFL 100d7f2, MIT, by its
// authors), in the form that sends changes (gradient_based, as their examples have it):
//   W += sum_i a_i delta_i,  a_i = alpha x s(staleness_i) / N
// N are all nodes of the run that have data, so that a lone update moves the model by its part of
// the whole. Alpha is 0.9, s polynomial with a power of 0.5, updates
// count alike. Ours: where only some of them hold a parameter, their sum is scaled by updates /
// holders; running statistics are the house's (README.md). Not here: the form that mixes values.

#include "engine/rules/rule.hpp"
#include "engine/rules/staleness.hpp"

namespace convoy::engine {
namespace {

struct FedCompassOptions {
  double alpha = 0.9;
  StalenessWeight weight;
};

class FedCompass : public Rule {
 public:
  explicit FedCompass(const FedCompassOptions& options) : o_(options) {}

  [[nodiscard]] std::string name() const override { return "fedcompass"; }

  [[nodiscard]] std::vector<double> shares(const Updates& updates) const override {
    std::vector<double> shares;
    for (std::size_t i = 0; i < updates.size(); ++i) {
      shares.push_back(o_.alpha * o_.weight.of(updates.facts(i).staleness) /
                       static_cast<double>(updates.nodes()));
    }
    return shares;
  }

  [[nodiscard]] double shares_sum(const Updates& updates) const override {
    double weights = 0;
    for (std::size_t i = 0; i < updates.size(); ++i) {
      weights += o_.weight.of(updates.facts(i).staleness);
    }
    return o_.alpha * weights / static_cast<double>(updates.nodes());
  }

  void combine(const Elements& e, std::span<double> change) const override {
    const auto all = static_cast<double>(e.updates);
    for (std::size_t i = 0; i < e.size; ++i) {
      if (e.holders[i] > 0) change[i] = e.sum[i] * (all / e.holders[i]);
    }
  }

 private:
  FedCompassOptions o_;
};

}  // namespace

namespace rules {
RuleKind fedcompass() {
  return {"fedcompass", "each update moves the model by its part of all nodes, the older the less",
          [](base::TableReader& reader) {
            FedCompassOptions o;
            o.alpha = reader.number({"alpha", "factor of the server's step"},
                                    base::above(0).up_to(1e3), o.alpha);
            o.weight = read_polynomial_weight(reader);
            return std::make_shared<const FedCompass>(o);
          }};
}
}  // namespace rules

}  // namespace convoy::engine
