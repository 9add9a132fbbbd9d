// Tests the codec: by hand, and its promises for any values, shares and bits.

#include "engine/codec/codec.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "base/diagnostics.hpp"
#include "base/random.hpp"
#include "tests/support/seed.hpp"

namespace convoy::engine {
namespace {

using testing::ElementsAre;

std::vector<float> there_and_back(const std::vector<float>& values, const Compression& c,
                                  std::uint64_t seed = 7) {
  std::vector<float> arrived(values.size(), 99);
  decode(encode(values, c, seed), c, seed, arrived);
  return arrived;
}

TEST(Codec, SendsTheLargestElements) {
  EXPECT_THAT(there_and_back({1, -5, 0.5, 3, -2, 0}, {.keep = 0.5}),
              ElementsAre(0, -5, 0, 3, -2, 0));
}

TEST(Codec, OfEqualOnesSendsTheFirst) {
  EXPECT_THAT(there_and_back({2, -2, 2, 2}, {.keep = 0.5}), ElementsAre(2, -2, 0, 0));
}

TEST(Codec, OfEightBitsTheScaleIsTheLargestOver127) {
  const Encoded e = encode(std::vector<float>{127, -64, 1.4F, 0}, {.bits = 8}, 0);
  EXPECT_EQ(e.scale, 1);
  EXPECT_THAT(there_and_back({127, -64, 1.4F, 0}, {.bits = 8}), ElementsAre(127, -64, 1, 0));
}

TEST(Codec, OfOneBitTheScaleIsTheMeanMagnitude) {
  EXPECT_THAT(there_and_back({1, -2, 3, -6}, {.bits = 1}), ElementsAre(3, -3, 3, -3));
  EXPECT_THAT(there_and_back({1, -2, 3, -6}, {.keep = 0.5, .bits = 1}),
              ElementsAre(0, 0, 4.5F, -4.5F));
}

TEST(Codec, SendsPlacesInTheShorterForm) {
  EXPECT_EQ(place_bytes(3200, {.keep = 0.01}), 32 * 4);   // a list
  EXPECT_EQ(place_bytes(3200, {.keep = 0.5}), 3200 / 8);  // bits
  EXPECT_EQ(place_bytes(3200, {.keep = 0.5, .drawn = true}), 0);
  EXPECT_EQ(encoded_bytes(1000, {.keep = 0.1, .bits = 1}), 125 + 13 + 4);
  EXPECT_EQ(encoded_bytes(1000, {}), 4000);
  EXPECT_EQ(sent_of(3, {.keep = 0.001}), 1) << "at least one";
}

TEST(Codec, DrawsOtherElementsWithAnotherSeedAndEachAsOften) {
  const std::vector<float> ones(40, 1);
  std::vector<double> times(ones.size(), 0);
  for (std::uint64_t seed = 0; seed < 4000; ++seed) {
    const std::vector<float> arrived = there_and_back(ones, {.keep = 0.25, .drawn = true}, seed);
    EXPECT_EQ(std::accumulate(arrived.begin(), arrived.end(), 0.0), 10);
    for (std::size_t i = 0; i < ones.size(); ++i) times[i] += arrived[i];
  }
  for (const double t : times) EXPECT_NEAR(t, 1000, 6 * std::sqrt(4000 * 0.25 * 0.75));
}

// For any values: sends the agreed number of elements, those of the largest magnitude, in the
// agreed number of bits; each value is as exact as its bits allow; encoding the result again
// changes nothing.
TEST(Codec, KeepsWhatItPromisesOfAnyValues) {
  base::Random random({test::drawn_seed()});
  for (int trial = 0; trial < 400; ++trial) {
    const std::size_t size = 1 + random.below(300);
    std::vector<float> values(size);
    for (float& v : values) {
      const double magnitude = std::pow(10, 60 * random.uniform() - 30);
      v = random.below(5) == 0 ? 0
                               : static_cast<float>((random.below(2) == 0 ? 1 : -1) * magnitude);
    }
    Compression c;
    c.keep = random.below(4) == 0 ? 1 : 0.001 + 0.999 * random.uniform();
    c.drawn = random.below(3) == 0;
    c.bits = std::vector{32, 8, 1}[random.below(3)];
    const Encoded e = encode(values, c, 3);
    const auto n = static_cast<std::int64_t>(size);
    EXPECT_EQ(std::ssize(e.places) + std::ssize(e.values) + scale_bytes(c), encoded_bytes(n, c));
    std::vector<float> arrived(size, 99);
    decode(e, c, 3, arrived);
    std::vector<float> sorted = values;
    std::sort(sorted.begin(), sorted.end(),
              [](float a, float b) { return std::abs(a) > std::abs(b); });
    const float least = std::abs(sorted[static_cast<std::size_t>(sent_of(n, c) - 1)]);
    std::int64_t sent = 0;
    for (std::size_t i = 0; i < size; ++i) {
      if (c.bits == 32 && arrived[i] != 0) {
        ++sent;
        EXPECT_EQ(arrived[i], values[i]);
        if (!c.drawn) {
          EXPECT_GE(std::abs(values[i]), least);
        }
      }
      if (c.bits == 8 && arrived[i] != 0) {
        EXPECT_LE(std::abs(arrived[i] - values[i]), 0.500001F * e.scale);
      }
      if (c.bits == 1 && arrived[i] != 0) {
        EXPECT_EQ(std::signbit(arrived[i]), std::signbit(values[i]));
      }
    }
    EXPECT_LE(sent, sent_of(n, c));
    if (c.bits == 32) {
      EXPECT_EQ(there_and_back(arrived, c, 3), arrived);
    }
  }
}

TEST(Codec, ValuesThatAreNotFiniteStayThat) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const int bits : {32, 8, 1}) {
    for (const float bad : {nan, std::numeric_limits<float>::infinity()}) {
      const std::vector<float> arrived =
          there_and_back({1, bad, 2, 3}, {.keep = 0.5, .bits = bits});
      EXPECT_TRUE(std::any_of(arrived.begin(), arrived.end(), [](float v) {
        return !std::isfinite(v);
      })) << bits;
    }
  }
}

// Any bytes from a peer are decoded or refused.
TEST(Codec, WhatIsDamagedIsRefusedOrOfTheRightSize) {
  base::Random random({test::drawn_seed()});
  int refused = 0;
  for (int trial = 0; trial < 3000; ++trial) {
    const Compression c{.keep = random.below(2) == 0 ? 0.5 : 0.01, .bits = 8};
    std::vector<float> values(200);
    for (float& v : values) v = static_cast<float>(2 * random.uniform() - 1);
    Encoded e = encode(values, c, 0);
    std::vector<std::uint8_t>& part = random.below(2) == 0 ? e.places : e.values;
    switch (random.below(3)) {
      case 0:
        part[random.below(part.size())] ^= static_cast<std::uint8_t>(1 + random.below(255));
        break;
      case 1:
        part.pop_back();
        break;
      default:
        part.push_back(static_cast<std::uint8_t>(random.below(256)));
    }
    std::vector<float> arrived(values.size());
    try {
      decode(e, c, 0, arrived);
    } catch (const base::UserError&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 2000);
}

}  // namespace
}  // namespace convoy::engine
