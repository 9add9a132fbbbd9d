#pragma once

// Generated images of digits and letters: a data set without a download. Each image shows a glyph,
// rotated, scaled, sheared and shifted, light on dark, with pieces of strokes, a covering patch and
// noise. A convolutional net learns it within minutes; a linear model does not get far.

#include <cstdint>
#include <span>

#include "engine/data/subset.hpp"

namespace convoy::engine {

constexpr int glyph_side = 28;
constexpr std::int64_t glyph_train_samples = 6000;  // default
constexpr std::int64_t glyph_test_samples = 2000;

// Variation of the images; lengths in pixels. With these values, 6,000 training and 2,000 test
// images of 10 classes and several seeds, logistic regression reaches 55 to 57 % test accuracy, and
// four 3 x 3 convolutions with 16 to 64 channels, each with ReLU and max-pooling, 97.6 to 99.4 %
// within 20 epochs (batches of 32; SGD with rate 0.05, or 0.02 and momentum 0.9).
struct GlyphLook {
  double rotation = 0.35;  // radians, in both directions
  double scale_low = 13;   // height of a glyph
  double scale_high = 19;
  double stretch = 0.15;  // of its width
  double shear = 0.25;
  double shift = 3.5;  // in both directions
  double bend = 0.03;  // shift of each corner of a stroke, relative to the height
  double stroke_low = 1.3;
  double stroke_high = 2.8;
  double contrast_low = 0.4;  // between glyph and ground, 0 to 1
  double contrast_high = 0.8;
  double ground_low = 0.08;
  double ground_high = 0.3;
  double gradient = 0.2;        // of the ground, across the image
  int scraps = 3;               // upper limit
  double scrap_length = 6;      // upper limit
  double scrap_contrast = 0.8;  // relative to the glyph's, upper limit
  double patched = 0.4;         // share of the images with a covering patch
  double patch = 6;             // side of the patch, upper limit
  double noise = 0.07;          // standard deviation
};

// Depends on its arguments alone. `pixels`: glyph_side squared of them.
void draw_glyph(std::uint64_t seed, Part part, std::int64_t index, int label,
                std::span<std::uint8_t> pixels, const GlyphLook& look = {});

// Labels of the first `count` images: each run of `classes` images contains each class once, so
// that a longer set begins with a shorter one.
std::vector<int> glyph_labels(std::uint64_t seed, Part part, std::int64_t count, int classes);

}  // namespace convoy::engine
