// As `holders`, but a row of class scores (weights and bias of an exit's last layer) is averaged
// only over the updates of nodes that have samples of this class; a row of a class that none of
// them has keeps its value. So the code of HeteroFL (Diao et al. 2021, arXiv 2010.01264;
// diaoenmao/HeteroFL-... cc40f3e, Federation.combine) and of FedRolex (Alam et al. 2022, arXiv
// 2212.01548; AIoT-MLSys-Lab/FedRolex 8135109) averages.

#include "engine/rules/rule.hpp"

namespace convoy::engine {
namespace {

class HoldersByLabel : public Rule {
 public:
  [[nodiscard]] std::string name() const override { return "holders-by-label"; }
  [[nodiscard]] Needs needs() const override { return {.labels = true}; }
  [[nodiscard]] std::vector<double> shares(const Updates& updates) const override {
    return in_proportion(std::vector<double>(updates.size(), 1));
  }
};

}  // namespace

namespace rules {
RuleKind holders_by_label() {
  return {"holders-by-label",
          "as holders, but a class's row of scores only over nodes that have samples of it",
          [](base::TableReader&) { return std::make_shared<const HoldersByLabel>(); }};
}
}  // namespace rules

}  // namespace convoy::engine
