#pragma once

// The verbs of the command line, one file each. They return the exit status.

#include <CLI/CLI.hpp>

namespace convoy::cli {

enum ExitStatus : int {
  done = 0,
  run_failed = 1,
  bad_input = 2,
  stopped = 3,  // by a signal; can be resumed
};

// Adds a verb and its options to the command line; running the verb sets `status`.
void add_check(CLI::App& app, int& status);
void add_plan(CLI::App& app, int& status);
void add_run(CLI::App& app, int& status);
void add_keys(CLI::App& app, int& status);
void add_list(CLI::App& app, int& status);
void add_compare(CLI::App& app, int& status);
void add_testbed(CLI::App& app, int& status);
void add_export(CLI::App& app, int& status);
void add_profile(CLI::App& app, int& status);
void add_trace(CLI::App& app, int& status);
void add_predict(CLI::App& app, int& status);
void add_calibrate(CLI::App& app, int& status);
void add_validate(CLI::App& app, int& status);
void add_report(CLI::App& app, int& status);
void add_sweep(CLI::App& app, int& status);

}  // namespace convoy::cli
