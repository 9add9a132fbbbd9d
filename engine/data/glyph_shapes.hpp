#pragma once

// Strokes of digits and capital letters, for the images of glyphs.hpp.

#include <vector>

namespace convoy::engine {

struct Point {
  double x = 0;
  double y = 0;
};
using Polyline = std::vector<Point>;

// The strokes of a glyph in a unit square around the origin; y points down.
const std::vector<Polyline>& glyph_strokes(int kind);

}  // namespace convoy::engine
