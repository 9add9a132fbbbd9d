#include <spdlog/spdlog.h>

#include <cerrno>
#include <cstdio>
#include <exception>
#include <sstream>
#include <string>
#include <system_error>

#include "base/diagnostics.hpp"
#include "base/program_log.hpp"
#include "base/text.hpp"
#include "cli/command_line.hpp"
#include "cli/provenance.hpp"
#include "cli/verbs.hpp"

// Output is buffered: errors such as a full disk appear when the buffer is flushed.
static int when_all_is_printed(int status) {
  errno = 0;
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return status;
  const std::string why = errno != 0 ? ": " + std::system_category().message(errno) : "";
  std::fprintf(stderr, "convoy: the output could not be written%s\n", why.c_str());
  return status == convoy::cli::ExitStatus::done ? convoy::cli::ExitStatus::run_failed : status;
}

static int obey(int argc, char** argv) {
  using namespace convoy;
  CLI::App app("Convoy: simulates federated training on many unequal edge devices", "convoy");
  app.formatter(cli::help_form());
  app.set_version_flag("--version", cli::version_text,
                       "Print the version, the commit, the compiler and the libraries, and exit");
  app.require_subcommand(1);
  app.footer(
      "convoy VERB --help explains a verb.\n"
      "Exit status: 0 done, 1 the run failed, 2 bad usage or a bad file,\n"
      "3 stopped by a signal.\n"
      "Start with: convoy run scenarios/quickstart.toml");
  int status = cli::ExitStatus::done;
  try {
    base::set_up_log("convoy", "", spdlog::level::warn);
    cli::add_check(app, status);
    cli::add_keys(app, status);
    cli::add_list(app, status);
    cli::add_plan(app, status);
    cli::add_run(app, status);
    cli::add_compare(app, status);
    cli::add_report(app, status);
    cli::add_export(app, status);
    cli::add_profile(app, status);
    cli::add_predict(app, status);
    cli::add_calibrate(app, status);
    cli::add_validate(app, status);
    cli::add_sweep(app, status);
    cli::add_trace(app, status);
    cli::add_testbed(app, status);
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) {  // --help, --version
      std::ostringstream out;
      app.exit(e, out, out);
      std::fputs(out.str().c_str(), stdout);
      return cli::ExitStatus::done;
    }
    const std::string text = cli::explained(e, app, {argv + 1, argv + argc});
    std::fputs(base::escaped(text).c_str(), stderr);  // contains the invalid arguments
    return cli::ExitStatus::bad_input;
  } catch (const base::UserError& e) {
    // Messages contain names from files, stores and options: escape them for the terminal.
    std::fprintf(stderr, "convoy: %s\n", base::escaped(e.what()).c_str());
    return cli::ExitStatus::bad_input;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "convoy: %s\n", base::escaped(e.what()).c_str());
    return cli::ExitStatus::run_failed;
  }
  return status;
}

int main(int argc, char** argv) { return when_all_is_printed(obey(argc, argv)); }
