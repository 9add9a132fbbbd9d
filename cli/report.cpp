// convoy report: runs and sweeps as one HTML page.

#include "analysis/report/report.hpp"

#include <fmt/format.h>

#include <memory>

#include "base/files.hpp"
#include "cli/command_line.hpp"
#include "cli/run_folders.hpp"
#include "cli/verbs.hpp"

namespace convoy::cli {
namespace {

struct ReportArguments {
  std::vector<std::string> folders;
  std::string path;
  ComparisonOptions comparison;
};

int report(const ReportArguments& arguments) {
  const RunFolders folders = sort_out(arguments.folders);
  const std::string path =
      arguments.path.empty() ? arguments.folders.front() + "/report.html" : arguments.path;
  analysis::ReportInput input;
  input.runs = folders.runs;
  input.sweeps = folders.sweeps;
  input.baseline = arguments.comparison.baseline;
  input.targets = arguments.comparison.targets;
  input.labels = arguments.comparison.labels;
  input.metrics = arguments.comparison.metrics;
  input.version = CONVOY_VERSION;
  const std::string html = analysis::report_html(input);
  base::write_output(path, html, true);
  if (path == "-") return ExitStatus::done;
  fmt::print("{}\n", path);
  if (!analysis::has_charts()) {
    fmt::print(stderr,
               "convoy: note: this program was built without charts (CONVOY_WEB=OFF); the page "
               "contains tables only\n");
  }
  return ExitStatus::done;
}

}  // namespace

void add_report(CLI::App& app, int& status) {
  auto* verb = app.add_subcommand(
      "report", "Show runs and sweeps as one HTML page with charts that needs no network");
  auto arguments = std::make_shared<ReportArguments>();
  verb->add_option("run", arguments->folders, "Folders of runs and sweeps")->required();
  verb->add_option("-o,--output", arguments->path,
                   "File to write (default: report.html in the first folder; - is stdout)");
  add_comparison_options(*verb, arguments->comparison);
  add_examples(*verb, {"convoy report runs/cos2p runs/fedavg"});
  verb->callback([arguments, &status] { status = report(*arguments); });
}

}  // namespace convoy::cli
