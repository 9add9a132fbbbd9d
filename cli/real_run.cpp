#include "cli/real_run.hpp"

#include <fmt/format.h>

#include <utility>

#include "testbed/inventory.hpp"

namespace convoy::cli {
namespace {

testbed::Inventory inventory_file(const std::string& file) {
  base::Diagnostics problems;
  auto inventory = testbed::read_inventory(file, problems);
  if (!inventory) throw base::UserError(problems.str());
  return *std::move(inventory);
}

// `listed`: inventory named in the scenario; may be empty.
testbed::Inventory inventory_of(const RealArguments& arguments, const std::string& listed) {
  if (!arguments.testbed.empty()) return inventory_file(arguments.testbed);
  if (!arguments.listen.empty()) {
    const auto endpoint = testbed::parse_endpoint(arguments.listen);
    if (!endpoint) throw base::UserError("--listen: expected HOST:PORT");
    if (!arguments.insecure) {
      throw base::UserError(
          "--listen without certificates needs --insecure, and a loopback address; for real "
          "devices make a testbed (convoy testbed init) and give its --testbed inventory");
    }
    testbed::Inventory inventory;
    inventory.listen = *endpoint;
    inventory.insecure = true;
    return inventory;
  }
  if (!listed.empty()) return inventory_file(listed);
  throw base::UserError(
      "the scenario has real nodes (backend = \"hil\"), and no inventory lists them: give "
      "--testbed INVENTORY, or hil.inventory in the scenario (convoy testbed init makes one)");
}

}  // namespace

void add_real_arguments(CLI::App& verb, RealArguments& arguments) {
  auto* testbed =
      verb.add_option("--testbed", arguments.testbed,
                      "Inventory of a testbed: each of its agents that connects is a real node");
  verb.add_option("--listen", arguments.listen,
                  "HOST:PORT for the agents of nodes with backend = \"hil\"")
      ->excludes(testbed);
  verb.add_flag("--insecure", arguments.insecure,
                "No TLS; only with --listen on a loopback address");
  verb.add_option("--replay", arguments.replay,
                  "Folder of a recorded run with real nodes: simulate it again without devices, "
                  "with its scenario and settings; no scenario file is needed")
      ->excludes(testbed);
}

hil::RealSide real_side(const RealArguments& arguments, sim::Scenario scenario,
                        const sim::RunOptions& options, bool quiet) {
  hil::RealSideOptions side;
  side.folder = options.folder;
  side.mode = options.mode;
  side.replay = arguments.replay;
  side.all_present = !arguments.testbed.empty();
  const std::string listed = scenario.hil.inventory;
  side.inventory = [&arguments, listed] { return inventory_of(arguments, listed); };
  side.interrupted = options.interrupted;
  side.progress = [quiet](const std::string& what) {
    if (!quiet) fmt::print(stderr, "convoy: {}\n", what);
  };
  return {std::move(scenario), side};
}

}  // namespace convoy::cli
