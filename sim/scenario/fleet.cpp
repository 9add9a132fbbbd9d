#include "sim/scenario/fleet.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "base/text.hpp"
#include "sim/scenario/behaviour_reader.hpp"
#include "sim/scenario/fleet_expansion.hpp"
#include "sim/scenario/names_used.hpp"

namespace convoy::sim {
namespace {

using base::above;
using base::at_least;
using base::TableReader;

class FleetReader {
 public:
  FleetReader(platforms::Catalogue& catalogue, std::filesystem::path folder)
      : catalogue_(catalogue), behaviours_(std::move(folder)) {}

  Fleet read(TableReader& reader) {
    // Expanded earlier, as is fleet.mix.
    reader.text({"use", "fleet of the catalogue, or path of a .toml file"}, "");
    if (reader.describes()) describe_mix(reader.table({"mix", "a fleet by shares of its devices"}));
    for (TableReader& shared : reader.tables({"shared_links", "links that several nodes share"})) {
      read_shared_link(shared);
    }
    read_server(reader.table({"server", "the server, which aggregates"}));
    std::vector<TableReader> groups = reader.tables({"nodes", "groups of equal nodes"});
    for (TableReader& group : groups) read_group(group);
    const bool expected = reader.has("use") || reader.has("mix");  // errors are reported there
    if (groups.empty() && !expected) {
      reader.error("nodes", "a fleet needs nodes: [[fleet.nodes]] tables, or use = \"jetson16\"");
    }
    reader.finish();
    fleet_.traces = behaviours_.hashes();
    return std::move(fleet_);
  }

 private:
  void read_shared_link(TableReader& reader) {
    SharedLinkConfig shared;
    shared.name = reader.text({"name", "name to be used as a node's via"});
    shared.link = link(reader, "wifi6");
    if (reader.has("traffic")) shared.traffic = read_load(reader.table(traffic_key));
    reader.finish();
    check_name(reader, shared.name);
    if (!shared_.emplace(shared.name, static_cast<int>(fleet_.shared_links.size())).second) {
      reader.error("name", fmt::format("\"{}\" is used twice", shared.name));
    }
    fleet_.shared_links.push_back(std::move(shared));
  }

  static void check_name(TableReader& reader, const std::string& name) {
    constexpr std::size_t longest = 255;
    if (!name.empty() && name.size() <= longest && base::is_printable(name)) return;
    reader.error("name", "expected printable characters, at most 255 bytes");
  }

  void read_server(TableReader reader) {
    NodeConfig node;
    NodeIdentity identity;
    const std::string name = reader.text({"name", "name of the server in tables"}, "server");
    check_name(reader, name);
    node.name = name;
    names_.add(name);
    const auto machine = read_machine(reader, identity, "server-generic");
    node.memory = machine->memory;
    node.power = power_of(*machine);
    node.link = link(reader, "gigabit");
    identity.link = node.link.name;
    node.behaviour.slowdown = reader.number(slowdown_key, above(0).up_to(1e6), 1.0);
    if (reader.has("traffic")) node.behaviour.traffic = read_load(reader.table(traffic_key));
    node.concurrent_transfers =
        static_cast<int>(reader.integer(concurrent_transfers_key, at_least(0).up_to(1e6), 0));
    read_concurrent_computes(reader, node);
    reader.finish();
    add(std::move(node), 1, std::move(identity), machine, std::nullopt, std::nullopt);
  }

  void read_group(TableReader& reader) {
    NodeConfig node;
    NodeIdentity identity;
    const auto machine = read_machine(reader, identity, "");
    node.memory = machine->memory;
    node.power = power_of(*machine);
    const std::int64_t count =
        reader.integer({"count", "nodes of this group"}, at_least(1).up_to(1e6), 1);
    node.link = link(reader, "gigabit");
    identity.link = node.link.name;
    read_via(reader, node);
    identity.backend = reader.choice({"backend", "simulated, or a real device (hil)"},
                                     backend_words, identity.backend);
    identity.real = read_real(reader);
    if (identity.backend == Backend::hil) node.real = identity.real;
    const BehaviourReader::TraceKey trace = behaviours_.read_trace(reader, node.behaviour);
    identity.trace = trace.file;
    if (has_both_rates(node)) {
      reader.error("trace", fmt::format("has up_bps and down_bps, but {} is half duplex: both "
                                        "directions share one rate; use one of them (only = "
                                        "[...]), or a link of full duplex",
                                        node.link.name));
    }
    BehaviourReader::read(reader, node.behaviour);
    const auto samples = reader.maybe_integer(
        {"samples", "samples that the node trains on in an epoch", "its part of the data"},
        at_least(0).up_to(1e12));
    std::optional<int> batch;
    if (const auto b = reader.maybe_integer({"batch", "samples per step", "training.batch"},
                                            at_least(1).up_to(1e6))) {
      batch = static_cast<int>(*b);
    }
    node.concurrent_transfers =
        static_cast<int>(reader.integer(concurrent_transfers_key, at_least(0).up_to(1e6), 1));
    read_concurrent_computes(reader, node);
    if (node.real && node.concurrent_computes != 1) {
      reader.error("concurrent_computes",
                   "a real node computes one task at a time: leave it out, or set "
                   "backend = \"sim\"");
    }
    const std::string name = reader.text(
        {"name", "name of the node in tables; several nodes are numbered", "its device"},
        identity.device);
    const bool numbered = count > 1 || !reader.has("name");
    check_name(reader, name);
    reader.finish();
    const auto first = static_cast<std::int64_t>(fleet_.nodes.size());
    node.name =
        numbered ? NodeName::numbered(name, names_.next_number(name), first) : NodeName(name);
    for (const std::string& twice : numbered ? names_.add(name, count) : names_.add(name)) {
      reader.error("name",
                   fmt::format("two nodes are called \"{}\"; give one another name", twice));
    }
    // Neighbours at different places of one trace have that to themselves.
    const std::int64_t alike = trace.phase_step_s != 0 ? 1 : count;
    for (std::int64_t i = 0; i < count; i += alike) {
      NodeConfig some = node;
      some.behaviour.trace_use.phase_s += trace.phase_step_s * static_cast<double>(i);
      fleet_.nodes.append(std::move(some), static_cast<std::size_t>(alike));
    }
    add_facts(static_cast<std::size_t>(count), std::move(identity), machine, samples, batch);
  }

  void add(NodeConfig node, std::size_t count, NodeIdentity identity,
           std::shared_ptr<const platforms::Machine> machine, std::optional<std::int64_t> samples,
           std::optional<int> batch) {
    fleet_.nodes.append(std::move(node), count);
    add_facts(count, std::move(identity), std::move(machine), samples, batch);
  }
  void add_facts(std::size_t count, NodeIdentity identity,
                 std::shared_ptr<const platforms::Machine> machine,
                 std::optional<std::int64_t> samples, std::optional<int> batch) {
    fleet_.identities.append(std::move(identity), count);
    fleet_.machines.append(std::move(machine), count);
    fleet_.samples.append(samples, count);
    fleet_.batches.append(batch, count);
  }

  // The device in its mode; nodes that share both share one machine.
  std::shared_ptr<const platforms::Machine> read_machine(TableReader& reader,
                                                         NodeIdentity& identity,
                                                         const std::string& fallback) {
    const base::Key device_key("device", "name in the catalogue, or path of a .toml file");
    const std::string name =
        fallback.empty() ? reader.text(device_key) : reader.text(device_key, fallback);
    const std::string wanted = reader.text({"mode", "power mode of the device", "its default"}, "");
    const platforms::Device* device = name.empty() ? nullptr : catalogue_.device(name);
    if (device == nullptr) {
      if (!name.empty() && !platforms::Catalogue::is_path(name)) {
        const auto names = platforms::Catalogue::device_names();
        reader.error("device", fmt::format("\"{}\" is not in the catalogue (known: {}; or a path "
                                           "to a .toml file){}",
                                           name, base::list_of(names, "and"),
                                           base::did_you_mean(name, names)));
      }
      return std::make_shared<const platforms::Machine>();
    }
    const std::string mode_name = wanted.empty() ? device->default_mode : wanted;
    const platforms::PowerMode* mode = device->mode(mode_name);
    if (mode == nullptr) {
      const auto names = device->mode_names();
      if (!wanted.empty()) {
        reader.error("mode",
                     fmt::format("{} has no mode \"{}\"; it has {}{}", device->name, wanted,
                                 base::list_of(names, "and"), base::did_you_mean(wanted, names)));
      }
      return std::make_shared<const platforms::Machine>();
    }
    identity.device = device->name;
    identity.mode = mode_name;
    if (fallback.empty()) fleet_.profiles.emplace(device, mode);
    auto& machine = machines_[{device, mode}];
    if (!machine) {
      machine = std::make_shared<const platforms::Machine>(platforms::machine(*device, *mode));
    }
    return machine;
  }

  platforms::Link link(TableReader& reader, const std::string& fallback) {
    const base::Key key(
        "link", "link to the network: a name, the path of a .toml file, or a table of its figures");
    platforms::Link found;
    for (const bool written_out : reader.either<base::Value::Table>("link")) {
      found = written_out ? platforms::read_plain_link(reader.table(key))
                          : named_link(reader, reader.text(key, fallback));
    }
    return found;
  }

  platforms::Link named_link(TableReader& reader, const std::string& name) {
    if (const platforms::Link* found = catalogue_.link(name)) return *found;
    if (platforms::Catalogue::is_path(name)) return {};  // reported by the catalogue
    const auto names = platforms::Catalogue::link_names();
    reader.error("link",
                 fmt::format("\"{}\" is not in the catalogue (known: {}; or a path to a .toml "
                             "file, or {{ duplex, down_bps, up_bps, latency_s }}){}",
                             name, base::list_of(names, "and"), base::did_you_mean(name, names)));
    return {};
  }

  void read_via(TableReader& reader, NodeConfig& node) {
    const std::string via = reader.text(
        {"via", "name of the shared link between the node and the network", "none"}, "");
    if (via.empty()) return;
    const auto found = shared_.find(via);
    if (found != shared_.end()) {
      node.shared_link = found->second;
      return;
    }
    std::vector<std::string> names;
    for (const auto& [name, index] : shared_) names.push_back(name);
    reader.error("via", fmt::format("\"{}\" is no shared link of this fleet; give one in "
                                    "[[fleet.shared_links]]{}",
                                    via, base::did_you_mean(via, names)));
  }

  static void read_concurrent_computes(TableReader& reader, NodeConfig& node) {
    node.concurrent_computes = static_cast<int>(reader.integer(
        {"concurrent_computes",
         "computes at a time, which share the node's speed, others wait; 0: no limit"},
        at_least(0).up_to(1e6), node.concurrent_computes));
  }

  static bool has_both_rates(const NodeConfig& node) {
    const auto& trace = node.behaviour.trace;
    return trace && node.link.duplex == platforms::Duplex::half &&
           trace->has(platforms::Column::up_bps) && trace->has(platforms::Column::down_bps);
  }

  static Power power_of(const platforms::Machine& machine) {
    return {machine.idle_w, machine.busy_w, machine.communicating_w};
  }

  // Options for real devices; read for all nodes, since --testbed can make any node real.
  static RealNode read_real(TableReader& reader) {
    RealNode real;
    real.measured_compute =
        reader.choice({"compute", "a real node's training takes the measured or the modelled time"},
                      RealNode::sources, real.measured_compute);
    real.measured_network =
        reader.choice({"network", "a real node's transfers take the measured or the modelled time"},
                      RealNode::sources, real.measured_network);
    real.deadline_factor =
        reader.number({"deadline_factor",
                       "deadline of a real node's activity, as a multiple of its predicted time"},
                      at_least(1).up_to(1e6), real.deadline_factor);
    real.deadline_min_s = reader.number({"deadline_min_s", "shortest deadline, s of wall time"},
                                        above(0).up_to(1e7), real.deadline_min_s);
    return real;
  }

  static constexpr base::Key concurrent_transfers_key{
      "concurrent_transfers", "transfers at a time, others wait; 0: no limit"};

  platforms::Catalogue& catalogue_;
  BehaviourReader behaviours_;
  Fleet fleet_;
  std::map<std::string, int> shared_;
  NamesUsed names_;
  std::map<std::pair<const platforms::Device*, const platforms::PowerMode*>,
           std::shared_ptr<const platforms::Machine>>
      machines_;
};

}  // namespace

Fleet read_fleet(base::TableReader reader, platforms::Catalogue& catalogue,
                 const std::filesystem::path& folder) {
  return FleetReader(catalogue, folder).read(reader);
}

}  // namespace convoy::sim
