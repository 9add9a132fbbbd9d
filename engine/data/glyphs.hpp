#pragma once

// Pictures of digits and letters drawn by rule: a data set that needs no download. Each shows one
// glyph turned, scaled, sheared and moved, light on dark, with scraps of strokes, a patch in front
// and noise. A convolutional net learns it within minutes; a linear model does not get far.

#include <cstdint>
#include <span>

#include "engine/data/subset.hpp"

namespace convoy::engine {

constexpr int glyph_side = 28;
constexpr std::int64_t glyph_train_samples = 6000;  // where the scenario names no number
constexpr std::int64_t glyph_test_samples = 2000;

// How far the pictures vary; lengths in pixels. With these, 6,000 training and 2,000 test images of
// 10 classes and several seeds, logistic regression gets 55 to 57 % of the test images right, and
// four convolutions of 3 x 3 with 16 to 64 channels, each with ReLU and max-pooling, 97.6 to
// 99.4 % within 20 epochs (batches of 32; SGD with rate 0.05, or 0.02 and momentum 0.9).
struct GlyphLook {
  double rotation = 0.35;  // radians, to either side
  double scale_low = 13;   // the height of a glyph
  double scale_high = 19;
  double stretch = 0.15;  // of its width
  double shear = 0.25;
  double shift = 3.5;  // to either side
  double bend = 0.03;  // each corner of a stroke is moved, as a part of the height
  double stroke_low = 1.3;
  double stroke_high = 2.8;
  double contrast_low = 0.4;  // between glyph and ground, of 1
  double contrast_high = 0.8;
  double ground_low = 0.08;
  double ground_high = 0.3;
  double gradient = 0.2;        // of the ground, over the picture
  int scraps = 3;               // at most
  double scrap_length = 6;      // at most
  double scrap_contrast = 0.8;  // beside the glyph's, at most
  double patched = 0.4;         // the share with a patch in front
  double patch = 6;             // its side, at most
  double noise = 0.07;          // standard deviation
};

// Follows from its arguments alone. `pixels`: glyph_side squared of them.
void draw_glyph(std::uint64_t seed, Part part, std::int64_t index, int label,
                std::span<std::uint8_t> pixels, const GlyphLook& look = {});

// The labels of the first `count` images: every run of `classes` images holds each class once, so
// that a longer set begins like a shorter one.
std::vector<int> glyph_labels(std::uint64_t seed, Part part, std::int64_t count, int classes);

}  // namespace convoy::engine
