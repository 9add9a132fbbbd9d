// convoy testbed: certificates, inventory; who is there.

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <map>
#include <memory>
#include <vector>

#include "base/text.hpp"
#include "cli/command_line.hpp"
#include "cli/table.hpp"
#include "cli/verbs.hpp"
#include "hil/protocol/listener.hpp"
#include "platforms/catalogue.hpp"
#include "testbed/inventory.hpp"
#include "testbed/setup.hpp"

namespace convoy::cli {
namespace {

struct TestbedArguments {
  std::string folder;
  std::string nodes;
  std::string node;
  std::string listen = "0.0.0.0:7700";
  std::vector<std::string> addresses;
  int days = testbed::default_days;
  std::string inventory;
  double wait_s = 10;
};

void print(const testbed::SetupResult& result) {
  for (const auto& path : result.made) fmt::print("{}\n", path.string());
  for (const std::string& note : result.notes) fmt::print("{}\n", note);
}

int init(const TestbedArguments& arguments) {
  const auto listen = testbed::parse_endpoint(arguments.listen);
  if (!listen) throw base::UserError("--listen: expected HOST:PORT, such as 0.0.0.0:7700");
  testbed::InitRequest request;
  request.folder = arguments.folder;
  request.nodes = testbed::parse_nodes(arguments.nodes);
  request.listen = *listen;
  request.addresses = arguments.addresses;
  request.days = arguments.days;
  request.known_devices = platforms::Catalogue::device_names();
  print(testbed::init_testbed(request));
  return ExitStatus::done;
}

int add(const TestbedArguments& arguments) {
  print(testbed::add_node(arguments.folder, testbed::parse_node(arguments.node),
                          platforms::Catalogue::device_names()));
  return ExitStatus::done;
}

int revoke(const TestbedArguments& arguments) {
  print(testbed::revoke_node(arguments.folder, arguments.node));
  return ExitStatus::done;
}

// Lists agents that connect within some time. Agents retry, so each one connects at least once in
// its longest pause.
int status(const TestbedArguments& arguments) {
  base::Diagnostics problems;
  const auto inventory = testbed::read_inventory(arguments.inventory, problems);
  if (!inventory) throw base::UserError(problems.str());
  struct Seen {
    std::shared_ptr<hil::Connection> connection;
    hil::wire::HelloT hello;
  };
  std::map<std::string, Seen> seen;
  std::vector<std::string> turned;
  boost::asio::io_context io(1);
  const hil::Listener listener(
      io, *inventory,
      [&](const std::shared_ptr<hil::Connection>& connection, const hil::wire::HelloT& hello) {
        connection->handlers({[](const auto&) {}, [](const std::string&) {}});
        seen.insert_or_assign(hello.name, Seen{connection, hello});
      },
      [&](const std::string& name, const std::string& from, const std::string& why) {
        const std::string line =
            fmt::format("{} ({}): {}", name.empty() ? "unknown" : name, from, base::printable(why));
        if (std::find(turned.begin(), turned.end(), line) == turned.end()) turned.push_back(line);
      });
  fmt::print(stderr, "convoy: listening on {} for {}\n", inventory->listen.str(),
             base::human_seconds(arguments.wait_s));
  const auto until = std::chrono::steady_clock::now() +
                     std::chrono::milliseconds(static_cast<long>(1000 * arguments.wait_s));
  io.run_until(until);

  Table table({"<node", "<device", "<state", "<address", "round trip", "memory", "<software",
               "<no sensor for"});
  std::vector<testbed::InventoryNode> nodes = inventory->nodes;
  for (const auto& [name, s] : seen) {
    if (inventory->find(name) == nullptr) nodes.push_back({name, s.hello.device});
  }
  int missing = 0;
  for (const testbed::InventoryNode& node : nodes) {
    const auto found = seen.find(node.name);
    if (found == seen.end()) {
      ++missing;
      table.add({node.name, node.device, "missing", "", "", "", "", ""});
      continue;
    }
    const Seen& s = found->second;
    std::vector<std::string> lacks;
    for (const std::string& m : s.hello.missing) lacks.push_back(m.substr(0, m.find(':')));
    const auto trip = s.connection->round_trip_s();
    table.add({node.name, node.device, "there", s.connection->stream().remote(),
               trip ? base::human_seconds(*trip) : "",
               base::human_bytes(static_cast<double>(s.hello.memory_bytes)), s.hello.software,
               base::list_of(lacks, "and")});
    hil::refuse(*s.connection, "this was only a check of who is there", false);
  }
  io.restart();
  io.run_for(std::chrono::milliseconds(200));  // sends the last messages
  fmt::print("{}", table.str());
  for (const std::string& line : turned) fmt::print("turned away: {}\n", line);
  return missing > 0 ? ExitStatus::run_failed : ExitStatus::done;
}

}  // namespace

void add_testbed(CLI::App& app, int& result) {
  auto* verb =
      app.add_subcommand("testbed", "Manage real devices: certificates, inventory, who is there");
  verb->require_subcommand(1);
  add_examples(*verb, {"convoy testbed init lab --nodes a:jetson-nano,b:jetson-nano",
                       "convoy testbed status lab/inventory.toml"});
  auto arguments = std::make_shared<TestbedArguments>();
  auto* make = verb->add_subcommand("init", "Make an authority, certificates and an inventory");
  make->add_option("folder", arguments->folder, "Folder of the new testbed")->required();
  make->add_option("--nodes", arguments->nodes, "name[:device],...")->required();
  make->add_option("--listen", arguments->listen, "HOST:PORT of the coordinator")
      ->capture_default_str();
  make->add_option("--address", arguments->addresses,
                   "Address to which nodes connect, if it differs from --listen");
  make->add_option("--days", arguments->days, "Days for which certificates are valid")
      ->check(CLI::Range(1, 36500))
      ->capture_default_str();
  add_examples(*make, {"convoy testbed init lab --nodes a:jetson-nano,b:jetson-nano"});
  make->callback([arguments, &result] { result = init(*arguments); });
  auto* more = verb->add_subcommand("add", "Add a node");
  more->add_option("folder", arguments->folder, "Folder of the testbed")->required();
  more->add_option("node", arguments->node, "name[:device]")->required();
  add_examples(*more, {"convoy testbed add lab c:jetson-nano"});
  more->callback([arguments, &result] { result = add(*arguments); });
  auto* less = verb->add_subcommand("revoke", "Revoke a node's certificate");
  less->add_option("folder", arguments->folder, "Folder of the testbed")->required();
  less->add_option("node", arguments->node, "Name of the node")->required();
  add_examples(*less, {"convoy testbed revoke lab c"});
  less->callback([arguments, &result] { result = revoke(*arguments); });
  auto* who = verb->add_subcommand("status", "Listen for a while and list the agents that connect");
  who->add_option("inventory", arguments->inventory, "inventory.toml of the testbed")->required();
  who->add_option("--wait", arguments->wait_s, "Time to listen, s")
      ->check(CLI::Range(0.1, 3600.0))
      ->capture_default_str();
  add_wide(*who);
  add_examples(*who, {"convoy testbed status lab/inventory.toml"});
  who->callback([arguments, &result] { result = status(*arguments); });
}

}  // namespace convoy::cli
