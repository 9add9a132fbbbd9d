// Sets up LibTorch's libraries as open_engine() does, also for tests that use only parts of the
// engine.

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
