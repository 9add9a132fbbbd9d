#pragma once

// The log of a program, on standard error. Header only: of base's users only programs link spdlog.

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <cstdlib>
#include <string>

namespace convoy::base {

// Sets the program's log up: "PROGRAM: LEVEL: TEXT", after `stamp` (a pattern of spdlog, may be
// empty). CONVOY_LOG, the only environment variable that Convoy reads, changes the level.
inline void set_up_log(const std::string& program, const std::string& stamp,
                       spdlog::level::level_enum usual) {
  auto log = spdlog::stderr_color_mt(program);
  log->set_pattern(stamp + program + ": %l: %v");
  spdlog::set_default_logger(log);
  // NOLINTNEXTLINE(concurrency-mt-unsafe): no other thread yet
  const char* level = std::getenv("CONVOY_LOG");
  spdlog::set_level(level != nullptr ? spdlog::level::from_str(level) : usual);
}

}  // namespace convoy::base
