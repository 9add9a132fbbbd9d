#pragma once

// The figures by which runs are compared: names, and whether more or less is better.

#include <string>

namespace convoy::analysis {

enum class Unit { seconds, bytes, joules, share, count };
const char* name_of(Unit unit);  // s, bytes, J, share, count

enum class Better { none, less, more };
const char* name_of(Better better);  // "", less, more

struct FigureName {
  std::string key;    // as in `convoy run --json`, if it is there
  std::string title;  // for people
  Unit unit = Unit::count;
  Better better = Better::none;
  std::string note;  // explains the title if needed: the source of a target accuracy
};

}  // namespace convoy::analysis
