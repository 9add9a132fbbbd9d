#include "analysis/figures.hpp"

namespace convoy::analysis {

const char* name_of(Unit unit) {
  switch (unit) {
    case Unit::seconds:
      return "s";
    case Unit::bytes:
      return "bytes";
    case Unit::joules:
      return "J";
    case Unit::share:
      return "share";
    case Unit::count:
      return "count";
  }
  return "";
}

const char* name_of(Better better) {
  switch (better) {
    case Better::none:
      return "";
    case Better::less:
      return "less";
    case Better::more:
      return "more";
  }
  return "";
}

}  // namespace convoy::analysis
