// FedAvgM (Hsu et al. 2019, arXiv 1909.06335): momentum at the server. With d the mean change of
// those who hold a parameter, by samples (FedAvg's step, a pseudo-gradient with its sign turned):
//   v = momentum x v + d;  W += learning_rate x v
// A parameter that no update of an aggregation holds stays, and its v with it (ours).

#include "engine/rules/rule.hpp"

namespace convoy::engine {
namespace {

class FedAvgM : public Rule {
 public:
  FedAvgM(double learning_rate, double momentum)
      : learning_rate_(learning_rate), momentum_(momentum) {}

  [[nodiscard]] std::string name() const override { return "fedavgm"; }
  [[nodiscard]] std::vector<std::string> state() const override { return {"velocity"}; }

  void combine(const Elements& e, std::span<double> change) const override {
    float* velocity = e.state[0];
    for (std::size_t i = 0; i < e.size; ++i) {
      if (e.holders[i] == 0 || e.weight[i] <= 0) continue;
      const double v = momentum_ * velocity[i] + e.sum[i] / e.weight[i];
      velocity[i] = static_cast<float>(v);
      change[i] = learning_rate_ * v;
    }
  }

 private:
  double learning_rate_;
  double momentum_;
};

}  // namespace

namespace rules {
RuleKind fedavgm() {
  return {"fedavgm", "mean by samples, with momentum at the server", [](base::TableReader& reader) {
            const double rate = reader.number({"learning_rate", "factor of the server's step"},
                                              base::above(0).up_to(1e3), 1.0);
            const double momentum =
                reader.number({"momentum", "share of the last step that is added to the next"},
                              base::at_least(0).below(1), 0.9);
            return std::make_shared<const FedAvgM>(rate, momentum);
          }};
}
}  // namespace rules

}  // namespace convoy::engine
