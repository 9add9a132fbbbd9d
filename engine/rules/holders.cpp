// W += sum delta_i / h over the h updates that hold a parameter; a parameter in no update keeps its
// value. Every update counts 1, whatever its node's samples. The code of HeteroFL (Diao et al.
// 2021, arXiv 2010.01264; diaoenmao/HeteroFL-... cc40f3e) and of FedRolex (Alam et al. 2022, arXiv
// 2212.01548; AIoT-MLSys-Lab/FedRolex 8135109) averages like this, except for rows of class scores
// (see holders_by_label.cpp), and so does DepthFL's (adap/flower fdef7af, baselines/depthfl). Ours:
// changes are averaged, not values (the same without staleness).

#include "engine/rules/rule.hpp"

namespace convoy::engine {
namespace {

class Holders : public Rule {
 public:
  [[nodiscard]] std::string name() const override { return "holders"; }
  [[nodiscard]] std::vector<double> shares(const Updates& updates) const override {
    return in_proportion(std::vector<double>(updates.size(), 1));
  }
};

}  // namespace

namespace rules {
RuleKind holders() {
  return {"holders", "mean over the updates that hold a parameter, each counting alike",
          [](base::TableReader&) { return std::make_shared<const Holders>(); }};
}
}  // namespace rules

}  // namespace convoy::engine
