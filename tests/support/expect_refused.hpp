#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "base/diagnostics.hpp"

namespace convoy::test {

// The call throws a base::UserError whose message has this part.
inline void expect_refused(const std::function<void()>& call, const std::string& part) {
  try {
    call();
    ADD_FAILURE() << "was not refused: " << part;
  } catch (const base::UserError& e) {
    EXPECT_NE(std::string(e.what()).find(part), std::string::npos) << e.what();
  }
}

}  // namespace convoy::test
