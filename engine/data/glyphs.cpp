#include "engine/data/glyphs.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <numeric>

#include "base/random.hpp"
#include "engine/data/glyph_shapes.hpp"

namespace convoy::engine {
namespace {

constexpr std::size_t side = glyph_side;
using Picture = std::array<float, side * side>;

double between(base::Random& random, double low, double high) {
  return low + (high - low) * random.uniform();
}
double around(base::Random& random, double spread) { return between(random, -spread, spread); }

// Adds a stroke of a round pen from a to b: coverage per pixel, the maximum in overlaps.
void stroke(Picture& cover, Point a, Point b, double width) {
  const double reach = width / 2 + 0.5;
  const auto first = [&](double low) {
    return static_cast<int>(std::clamp(std::floor(low - reach), 0.0, double{glyph_side}));
  };
  const auto last = [&](double high) {
    return static_cast<int>(std::clamp(std::ceil(high + reach), 0.0, double{glyph_side}));
  };
  const double dx = b.x - a.x;
  const double dy = b.y - a.y;
  const double length2 = std::max(dx * dx + dy * dy, 1e-9);
  for (int y = first(std::min(a.y, b.y)); y < last(std::max(a.y, b.y)); ++y) {
    for (int x = first(std::min(a.x, b.x)); x < last(std::max(a.x, b.x)); ++x) {
      const double px = x + 0.5 - a.x;
      const double py = y + 0.5 - a.y;
      const double t = std::clamp((px * dx + py * dy) / length2, 0.0, 1.0);
      const double ex = px - t * dx;
      const double ey = py - t * dy;
      const double distance2 = ex * ex + ey * ey;
      if (distance2 >= reach * reach) continue;
      const auto c = static_cast<float>(std::min(1.0, reach - std::sqrt(distance2)));
      float& pixel = cover.at(static_cast<std::size_t>(y) * side + static_cast<std::size_t>(x));
      pixel = std::max(pixel, c);
    }
  }
}

void blend(Picture& picture, const Picture& cover, double contrast) {
  for (std::size_t i = 0; i < picture.size(); ++i) {
    picture.at(i) += cover.at(i) * static_cast<float>(contrast);
  }
}

void draw_ground(Picture& picture, const GlyphLook& look, base::Random& random) {
  const double slope_x = around(random, look.gradient);
  const double slope_y = around(random, look.gradient);
  for (int y = 0; y < glyph_side; ++y) {
    for (int x = 0; x < glyph_side; ++x) {
      const double value = slope_x * (x + 0.5 - glyph_side / 2.0) / glyph_side +
                           slope_y * (y + 0.5 - glyph_side / 2.0) / glyph_side;
      picture.at(static_cast<std::size_t>(y) * side + static_cast<std::size_t>(x)) =
          static_cast<float>(value);
    }
  }
}

void draw_strokes(Picture& picture, int label, double contrast, const GlyphLook& look,
                  base::Random& random) {
  const double angle = around(random, look.rotation);
  const double height = between(random, look.scale_low, look.scale_high);
  const double width = height * (1 + around(random, look.stretch));
  const double shear = around(random, look.shear);
  const double shift_x = around(random, look.shift);
  const double shift_y = around(random, look.shift);
  const double pen = between(random, look.stroke_low, look.stroke_high);
  const double cosine = std::cos(angle);
  const double sine = std::sin(angle);
  Picture cover{};
  for (const Polyline& line : glyph_strokes(label)) {
    Point before;
    for (std::size_t i = 0; i < line.size(); ++i) {
      const double y = (line[i].y + around(random, look.bend)) * height;
      const double x = (line[i].x + around(random, look.bend)) * width - shear * y;
      const Point here = {glyph_side / 2.0 + shift_x + cosine * x - sine * y,
                          glyph_side / 2.0 + shift_y + sine * x + cosine * y};
      if (i > 0) stroke(cover, before, here, pen);
      before = here;
    }
  }
  blend(picture, cover, contrast);
}

void draw_scraps(Picture& picture, double contrast, const GlyphLook& look, base::Random& random) {
  const auto count = random.below(static_cast<std::uint64_t>(look.scraps) + 1);
  for (std::uint64_t i = 0; i < count; ++i) {
    const Point from = {between(random, 0, glyph_side), between(random, 0, glyph_side)};
    const Point to = {from.x + around(random, look.scrap_length),
                      from.y + around(random, look.scrap_length)};
    Picture cover{};
    stroke(cover, from, to, between(random, look.stroke_low, look.stroke_high));
    blend(picture, cover, contrast * between(random, 0.2, look.scrap_contrast));
  }
}

void draw_patch(Picture& picture, double contrast, const GlyphLook& look, base::Random& random) {
  const bool drawn = random.uniform() < look.patched;
  const int size = static_cast<int>(between(random, look.patch / 2, look.patch + 1));
  const auto at = side - static_cast<std::size_t>(size) + 1;
  const int left = static_cast<int>(random.below(at));
  const int top = static_cast<int>(random.below(at));
  const auto value = static_cast<float>(contrast * random.uniform());
  if (!drawn) return;
  for (int y = top; y < top + size; ++y) {
    for (int x = left; x < left + size; ++x) {
      picture.at(static_cast<std::size_t>(y) * side + static_cast<std::size_t>(x)) = value;
    }
  }
}

// Approximately normal noise, much cheaper than an exact draw: the sum of four 16-bit numbers.
double noise(base::Random& random) {
  const std::uint64_t b = random.bits();
  const auto sum =
      static_cast<double>((b & 0xffffU) + (b >> 16U & 0xffffU) + (b >> 32U & 0xffffU) + (b >> 48U));
  return (sum / 65535.0 - 2.0) * std::numbers::sqrt3;
}

}  // namespace

void draw_glyph(std::uint64_t seed, Part part, std::int64_t index, int label,
                std::span<std::uint8_t> pixels, const GlyphLook& look) {
  constexpr std::uint64_t purpose = 0x676c797068ULL;  // a stream of its own
  base::Random random({seed, purpose, static_cast<std::uint64_t>(part),
                       static_cast<std::uint64_t>(index), static_cast<std::uint64_t>(label)});
  const double contrast = between(random, look.contrast_low, look.contrast_high);
  Picture picture{};
  draw_ground(picture, look, random);
  draw_scraps(picture, contrast, look, random);
  draw_strokes(picture, label, contrast, look, random);
  draw_patch(picture, contrast, look, random);
  const double ground = between(random, look.ground_low, look.ground_high);
  for (std::size_t i = 0; i < picture.size(); ++i) {
    const double value = ground + picture.at(i) + look.noise * noise(random);
    pixels[i] = static_cast<std::uint8_t>(std::lround(std::clamp(value, 0.0, 1.0) * 255));
  }
}

std::vector<int> glyph_labels(std::uint64_t seed, Part part, std::int64_t count, int classes) {
  constexpr std::uint64_t purpose = 0x6c6162656c73ULL;
  std::vector<int> labels;
  labels.reserve(static_cast<std::size_t>(count));
  std::vector<int> run(static_cast<std::size_t>(classes));
  for (std::uint64_t block = 0; static_cast<std::int64_t>(labels.size()) < count; ++block) {
    base::Random random({seed, purpose, static_cast<std::uint64_t>(part), block});
    std::iota(run.begin(), run.end(), 0);
    shuffle(run, random);
    for (const int label : run) {
      if (static_cast<std::int64_t>(labels.size()) < count) labels.push_back(label);
    }
  }
  return labels;
}

}  // namespace convoy::engine
