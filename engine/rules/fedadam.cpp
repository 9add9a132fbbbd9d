// FedAdam (Reddi et al. 2021, arXiv 2003.00295, algorithm 2): Adam at the server. d is the mean
// change over the updates that hold a parameter, weighted by samples:
//   m = beta1 m + (1 - beta1) d;  v = beta2 v + (1 - beta2) d^2;  W += learning_rate m / (sqrt v +
//   tau)
// m starts at 0 and v at tau^2 (the paper: v >= tau^2), without bias correction, as in the paper.
// The defaults are the paper's. Ours: if no update of an aggregation holds a parameter, the
// parameter, its m and its v do not change.

#include <algorithm>
#include <cmath>

#include "engine/rules/rule.hpp"

namespace convoy::engine {
namespace {

struct FedAdamOptions {
  double learning_rate = 0.1;
  double beta1 = 0.9;
  double beta2 = 0.99;
  double tau = 1e-3;  // limits the adaptivity of the step
};

class FedAdam : public Rule {
 public:
  explicit FedAdam(const FedAdamOptions& options) : o_(options) {}

  [[nodiscard]] std::string name() const override { return "fedadam"; }
  // `second` is v - tau^2, since states begin at 0.
  [[nodiscard]] std::vector<std::string> state() const override { return {"first", "second"}; }

  void combine(const Elements& e, std::span<double> change) const override {
    float* first = e.state[0];
    float* second = e.state[1];
    const double least = o_.tau * o_.tau;
    for (std::size_t i = 0; i < e.size; ++i) {
      if (e.holders[i] == 0 || e.weight[i] <= 0) continue;
      const double d = e.sum[i] / e.weight[i];
      const double m = o_.beta1 * first[i] + (1 - o_.beta1) * d;
      // Rounding must not make v negative.
      const double v = std::max(0.0, o_.beta2 * (second[i] + least) + (1 - o_.beta2) * d * d);
      first[i] = static_cast<float>(m);
      second[i] = static_cast<float>(v - least);
      change[i] = o_.learning_rate * m / (std::sqrt(v) + o_.tau);
    }
  }

 private:
  FedAdamOptions o_;
};

}  // namespace

namespace rules {
RuleKind fedadam() {
  return {"fedadam", "Adam at the server, on the mean by samples", [](base::TableReader& reader) {
            FedAdamOptions o;
            o.learning_rate = reader.number({"learning_rate", "factor of the server's step"},
                                            base::above(0).up_to(1e3), o.learning_rate);
            o.beta1 = reader.number({"beta1", "decay of the mean change"},
                                    base::at_least(0).below(1), o.beta1);
            o.beta2 = reader.number({"beta2", "decay of the mean square of the change"},
                                    base::at_least(0).below(1), o.beta2);
            o.tau = reader.number({"tau", "added to the root; a larger value adapts less"},
                                  base::above(0).up_to(1e3), o.tau);
            return std::make_shared<const FedAdam>(o);
          }};
}
}  // namespace rules

}  // namespace convoy::engine
