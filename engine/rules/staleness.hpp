#pragma once

// How an update's weight falls with its staleness d, as in FedAsync (Xie et al. 2019, arXiv
// 1903.03934), and in FedCompass and TEASQ-Fed after it:
//   constant 1; polynomial (d + 1)^-power; hinge 1 if d <= bound, else 1 / (power (d - bound) + 1)

#include <cstdint>

#include "base/table_reader.hpp"

namespace convoy::engine {

struct StalenessWeight {
  enum class Kind { constant, polynomial, hinge };
  static constexpr base::Words<Kind> words = {
      {Kind::constant, "constant"}, {Kind::polynomial, "polynomial"}, {Kind::hinge, "hinge"}};
  Kind kind = Kind::polynomial;
  double power = 0.5;
  double bound = 4;  // of the hinge, versions

  // 1 for a fresh update (d = 0).
  [[nodiscard]] double of(std::int64_t staleness) const;
};

// Reads `staleness`, `power` and `bound`; where nothing is said polynomial with a power of 0.5
// (hinge: 10, bound 4), as the papers have it.
StalenessWeight read_staleness_weight(base::TableReader& reader);
// Reads `power` alone: the polynomial.
StalenessWeight read_polynomial_weight(base::TableReader& reader, StalenessWeight usual = {});

}  // namespace convoy::engine
