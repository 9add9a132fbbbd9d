#pragma once

// The figures by which runs are compared: names, and whether more or less is better.

#include <string>

#include "base/words.hpp"

namespace convoy::analysis {

enum class Unit { seconds, bytes, joules, share, count };
inline constexpr base::Words<Unit> unit_words = {{Unit::seconds, "s"},
                                                 {Unit::bytes, "bytes"},
                                                 {Unit::joules, "J"},
                                                 {Unit::share, "share"},
                                                 {Unit::count, "count"}};

enum class Better { none, less, more };
inline constexpr base::Words<Better> better_words = {
    {Better::none, ""}, {Better::less, "less"}, {Better::more, "more"}};

struct FigureName {
  std::string key;    // as in `convoy run --json`, if it is there
  std::string title;  // for people
  Unit unit = Unit::count;
  Better better = Better::none;
  std::string note;  // explains the title if needed: the source of a target accuracy
};

}  // namespace convoy::analysis
