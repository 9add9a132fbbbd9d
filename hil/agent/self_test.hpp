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
  AgentConfig config;  // of it the name, the type, the device that computes, where sensors lie
  bool quick = false;  // some seconds: too inexact for use
  std::map<std::string, std::string> software;  // versions, as --version has them
  std::function<void(const std::string& what)> progress;
  const std::atomic<bool>* interrupted = nullptr;  // looked at between two measurements
};

struct SelfTest {
  std::string json;     // the report
  std::string summary;  // for people, some lines
  bool good = true;     // the task over the loopback came back
};

// Throws engine::Stopped once it was interrupted, base::UserError where the device is not there.
SelfTest self_test(const SelfTestOptions& options);

}  // namespace convoy::hil
