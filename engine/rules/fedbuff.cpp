// FedBuff (Nguyen et al. 2022, arXiv 2106.06639), as in its authors' simulator (FLSim):
//   W += learning_rate x sum_i s_i delta_i / D,  s_i = (1 + staleness_i)^-power / (1 + a)^-power
// a is `average_staleness`, at which the weight is 1 (FLSim's default is 1; 0 gives the paper's
// 1 / sqrt(1 + staleness)). `divide` chooses D: the number of updates (the paper's K), the sum of
// the weights (a mean), or 1 (FLSim's weighted sum: the rate must then contain 1 / K). Samples do
// not count. Ours: if only some updates hold a parameter, their sum is scaled by updates / holders
// (no change with full models).

#include <cmath>

#include "engine/rules/rule.hpp"

namespace convoy::engine {
namespace {

enum class Divide { updates, weights, nothing };
constexpr base::Words<Divide> divide_words = {
    {Divide::updates, "updates"}, {Divide::weights, "weights"}, {Divide::nothing, "nothing"}};

struct FedBuffOptions {
  double learning_rate = 1;
  double power = 0.5;
  double average_staleness = 1;
  Divide divide = Divide::updates;
};

class FedBuff : public Rule {
 public:
  explicit FedBuff(const FedBuffOptions& options) : o_(options) {}

  [[nodiscard]] std::string name() const override { return "fedbuff"; }

  [[nodiscard]] std::vector<double> shares(const Updates& updates) const override {
    std::vector<double> weights;
    for (std::size_t i = 0; i < updates.size(); ++i) weights.push_back(weight(updates, i));
    if (o_.divide == Divide::weights) return in_proportion(std::move(weights));
    if (o_.divide == Divide::nothing) return weights;
    for (double& w : weights) w /= static_cast<double>(updates.size());
    return weights;
  }

  [[nodiscard]] double shares_sum(const Updates& updates) const override {
    if (o_.divide == Divide::weights) return 1;
    double sum = 0;
    for (std::size_t i = 0; i < updates.size(); ++i) sum += weight(updates, i);
    return o_.divide == Divide::nothing ? sum : sum / static_cast<double>(updates.size());
  }

  void combine(const Elements& e, std::span<double> change) const override {
    const auto all = static_cast<double>(e.updates);
    for (std::size_t i = 0; i < e.size; ++i) {
      if (e.holders[i] == 0 || e.weight[i] <= 0) continue;
      const double mean =
          o_.divide == Divide::weights ? e.sum[i] / e.weight[i] : e.sum[i] * (all / e.holders[i]);
      change[i] = o_.learning_rate * mean;
    }
  }

 private:
  [[nodiscard]] double weight(const Updates& updates, std::size_t update) const {
    const auto staleness = static_cast<double>(updates.facts(update).staleness);
    return std::pow((1 + o_.average_staleness) / (1 + staleness), o_.power);
  }

  FedBuffOptions o_;
};

}  // namespace

namespace rules {
RuleKind fedbuff() {
  return {"fedbuff", "older updates count for less; divided by their number",
          [](base::TableReader& reader) {
            FedBuffOptions o;
            o.learning_rate = reader.number({"learning_rate", "factor of the server's step"},
                                            base::above(0).up_to(1e3), o.learning_rate);
            o.power =
                reader.number({"power", "exponent of (1 + staleness), with which weights fall"},
                              base::at_least(0).up_to(10), o.power);
            o.average_staleness =
                reader.number({"average_staleness", "staleness at which the weight is 1"},
                              base::at_least(0).up_to(1e6), o.average_staleness);
            o.divide = reader.choice({"divide", "what the weighted sum is divided by"},
                                     divide_words, o.divide);
            return std::make_shared<const FedBuff>(o);
          }};
}
}  // namespace rules

}  // namespace convoy::engine
