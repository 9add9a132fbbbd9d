#include "engine/rules/staleness.hpp"

#include <cmath>

namespace convoy::engine {

double StalenessWeight::of(std::int64_t staleness) const {
  const auto d = static_cast<double>(staleness);
  switch (kind) {
    case Kind::polynomial:
      return std::pow(d + 1, -power);
    case Kind::hinge:
      return d <= bound ? 1 : 1 / (power * (d - bound) + 1);
    case Kind::constant:
      break;
  }
  return 1;
}

StalenessWeight read_polynomial_weight(base::TableReader& reader, StalenessWeight w) {
  w.power = reader.number({"power", "how fast the weight falls with versions behind"},
                          base::at_least(0).up_to(100), w.power);
  return w;
}

StalenessWeight read_staleness_weight(base::TableReader& reader) {
  StalenessWeight w;
  w.kind = reader.choice({"staleness", "how the weight falls with the staleness"},
                         StalenessWeight::words, w.kind);
  const bool hinge = w.kind == StalenessWeight::Kind::hinge;
  w.power = reader.number({"power", "how fast the weight falls (not for constant)"},
                          base::at_least(0).up_to(100), hinge ? 10 : w.power);
  if (hinge) {
    w.bound = reader.number({"bound", "staleness up to which the weight does not fall"},
                            base::at_least(0).up_to(1e6), w.bound);
  }
  return w;
}

}  // namespace convoy::engine
