// W += sum n_i delta_i / sum n_i over the updates that hold a parameter; n_i: samples. For full
// models this is FedAvg (McMahan et al. 2017, arXiv 1602.05629), for submodels the mean over those
// that trained the parameter (HeteroFL, Diao et al. 2021, arXiv 2010.01264).

#include "engine/rules/rule.hpp"

namespace convoy::engine {
namespace {

class Coverage : public Rule {
 public:
  [[nodiscard]] std::string name() const override { return "coverage"; }
};

}  // namespace

namespace rules {
RuleKind coverage() {
  return {"coverage", "mean over the updates that hold a parameter, by samples",
          [](base::TableReader&) { return std::make_shared<const Coverage>(); }};
}
}  // namespace rules

}  // namespace convoy::engine
