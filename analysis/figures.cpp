#include "analysis/figures.hpp"

#include <array>

namespace convoy::analysis {

const char* name_of(Unit unit) {
  constexpr std::array names = {"s", "bytes", "J", "share", "count"};
  return names.at(static_cast<std::size_t>(unit));
}

const char* name_of(Better better) {
  constexpr std::array names = {"", "less", "more"};
  return names.at(static_cast<std::size_t>(better));
}

}  // namespace convoy::analysis
