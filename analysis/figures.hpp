#pragma once

// The figures by which runs are compared: what they are called, and which way is better.

#include <string>

namespace convoy::analysis {

enum class Unit { seconds, bytes, joules, share, count };
const char* name_of(Unit unit);  // s, bytes, J, share, count

enum class Better { none, less, more };
const char* name_of(Better better);  // "", less, more

struct FigureName {
  std::string key;    // as `convoy run --json` has it, where it does
  std::string title;  // for people
  Unit unit = Unit::count;
  Better better = Better::none;
  std::string note;  // for people, where a title needs one: where an accuracy to be reached is from
};

}  // namespace convoy::analysis
