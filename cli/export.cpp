// convoy export: a run in other programs' formats.

#include <fmt/format.h>

#include <memory>

#include "analysis/colext.hpp"
#include "analysis/csv_export.hpp"
#include "analysis/perfetto.hpp"
#include "base/diagnostics.hpp"
#include "base/files.hpp"
#include "cli/command_line.hpp"
#include "cli/verbs.hpp"
#include "sim/store/store.hpp"

namespace convoy::cli {
namespace {

struct ExportArguments {
  std::string folder;
  std::string format;
  std::string path;
  double period_s = 0;
  std::string job;
};

void export_perfetto(const ExportArguments& arguments, const std::string& path) {
  base::write_output(
      path, [&](std::ostream& out) { analysis::export_perfetto(arguments.folder, out); }, true);
  if (path != "-") {
    fmt::print("{}\nOpen it at https://ui.perfetto.dev (the file stays on your machine).\n", path);
  }
}

int export_run(const ExportArguments& arguments) {
  sim::read_run(arguments.folder);  // throws if there is no run, before anything is written
  const bool colext = arguments.format == "colext";
  if (!colext && (arguments.period_s > 0 || !arguments.job.empty())) {
    throw base::UserError("--period and --job need --format colext");
  }
  std::string path = arguments.path;
  if (arguments.format == "perfetto") {
    export_perfetto(arguments, path.empty() ? arguments.folder + "/perfetto.json" : path);
    return ExitStatus::done;
  }
  if (path == "-") {
    throw base::UserError("-o -: this format has several files; give -o a folder");
  }
  if (path.empty()) path = arguments.folder + "/" + arguments.format;
  analysis::ColextOptions options{{}, arguments.job};
  if (arguments.period_s > 0) options.period_s = arguments.period_s;
  const auto files = colext ? analysis::export_colext(arguments.folder, path, options)
                            : analysis::export_csv(arguments.folder, path);
  for (const auto& file : files) fmt::print("{}\n", file.string());
  return ExitStatus::done;
}

}  // namespace

void add_export(CLI::App& app, int& status) {
  auto* verb = app.add_subcommand("export", "Write a run in another program's format");
  auto arguments = std::make_shared<ExportArguments>();
  verb->add_option("run", arguments->folder, "Folder of the run")->required();
  verb->add_option("--format", arguments->format,
                   "csv (a file for each table), perfetto (a timeline) or colext (its CSV files)")
      ->required()
      ->check(CLI::IsMember({"csv", "perfetto", "colext"}));
  verb->add_option(
      "-o,--output", arguments->path,
      "File (perfetto; - is stdout) or folder to write (default: in the run's folder)");
  verb->add_option("--period", arguments->period_s,
                   "colext: virtual seconds between rows of hw_metrics (default: a thousandth of "
                   "the run)")
      ->check(CLI::PositiveNumber);
  verb->add_option("--job", arguments->job,
                   "colext: name the files colext_JOB_..., as its own tool does");
  add_examples(*verb, {"convoy export runs/cos2p --format csv"});
  verb->callback([arguments, &status] { status = export_run(*arguments); });
}

}  // namespace convoy::cli
