#pragma once

// Reads a [schedule] for tests of kinds.

#include <gtest/gtest.h>

#include <string>

#include "sim/schedule/kinds.hpp"

namespace convoy::sim {

// A [schedule] of this kind with more keys. `problems` gets the errors; null: there may be none.
inline ScheduleSpec read_kind(const ScheduleKind& kind, const std::string& keys = "",
                              std::string* problems = nullptr) {
  base::Diagnostics found;
  const base::Value root =
      base::parse_toml("[schedule]\nkind = \"" + kind.name + "\"\n" + keys, "t.toml", found);
  base::TableReader file(root, "", found);
  ScheduleSpec spec = read_schedule(file.table("schedule"), {});
  if (problems != nullptr) {
    *problems = found.str();
  } else {
    EXPECT_EQ(found.str(), "");
  }
  return spec;
}

}  // namespace convoy::sim
