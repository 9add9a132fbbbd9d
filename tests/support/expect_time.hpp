#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

// Equal within a relative 1e-9.
#define EXPECT_TIME(actual, expected) \
  EXPECT_NEAR(actual, expected, 1e-9 * std::max(1.0, std::abs(static_cast<double>(expected))))
