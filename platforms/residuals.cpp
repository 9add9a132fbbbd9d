#include "platforms/residuals.hpp"

#include <algorithm>
#include <cmath>

namespace convoy::platforms {

double error_quantile(const std::vector<Residual>& residuals, double share) {
  std::vector<double> errors;
  errors.reserve(residuals.size());
  for (const Residual& r : residuals) errors.push_back(std::abs(r.error()));
  if (errors.empty()) return 0;
  std::sort(errors.begin(), errors.end());
  const auto at = static_cast<std::size_t>(share * static_cast<double>(errors.size()));
  return errors[std::min(at, errors.size() - 1)];
}

}  // namespace convoy::platforms
