#pragma once

// Measures the host with the operators that training uses, in one thread, as training does. No
// LibTorch here: the engine's library, opened on demand, measures.
//
//   const Profile profile = measure({.device = "cpu", .quick = true});
//
// Gives raw measurements; platforms/calibration.hpp turns them into a device.

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "engine/api/options.hpp"
#include "engine/model/architecture.hpp"
#include "engine/model/timed_step.hpp"

namespace convoy::engine {

// A training step to be measured.
struct ProfileCase {
  ModelOptions model;
  OptimizerOptions optimizer;
  int batch = 8;
  double rate = 1;  // of the submodel that is trained (nested_submodel)
};

// Small and medium models and some of their submodels; one step of each takes a few seconds in all
// on one core. `quick`: a few of the smallest.
std::vector<ProfileCase> profile_cases(bool quick);

struct ProfileOptions {
  std::string device = "cpu";  // or "cuda:0"
  std::vector<ProfileCase> cases;
  bool quick = false;     // few repetitions: for tests, too inexact for real use
  double budget_s = 120;  // no further round of repetitions starts after this time
  // If not 0: afterwards runs each case for so long, so that the caller can read power meters.
  // `holding(case, true)` is called at the begin of each, `holding(case, false)` at its end.
  double hold_s = 0;
  std::function<void(std::size_t which, bool begins)> holding;
  // Called from time to time with the finished share and a text.
  std::function<void(double share, const std::string& what)> progress;
  const std::atomic<bool>* interrupted = nullptr;  // checked between two measurements
};

struct Profile {
  // Large operators, bound by arithmetic or by memory, and small ones, bound by launching.
  std::vector<TimedStep> operators;
  std::vector<TimedStep> steps;  // of the cases, in order
  double peak_fp16 = 0;          // FLOP/s of a large product; 0: not measured
  double capacity = 0;           // bytes of memory; 0: not known
  std::string capacity_note;     // source of `capacity`
  double available = 0;          // free part before the runtime was loaded; 0: not known
  double context = 0;            // bytes taken by the runtime after all operators have run once
  std::string processor;         // as the system names it
  std::string software;          // "LibTorch 1.13.0"
};

// Throws Stopped (engine.hpp) when interrupted, base::UserError if the library or the device is
// missing.
Profile measure(const ProfileOptions& options);

}  // namespace convoy::engine
