#pragma once

// All that one device can tell of itself in some minutes, in one file to be sent to whoever keeps
// the catalogue (`convoy-node --self-test -o report.json`): versions, board, power mode, sensors,
// a profile, training steps timed and predicted, what they draw, and one task over the whole way
// that tasks take. `convoy calibrate` and `convoy validate` read its rows
// (platforms/self_test_report.hpp). It names neither the host nor the user.

#include <atomic>
#include <functional>
#include <map>
#include <string>

#include "hil/agent/config.hpp"

namespace convoy::hil {

struct SelfTestOptions {
  AgentConfig config;  // of it the type, the device that computes, where sensors lie
  bool quick = false;  // some seconds: too inexact for use
  std::map<std::string, std::string> software;  // versions, as --version has them
  std::function<void(const std::string& what)> progress;
  const std::atomic<bool>* interrupted = nullptr;  // looked at between two measurements
};

struct SelfTest {
  std::string json;     // the report
  std::string summary;  // for people, some lines
  bool good = true;     // the steps were measured, and the task over the loopback came back
};

// Throws engine::Stopped once it was interrupted, base::UserError for a type that the catalogue
// does not have. What fails on the way stands in the report.
SelfTest self_test(const SelfTestOptions& options);

}  // namespace convoy::hil
