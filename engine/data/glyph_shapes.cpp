#include "engine/data/glyph_shapes.hpp"

#include <array>
#include <cmath>
#include <numbers>

#include "engine/data/dataset.hpp"

namespace convoy::engine {
namespace {

using Strokes = std::vector<Polyline>;

// Angles in degrees, clockwise from the right. Six straight pieces per half circle look round at 28
// pixels.
Polyline arc(Point centre, double rx, double ry, double from, double to) {
  const int pieces = static_cast<int>(std::ceil(std::abs(to - from) / 30));
  Polyline points;
  for (int i = 0; i <= pieces; ++i) {
    const double angle = (from + (to - from) * i / pieces) * std::numbers::pi / 180;
    points.push_back({centre.x + rx * std::cos(angle), centre.y + ry * std::sin(angle)});
  }
  return points;
}

Polyline operator+(Polyline head, const Polyline& tail) {
  head.insert(head.end(), tail.begin(), tail.end());
  return head;
}

Polyline line(std::initializer_list<Point> points) { return points; }

Strokes digit(int n) {
  switch (n) {
    case 0:
      return {arc({0, 0}, .32, .5, 0, 360), line({{.18, -.3}, {-.18, .3}})};
    case 1:
      return {line({{-.25, -.25}, {.05, -.5}, {.05, .5}}), line({{-.2, .5}, {.3, .5}})};
    case 2:
      return {arc({0, -.2}, .3, .3, -180, 30) + line({{-.32, .5}, {.34, .5}})};
    case 3:
      return {arc({-.02, -.25}, .3, .25, -160, 90) + arc({-.02, .25}, .33, .25, -90, 160)};
    case 4:
      return {line({{.15, .5}, {.15, -.5}, {-.35, .2}, {.36, .2}})};
    case 5:
      return {line({{.3, -.5}, {-.24, -.5}, {-.28, -.06}}) + arc({-.02, .18}, .33, .32, -130, 150)};
    case 6:
      return {line({{.2, -.5}, {-.12, -.25}}) + arc({0, .2}, .3, .3, -155, 205)};
    case 7:
      return {line({{-.33, -.5}, {.33, -.5}, {-.1, .5}}), line({{-.15, 0}, {.28, 0}})};
    case 8:
      return {arc({0, -.25}, .25, .25, 0, 360), arc({0, .25}, .31, .25, 0, 360)};
    default:
      return {arc({0, -.2}, .3, .3, 25, 385) + line({{.12, .5}})};
  }
}

Strokes letter(char c) {
  switch (c) {
    case 'A':
      return {line({{-.38, .5}, {0, -.5}, {.38, .5}}), line({{-.23, .15}, {.23, .15}})};
    case 'B':
      return {line({{-.3, .5}, {-.3, -.5}}) + arc({0, -.25}, .26, .25, -90, 90) + line({{-.3, 0}}),
              line({{-.3, 0}}) + arc({.02, .25}, .3, .25, -90, 90) + line({{-.3, .5}})};
    case 'C':
      return {arc({.05, 0}, .38, .5, -50, -310)};
    case 'D':
      return {line({{-.3, .5}, {-.3, -.5}}) + arc({-.1, 0}, .45, .5, -90, 90) + line({{-.3, .5}})};
    case 'E':
      return {line({{.3, -.5}, {-.3, -.5}, {-.3, .5}, {.3, .5}}), line({{-.3, 0}, {.2, 0}})};
    case 'F':
      return {line({{.3, -.5}, {-.3, -.5}, {-.3, .5}}), line({{-.3, 0}, {.2, 0}})};
    case 'G':
      return {arc({.03, 0}, .38, .5, -50, -325) + line({{.36, .05}, {.08, .05}})};
    case 'H':
      return {line({{-.32, -.5}, {-.32, .5}}), line({{.32, -.5}, {.32, .5}}),
              line({{-.32, 0}, {.32, 0}})};
    case 'I':
      return {line({{0, -.5}, {0, .5}}), line({{-.2, -.5}, {.2, -.5}}),
              line({{-.2, .5}, {.2, .5}})};
    case 'J':
      return {line({{-.05, -.5}, {.25, -.5}, {.25, .2}}) + arc({-.03, .2}, .28, .3, 0, 170)};
    case 'K':
      return {line({{-.3, -.5}, {-.3, .5}}), line({{.32, -.5}, {-.3, .08}}),
              line({{-.1, -.1}, {.35, .5}})};
    case 'L':
      return {line({{-.28, -.5}, {-.28, .5}, {.32, .5}})};
    case 'M':
      return {line({{-.4, .5}, {-.4, -.5}, {0, .15}, {.4, -.5}, {.4, .5}})};
    case 'N':
      return {line({{-.33, .5}, {-.33, -.5}, {.33, .5}, {.33, -.5}})};
    case 'O':
      return {arc({0, 0}, .45, .45, 0, 360)};
    case 'P':
      return {line({{-.28, .5}, {-.28, -.5}}) + arc({.02, -.22}, .3, .28, -90, 90) +
              line({{-.28, .06}})};
    case 'Q':
      return {arc({0, 0}, .43, .45, 0, 360), line({{.1, .15}, {.42, .52}})};
    case 'R':
      return {line({{-.28, .5}, {-.28, -.5}}) + arc({.02, -.22}, .3, .28, -90, 90) +
                  line({{-.28, .06}}),
              line({{0, .06}, {.35, .5}})};
    case 'S':
      return {arc({0, -.25}, .3, .25, -30, -270) + arc({0, .25}, .32, .25, -90, 150)};
    case 'T':
      return {line({{-.38, -.5}, {.38, -.5}}), line({{0, -.5}, {0, .5}})};
    case 'U':
      return {line({{-.33, -.5}, {-.33, .17}}) + arc({0, .17}, .33, .33, 180, 0) +
              line({{.33, -.5}})};
    case 'V':
      return {line({{-.37, -.5}, {0, .5}, {.37, -.5}})};
    case 'W':
      return {line({{-.45, -.5}, {-.22, .5}, {0, -.2}, {.22, .5}, {.45, -.5}})};
    case 'X':
      return {line({{-.35, -.5}, {.35, .5}}), line({{.35, -.5}, {-.35, .5}})};
    case 'Y':
      return {line({{-.35, -.5}, {0, 0}, {.35, -.5}}), line({{0, 0}, {0, .5}})};
    default:
      return {line({{-.33, -.5}, {.33, -.5}, {-.33, .5}, {.33, .5}})};
  }
}

}  // namespace

const std::vector<Polyline>& glyph_strokes(int kind) {
  static const auto all = [] {
    std::array<Strokes, glyph_kinds> made;
    for (int i = 0; i < glyph_kinds; ++i) {
      made.at(static_cast<std::size_t>(i)) =
          i < 10 ? digit(i) : letter(static_cast<char>('A' + i - 10));
    }
    return made;
  }();
  return all.at(static_cast<std::size_t>(kind));
}

}  // namespace convoy::engine
