// For semi-asynchronous aggregation of unequal submodels (ours):
//   W_k += learning_rate x sum_i w_i delta_ik / ((1 - damping) b_k + damping F_k)
// The sum goes over the updates that hold parameter k; w_i = n_i (1 + staleness_i)^-power, n_i
// being samples and the power 0 unless said otherwise (0.5: as FedBuff and FedAsync). b_k: the sum
// of their w_i. F_k: the same of all in flight, that is b_k and the samples of the nodes at work
// whose latest submodel holds k.
//
// The reason: with `coverage` the few updates of a buffer move a parameter as far as if all who
// train it had sent one, and the next buffer, of other nodes, moves it elsewhere. A full step is
// due when all who train the parameter have been heard. Damping 0 is `coverage`; 1 counts those
// at work as if they had sent no change. With the default of 1/2 and a fraction f of its holders in
// the buffer a parameter makes 2 f / (1 + f) of the mean's step: with equal full models this is a
// constant factor, with unequal submodels it is another one for each parameter.
//
// `momentum`: v = momentum x v + step; W += learning_rate x v, as in `fedavgm`.

#include "engine/rules/rule.hpp"
#include "engine/rules/staleness.hpp"

namespace convoy::engine {
namespace {

struct InFlightOptions {
  double damping = 0.5;
  double learning_rate = 1;
  double momentum = 0;
  StalenessWeight weight{.power = 0};
};

class InFlight : public Rule {
 public:
  explicit InFlight(const InFlightOptions& options) : o_(options) {}

  [[nodiscard]] std::string name() const override { return "in-flight"; }
  [[nodiscard]] Needs needs() const override { return {.at_work = true}; }
  [[nodiscard]] std::vector<std::string> state() const override {
    if (o_.momentum > 0) return {"velocity"};
    return {};
  }

  // In the units of Elements::at_work: a fresh update has its part of all samples.
  [[nodiscard]] std::vector<double> shares(const Updates& updates) const override {
    std::vector<double> shares = Rule::shares(updates);
    for (std::size_t i = 0; i < shares.size(); ++i) {
      shares[i] *= o_.weight.of(updates.facts(i).staleness);
    }
    return shares;
  }
  [[nodiscard]] double shares_sum(const Updates& updates) const override {
    double sum = 0;
    for (const double share : shares(updates)) sum += share;
    return sum;
  }

  void combine(const Elements& e, std::span<double> change) const override {
    for (std::size_t i = 0; i < e.size; ++i) {
      if (e.weight[i] <= 0) continue;
      double step = e.sum[i] / (e.weight[i] + o_.damping * e.at_work[i]);
      if (o_.momentum > 0) {
        step += o_.momentum * e.state[0][i];
        e.state[0][i] = static_cast<float>(step);
      }
      change[i] = o_.learning_rate * step;
    }
  }

 private:
  InFlightOptions o_;
};

}  // namespace

namespace rules {
RuleKind in_flight() {
  return {"in-flight", "mean over the updates, less the more of a parameter's holders are at work",
          [](base::TableReader& reader) {
            InFlightOptions o;
            o.damping =
                reader.number({"damping", "weight of those at work in the divisor; 0: as coverage"},
                              base::at_least(0).up_to(1), o.damping);
            o.learning_rate = reader.number({"learning_rate", "factor of the server's step"},
                                            base::above(0).up_to(1e3), o.learning_rate);
            o.momentum =
                reader.number({"momentum", "share of the last step that is added to the next"},
                              base::at_least(0).below(1), o.momentum);
            o.weight = read_polynomial_weight(reader, o.weight);
            return std::make_shared<const InFlight>(o);
          }};
}
}  // namespace rules

}  // namespace convoy::engine
