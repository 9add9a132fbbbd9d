#pragma once

// Measures one device in some minutes and writes one file for the maintainers of the catalogue
// (`convoy-node --self-test -o report.json`): versions, board, power mode, sensors, a profile,
// timed and predicted training steps, their power draw, and one task over the full protocol.
// `convoy calibrate` and `convoy validate` read its rows (platforms/self_test_report.hpp). The
// report does not name the host or the user.

#include <atomic>
#include <functional>
#include <map>
#include <string>

#include "hil/agent/config.hpp"

namespace convoy::hil {

struct SelfTestOptions {
  AgentConfig config;  // used: device type, computing device, root of the sensors
  bool quick = false;  // takes seconds; too inexact for real use
  std::map<std::string, std::string> software;  // versions as printed by --version
  std::function<void(const std::string& what)> progress;
  const std::atomic<bool>* interrupted = nullptr;  // checked between two measurements
};

struct SelfTest {
  std::string json;     // the report
  std::string summary;  // a few lines for people
  bool good = true;     // the steps were measured, and the loopback task succeeded
};

// Throws engine::Stopped when interrupted, base::UserError for a device type that the catalogue
// does not have. Other failures are noted in the report.
SelfTest self_test(const SelfTestOptions& options);

}  // namespace convoy::hil
