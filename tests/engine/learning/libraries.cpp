// The libraries below the engine are set up as open_engine() does it, also where a test uses their
// parts without it.

#include <gtest/gtest.h>

#include "engine/learning/devices.hpp"

namespace convoy::engine {
namespace {

class Libraries : public testing::Environment {
  void SetUp() override { set_up_libraries(); }
};

[[maybe_unused]] const testing::Environment* const libraries =
    testing::AddGlobalTestEnvironment(new Libraries);

}  // namespace
}  // namespace convoy::engine
