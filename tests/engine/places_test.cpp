// Places and flags as bytes: what one machine writes another reads, and nothing else.

#include "engine/codec/places.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "base/diagnostics.hpp"

namespace convoy::engine {
namespace {

using testing::ElementsAre;

TEST(Places, ComeBackAsTheyWereWritten) {
  EXPECT_TRUE(rc::check([] {
    const auto flags =
        *rc::gen::container<std::vector<int>>(rc::gen::weightedElement<int>({{4, 0}, {1, 1}}));
    std::vector<std::uint32_t> places;
    std::vector<std::uint8_t> kept;
    for (std::size_t i = 0; i < flags.size(); ++i) {
      if (flags[i] != 0) places.push_back(static_cast<std::uint32_t>(i));
      kept.push_back(static_cast<std::uint8_t>(flags[i]));
    }
    const auto size = static_cast<std::int64_t>(flags.size());
    const std::vector<std::uint8_t> bytes = write_places(places, size);
    RC_ASSERT(std::ssize(bytes) == place_list_bytes(size, std::ssize(places)));
    RC_ASSERT(read_places(bytes, size, std::ssize(places)) == places);
    const std::vector<std::uint8_t> mask = write_mask(kept);
    RC_ASSERT(std::ssize(mask) == mask_bytes(size, std::ssize(places)));
    RC_ASSERT(std::ssize(mask) <= 4 * (size - std::ssize(places)));
    RC_ASSERT(read_mask(mask, size, std::ssize(places)) == kept);
    RC_ASSERT(std::ssize(pack_flags(kept)) == (size + 7) / 8);
    RC_ASSERT(unpack_flags(pack_flags(kept), size) == kept);
  }));
}

TEST(Places, GoInTheShorterForm) {
  EXPECT_EQ(place_list_bytes(320, 9), 36);
  EXPECT_EQ(place_list_bytes(320, 10), 40);  // as long: numbers
  EXPECT_EQ(place_list_bytes(320, 11), 40);
  EXPECT_EQ(place_list_bytes(321, 300), 41);
  EXPECT_THAT(write_places(std::vector<std::uint32_t>{1, 300}, 1000),
              ElementsAre(1, 0, 0, 0, 44, 1, 0, 0));
  EXPECT_THAT(write_places(std::vector<std::uint32_t>{0, 2, 9}, 10), ElementsAre(5, 2));
  EXPECT_EQ(mask_bytes(320, 315), 20);  // those that it leaves out
  EXPECT_EQ(mask_bytes(320, 100), 40);
  EXPECT_EQ(mask_bytes(320, 5), 20);
  EXPECT_THAT(write_mask(std::vector<std::uint8_t>(64, 1)), testing::IsEmpty());
  EXPECT_THAT(pack_flags(std::vector<std::uint8_t>{1, 0, 7, 0, 0, 0, 0, 0, 1}), ElementsAre(5, 1));
}

TEST(Places, WhatIsNoMaskIsRefused) {
  using Bytes = std::vector<std::uint8_t>;
  EXPECT_THROW(read_places(Bytes{5, 2}, 10, 2), base::UserError);  // more are set
  EXPECT_THROW(read_places(Bytes{5, 2}, 10, 4), base::UserError);  // fewer
  EXPECT_THROW(read_places(Bytes{5, 4}, 10, 3), base::UserError);  // behind the last
  EXPECT_THROW(read_places(Bytes{5}, 10, 3), base::UserError);
  EXPECT_THROW(read_places(Bytes{5, 2}, 10, 11), base::UserError);
  EXPECT_THROW(read_places(Bytes{2, 0, 0, 0, 1, 0, 0, 0}, 1000, 2), base::UserError);
  EXPECT_THROW(read_places(Bytes{1, 0, 0, 0, 232, 3, 0, 0}, 1000, 2), base::UserError);
  EXPECT_THROW(unpack_flags(Bytes{5, 2, 0}, 10), base::UserError);
  EXPECT_THROW(unpack_flags(Bytes{5}, 10), base::UserError);
  EXPECT_THROW(unpack_flags(Bytes{5, 4}, 10), base::UserError);
  EXPECT_THAT(unpack_flags(Bytes{5, 2}, 10), ElementsAre(1, 0, 1, 0, 0, 0, 0, 0, 0, 1));
}

}  // namespace
}  // namespace convoy::engine
