// convoy export: a run in other programs' formats.

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>

#include "analysis/perfetto.hpp"
#include "base/diagnostics.hpp"
#include "cli/verbs.hpp"
#include "sim/store/store.hpp"

namespace convoy::cli {
namespace {

struct ExportArguments {
  std::string folder;
  std::string format;
  std::string path;
};

int export_run(const ExportArguments& arguments) {
  sim::read_run(arguments.folder);  // says so where there is none, before anything is written
  const std::string path =
      arguments.path.empty() ? arguments.folder + "/perfetto.json" : arguments.path;
  if (path == "-") {
    analysis::export_perfetto(arguments.folder, std::cout);
    return ExitStatus::done;
  }
  if (std::filesystem::is_directory(path)) {
    throw base::UserError(path + ": is a folder; give -o a file");
  }
  // Written beside, so that a failure leaves no half a file.
  const std::string draft = path + ".new";
  {
    std::ofstream out(draft, std::ios::binary);
    if (!out) throw base::UserError(path + ": cannot be written to; choose another path with -o");
    try {
      analysis::export_perfetto(arguments.folder, out);
    } catch (...) {
      out.close();
      std::filesystem::remove(draft);
      throw;
    }
    out.flush();
    if (!out) throw base::UserError(path + ": could not be written whole; is the disk full?");
  }
  std::filesystem::rename(draft, path);
  fmt::print("{}\nOpen it at https://ui.perfetto.dev (it stays on your machine).\n", path);
  return ExitStatus::done;
}

}  // namespace

void add_export(CLI::App& app, int& status) {
  auto* verb = app.add_subcommand("export", "Write a run in another program's format");
  auto arguments = std::make_shared<ExportArguments>();
  verb->add_option("run", arguments->folder, "Folder of the run")->required();
  verb->add_option("--format", arguments->format, "perfetto")
      ->required()
      ->check(CLI::IsMember({"perfetto"}));
  verb->add_option("-o,--output", arguments->path,
                   "File to write (default: in the run's folder; - is stdout)");
  verb->callback([arguments, &status] { status = export_run(*arguments); });
}

}  // namespace convoy::cli
