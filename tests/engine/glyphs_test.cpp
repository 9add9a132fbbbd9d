#include "engine/data/glyphs.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/diagnostics.hpp"
#include "engine/data/glyph_shapes.hpp"

namespace convoy::engine {
namespace {

Dataset train(const DataOptions& options) { return open_source(options, ".")->train(); }

TEST(Glyphs, FollowFromTheSeedAlone) {
  DataOptions options;
  options.samples = 200;
  options.test_samples = 60;
  const Dataset once = train(options);
  const Dataset twice = train(options);
  EXPECT_EQ(once.pixels, twice.pixels);
  EXPECT_EQ(once.labels, twice.labels);
  EXPECT_EQ(open_source(options, ".")->labels(), once.labels);
  options.seed = 2;
  EXPECT_NE(train(options).pixels, once.pixels);
  EXPECT_NE(train(options).labels, once.labels);
}

TEST(Glyphs, ALargerSetBeginsLikeASmallerOne) {
  DataOptions options;
  options.samples = 57;
  options.classes = 36;
  const Dataset small = train(options);
  options.samples = 131;
  const Dataset large = train(options);
  EXPECT_TRUE(std::equal(small.labels.begin(), small.labels.end(), large.labels.begin()));
  EXPECT_TRUE(std::equal(small.pixels.begin(), small.pixels.end(), large.pixels.begin()));
}

TEST(Glyphs, TestAndTrainingImagesDiffer) {
  const auto source = open_source({}, ".");
  EXPECT_EQ(source->labels().size(), glyph_train_samples);
  EXPECT_EQ(source->test_size(), glyph_test_samples);
  const Dataset test = source->test();
  EXPECT_EQ(test.size(), glyph_test_samples);
  EXPECT_EQ(test.shape.classes, 10);
  EXPECT_EQ(test.shape.channels, 1);
  EXPECT_EQ(test.pixels.size(), 2000 * 784);
  const Dataset train = source->train();
  EXPECT_FALSE(std::equal(test.pixels.begin(), test.pixels.begin() + 784, train.pixels.begin()));
}

TEST(Glyphs, AreBalancedAndShuffled) {
  for (const int classes : {2, 10, 36}) {
    const auto labels = glyph_labels(1, Part::train, 10 * classes + 1, classes);
    std::vector<int> counts(classes);
    for (const int label : labels) ++counts[label];
    EXPECT_EQ(*std::min_element(counts.begin(), counts.end()), 10);
    EXPECT_EQ(*std::max_element(counts.begin(), counts.end()), 11);
    if (classes > 2) {
      EXPECT_FALSE(std::is_sorted(labels.begin(), labels.begin() + classes));
    }
  }
}

TEST(Glyphs, AnImageDependsOnWhatItShows) {
  std::vector<std::uint8_t> one(784);
  std::vector<std::uint8_t> other(784);
  draw_glyph(1, Part::train, 5, 3, one);
  draw_glyph(1, Part::train, 5, 8, other);
  EXPECT_NE(one, other);
  draw_glyph(1, Part::train, 5, 3, other);
  EXPECT_EQ(one, other);
  EXPECT_GT(*std::max_element(one.begin(), one.end()),
            *std::min_element(one.begin(), one.end()) + 60);
}

// Drawn without variation, each glyph is nearest to its own mean image among those of all glyphs.
TEST(Glyphs, TheClassesLookDifferent) {
  GlyphLook calm;
  calm.rotation = calm.stretch = calm.shear = calm.shift = calm.bend = 0;
  calm.scale_low = calm.scale_high = 18;
  calm.gradient = calm.patched = 0;
  calm.scraps = 0;
  std::vector<std::vector<double>> means(glyph_kinds, std::vector<double>(784));
  std::vector<std::uint8_t> image(784);
  for (int kind = 0; kind < glyph_kinds; ++kind) {
    for (int i = 0; i < 20; ++i) {
      draw_glyph(1, Part::train, i, kind, image, calm);
      for (int p = 0; p < 784; ++p) means[kind][p] += image[p] / 20.0;
    }
  }
  const auto centred = [](std::vector<double> v) {
    const double mean = std::accumulate(v.begin(), v.end(), 0.0) / static_cast<double>(v.size());
    double norm = 0;
    for (double& x : v) norm += (x - mean) * (x - mean);
    for (double& x : v) x = (x - mean) / std::sqrt(norm);
    return v;
  };
  for (auto& mean : means) mean = centred(mean);
  int right = 0;
  for (int kind = 0; kind < glyph_kinds; ++kind) {
    draw_glyph(1, Part::test, kind, kind, image, calm);
    const auto shown = centred({image.begin(), image.end()});
    std::vector<double> likeness;
    for (const auto& mean : means) {
      likeness.push_back(std::inner_product(shown.begin(), shown.end(), mean.begin(), 0.0));
    }
    right += std::max_element(likeness.begin(), likeness.end()) - likeness.begin() == kind;
  }
  EXPECT_GE(right, glyph_kinds - 2);
}

TEST(Glyphs, TooManyAreRefusedBeforeMemoryIsAskedFor) {
  DataOptions options;
  options.samples = 20'000'000;
  const auto source = open_source(options, ".");
  EXPECT_THROW(static_cast<void>(source->train()), base::UserError);
}

}  // namespace
}  // namespace convoy::engine
