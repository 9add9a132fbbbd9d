// TEASQ-Fed (Jia et al. 2023, arXiv 2312.15186; no code): the updates of a full cache become one,
// the older the less, and that is mixed into the model:
//   u = sum_i s_i w_i / sum_i s_i,  s_i = (staleness_i + 1)^-power,  w_i = what it was trained from
//                                                                         + its change
//   W <- (1 - alpha_t) W + alpha_t u
// Ours: what alpha_t is could not be read; here alpha x the mean of the s_i, so that a cache of old
// updates moves the model less; alpha 0.8 and a power of 0.5 as in FedAsync. Updates count alike,
// whatever their samples. Where only some hold a parameter they alone are mixed in; running
// statistics are the house's (README.md).

#include "engine/rules/rule.hpp"
#include "engine/rules/staleness.hpp"

namespace convoy::engine {
namespace {

struct TeasqOptions {
  double alpha = 0.8;
  StalenessWeight weight;
};

class Teasq : public Rule {
 public:
  explicit Teasq(const TeasqOptions& options) : o_(options) {}

  [[nodiscard]] std::string name() const override { return "teasq"; }
  [[nodiscard]] Needs needs() const override { return {.received = true, .changes = true}; }

  // Of alpha_t. The mean of the weights times a weight's part of their sum: a weight over their
  // number.
  [[nodiscard]] std::vector<double> shares(const Updates& updates) const override {
    std::vector<double> shares;
    for (std::size_t i = 0; i < updates.size(); ++i) {
      shares.push_back(o_.alpha * o_.weight.of(updates.facts(i).staleness) /
                       static_cast<double>(updates.size()));
    }
    return shares;
  }

  [[nodiscard]] double shares_sum(const Updates& updates) const override {
    double weights = 0;
    for (std::size_t i = 0; i < updates.size(); ++i) {
      weights += o_.weight.of(updates.facts(i).staleness);
    }
    return updates.size() > 0 ? o_.alpha * weights / static_cast<double>(updates.size()) : 0;
  }

  void combine(const Elements& e, std::span<double> change) const override {
    double mixing = 0;  // alpha_t
    for (const double share : e.shares) mixing += share;
    for (std::size_t i = 0; i < e.size; ++i) {
      double away = 0;  // sum over the holders of share x (w_i - W)
      double held = 0;
      for (std::size_t u = 0; u < e.updates; ++u) {
        if (e.holds[u][i] == 0) continue;
        // In this order: of a fresh update it is just its change.
        const double moved = static_cast<double>(e.received[u][i]) - e.current[i];
        away += e.shares[u] * (moved + e.changes[u][i]);
        held += e.shares[u];
      }
      if (held > 0) change[i] = mixing * (away / held);
    }
  }

 private:
  TeasqOptions o_;
};

}  // namespace

namespace rules {
RuleKind teasq() {
  return {"teasq", "mixes in the mean of the updates' own values, the older the less",
          [](base::TableReader& reader) {
            TeasqOptions o;
            o.alpha = reader.number({"alpha", "weight of fresh updates against the model's"},
                                    base::above(0).up_to(1), o.alpha);
            o.weight = read_polynomial_weight(reader);
            return std::make_shared<const Teasq>(o);
          }};
}
}  // namespace rules

}  // namespace convoy::engine
