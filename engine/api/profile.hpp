#pragma once

// Measures the machine that it runs on, with the operators that training uses and in one thread, as
// training does. No LibTorch here: the measuring is in the engine's library, opened on demand.
//
//   const Profile profile = measure({.device = "cpu", .quick = true});
//
// What is measured is handed out as it is; platforms/calibration.hpp makes a device of it.

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

// Small and middling models and some of their submodels, all of whose steps together take a few
// seconds on one core. Quick: a few of the smallest.
std::vector<ProfileCase> profile_cases(bool quick);

struct ProfileOptions {
  std::string device = "cpu";  // or "cuda:0"
  std::vector<ProfileCase> cases;
  bool quick = false;     // few repetitions: for tests, too inexact for use
  double budget_s = 120;  // begins no further round of repetitions after that
  // Where that is not 0: afterwards each case goes on for so long, for whoever reads meters
  // meanwhile. `holding(case, true)` is called when it begins, `holding(case, false)` when it ends.
  double hold_s = 0;
  std::function<void(std::size_t which, bool begins)> holding;
  // Called now and then with the share that is done and what is being measured.
  std::function<void(double share, const std::string& what)> progress;
  const std::atomic<bool>* interrupted = nullptr;  // looked at between two measurements
};

struct Profile {
  // Large ones bound by arithmetic and by memory, small ones bound by the launching.
  std::vector<TimedStep> operators;
  std::vector<TimedStep> steps;  // of the cases, in their order
  double peak_fp16 = 0;          // FLOP/s of a large product; 0: not measured
  double capacity = 0;           // bytes of memory; 0: not known
  std::string capacity_note;     // where that comes from
  double available = 0;          // of it before the runtime was loaded; 0: not known
  double context = 0;            // bytes that the runtime took, with all operators used once
  std::string processor;         // as the system names it
  std::string software;          // "LibTorch 1.13.0"
};

// Throws Stopped (engine.hpp) once it was interrupted, base::UserError where the library or the
// device is not there.
Profile measure(const ProfileOptions& options);

}  // namespace convoy::engine
