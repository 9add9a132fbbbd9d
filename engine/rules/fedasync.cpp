// FedAsync (Xie et al. 2019, arXiv 1903.03934; code: github xcgoner/async_fl 912ecf3): an update's
// own values w_i, not its change, are mixed into the model:
//   W <- (1 - a) W + a w_i,  a = alpha x s(staleness),  w_i = the update's base + its change
//   s: constant 1; polynomial (d + 1)^-power; hinge 1 if d <= bound, else 1 / (power (d - bound) +
//   1)
// Alpha is 0.8, times `decay` from version `decay_at` on (the authors: halved at epoch 800 of
// 2,000). Several updates of one aggregation are applied one after the other, in their order. Ours:
// only updates that hold a parameter are mixed into it; running statistics follow README.md (the
// authors mix them like weights); by default s is polynomial with the paper's power of 0.5 (hinge:
// power 10, bound 4).

#include <optional>

#include "engine/rules/rule.hpp"
#include "engine/rules/staleness.hpp"

namespace convoy::engine {
namespace {

struct FedAsyncOptions {
  double alpha = 0.8;
  StalenessWeight weight;
  std::optional<std::int64_t> decay_at;  // version
  double decay = 0.5;
};

class FedAsync : public Rule {
 public:
  explicit FedAsync(const FedAsyncOptions& options) : o_(options) {}

  [[nodiscard]] std::string name() const override { return "fedasync"; }
  [[nodiscard]] Needs needs() const override { return {.received = true, .changes = true}; }

  // Each update's own a.
  [[nodiscard]] std::vector<double> shares(const Updates& updates) const override {
    std::vector<double> shares;
    for (std::size_t i = 0; i < updates.size(); ++i) shares.push_back(mixing(updates.facts(i)));
    return shares;
  }

  [[nodiscard]] double shares_sum(const Updates& updates) const override {
    double sum = 0;
    for (std::size_t i = 0; i < updates.size(); ++i) sum += mixing(updates.facts(i));
    return sum;
  }

  void combine(const Elements& e, std::span<double> change) const override {
    for (std::size_t i = 0; i < e.size; ++i) {
      double moved = 0;
      for (std::size_t u = 0; u < e.updates; ++u) {
        if (e.holds[u][i] == 0) continue;
        // w_i - W; computed in this order, a fresh update gives exactly its change.
        const double away = static_cast<double>(e.received[u][i]) - e.current[i] - moved;
        moved += e.shares[u] * (away + e.changes[u][i]);
      }
      change[i] = moved;
    }
  }

 private:
  [[nodiscard]] double mixing(const UpdateFacts& update) const {
    const std::int64_t version = update.base_version + update.staleness;
    const bool decays = o_.decay_at && version >= *o_.decay_at;
    const double alpha = o_.alpha * (decays ? o_.decay : 1);
    return alpha * o_.weight.of(update.staleness);
  }

  FedAsyncOptions o_;
};

}  // namespace

namespace rules {
RuleKind fedasync() {
  return {"fedasync", "mixes each update's values into the model, older ones less",
          [](base::TableReader& reader) {
            FedAsyncOptions o;
            o.alpha = reader.number({"alpha", "weight of a fresh update; the model has the rest"},
                                    base::above(0).up_to(1), o.alpha);
            o.weight = read_staleness_weight(reader);
            o.decay_at = reader.maybe_integer(
                {"decay_at", "version from which on alpha is multiplied by decay", "never"},
                base::at_least(0).up_to(1e12));
            o.decay = reader.number({"decay", "factor of alpha from decay_at on"},
                                    base::above(0).up_to(1), o.decay);
            return std::make_shared<const FedAsync>(o);
          }};
}
}  // namespace rules

}  // namespace convoy::engine
