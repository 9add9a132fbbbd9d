#include "sim/scenario/fleet.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "base/csv.hpp"
#include "base/text.hpp"
#include "platforms/traces/signal.hpp"

namespace convoy::sim {
namespace {

using base::above;
using base::at_least;
using base::TableReader;

constexpr double longest_s = 1e10;          // 300 years
constexpr double shortest_period_s = 1e-3;  // each turn of a load is an event

// [fleet.mix]: devices and their weights, how many nodes, what each of them has.
struct Mix {
  std::int64_t nodes = 0;
  std::vector<std::pair<std::string, double>> weights;
  base::Value each;
};

Mix read_mix(TableReader reader) {
  constexpr double most = 1e6;
  Mix mix;
  mix.nodes = reader.integer({"nodes", "number of nodes of all devices together"},
                             at_least(1).up_to(most), 16);
  reader.describe({"each", "what all nodes have: keys of [[fleet.nodes]]"},
                  {.type = base::KeyType::table, .like = "fleet.nodes.N"});
  if (const base::Value* given = reader.raw("each")) mix.each = *given;
  if (mix.each.as<base::Value::Table>() == nullptr) {
    reader.error("each", "expected a table of what all nodes have, such as { link = \"wifi5\" }");
  }
  TableReader shares = reader.table({"shares", "which part of the nodes is of which device"});
  double sum = 0;
  for (const std::string& device : shares.keys("DEVICE")) {
    mix.weights.emplace_back(
        device, shares.number({device, "its weight among all"}, at_least(0).up_to(most)));
    sum += mix.weights.back().second;
  }
  reader.finish();
  if (sum <= 0) {
    reader.error("shares",
                 "expected what part of the nodes is of which device, such as { "
                 "jetson-nano = 0.25, jetson-agx-orin-64gb = 0.75 }");
  }
  return mix;
}

class FleetReader {
 public:
  FleetReader(platforms::Catalogue& catalogue, std::filesystem::path folder)
      : catalogue_(catalogue), folder_(std::move(folder)) {}

  Fleet read(TableReader& reader) {
    // Expanded before, as is fleet.mix.
    reader.text({"use", "fleet of the catalogue, or path of a .toml file"}, "");
    if (reader.describes()) read_mix(reader.table({"mix", "a fleet by shares of its devices"}));
    for (TableReader& shared : reader.tables({"shared_links", "media that several nodes share"})) {
      read_shared_link(shared);
    }
    read_server(reader.table({"server", "who aggregates"}));
    std::vector<TableReader> groups = reader.tables({"nodes", "groups of equal nodes"});
    for (TableReader& group : groups) read_group(group);
    const bool expected = reader.has("use") || reader.has("mix");  // what is wrong there is said
    if (groups.empty() && !expected) {
      reader.error("nodes", "a fleet needs nodes: [[fleet.nodes]] tables, or use = \"jetson16\"");
    }
    reader.finish();
    return std::move(fleet_);
  }

 private:
  void read_shared_link(TableReader& reader) {
    SharedLinkConfig shared;
    shared.name = reader.text({"name", "name that a node's via gives"});
    shared.link = link(reader, "wifi6");
    if (reader.has("traffic")) shared.traffic = load(reader.table(traffic_key));
    reader.finish();
    check_name(reader, shared.name);
    if (!shared_.emplace(shared.name, static_cast<int>(fleet_.shared_links.size())).second) {
      reader.error("name", fmt::format("\"{}\" is there already", shared.name));
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
    node.name = reader.text({"name", "name of the server in tables"}, "server");
    check_name(reader, node.name);
    names_.insert(node.name);
    const auto machine = read_machine(reader, identity, "server-generic");
    node.memory = machine->memory;
    node.power = power_of(*machine);
    node.link = link(reader, "gigabit");
    identity.link = node.link.name;
    node.behaviour.slowdown = reader.number(slowdown_key, above(0).up_to(1e6), 1.0);
    if (reader.has("traffic")) node.behaviour.traffic = load(reader.table(traffic_key));
    node.concurrent_transfers =
        static_cast<int>(reader.integer(concurrent_transfers_key, at_least(0).up_to(1e6), 0));
    reader.finish();
    add(std::move(node), std::move(identity), machine, std::nullopt, std::nullopt, reader.where());
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
    static const std::vector<std::string> backends = {"sim", "hil"};
    identity.backend = static_cast<Backend>(
        reader.choice({"backend", "simulated, or a real device (hil)"}, backends, 0));
    identity.real = read_real(reader);
    if (identity.backend == Backend::hil) node.real = identity.real;
    read_trace(reader, identity, node.behaviour);
    if (behaviour_has_both_rates(node)) {
      reader.error("trace", fmt::format("has up_bps and down_bps, but {} is half duplex: both "
                                        "directions share one rate; use one of them (only = "
                                        "[...]), or a link of full duplex",
                                        node.link.name));
    }
    const double phase_step_s = phase_step_s_;
    read_behaviour(reader, node.behaviour);
    const auto samples = reader.maybe_integer(
        {"samples", "samples that it trains on in an epoch", "its part of the data"},
        at_least(0).up_to(1e12));
    std::optional<int> batch;
    if (const auto b = reader.maybe_integer({"batch", "samples a step", "training.batch"},
                                            at_least(1).up_to(1e6))) {
      batch = static_cast<int>(*b);
    }
    node.concurrent_transfers =
        static_cast<int>(reader.integer(concurrent_transfers_key, at_least(0).up_to(1e6), 1));
    const std::string name = reader.text(
        {"name", "name of the node in tables; numbered where there are several", "its device"},
        identity.device);
    const bool numbered = count > 1 || !reader.has("name");
    check_name(reader, name);
    reader.finish();
    for (std::int64_t i = 0; i < count; ++i) {
      NodeConfig one = node;
      one.behaviour.trace_use.phase_s += phase_step_s * static_cast<double>(i);
      one.name = numbered ? fmt::format("{}-{}", name, next_number_[name]++) : name;
      add(std::move(one), identity, machine, samples, batch, reader.where());
      if (!names_.insert(fleet_.nodes.back().name).second) {
        reader.error("name", fmt::format("two nodes are called \"{}\"; give one another name",
                                         fleet_.nodes.back().name));
      }
    }
  }

  void add(NodeConfig node, NodeIdentity identity,
           std::shared_ptr<const platforms::Machine> machine, std::optional<std::int64_t> samples,
           std::optional<int> batch, base::Location place) {
    fleet_.nodes.push_back(std::move(node));
    fleet_.identities.push_back(std::move(identity));
    fleet_.machines.push_back(std::move(machine));
    fleet_.samples.push_back(samples);
    fleet_.batches.push_back(batch);
    fleet_.places.push_back(std::move(place));
  }

  // The device in its mode; one machine for all nodes that share both.
  std::shared_ptr<const platforms::Machine> read_machine(TableReader& reader,
                                                         NodeIdentity& identity,
                                                         const std::string& fallback) {
    const base::Key device_key("device", "name in the catalogue, or path of a .toml file");
    const std::string name =
        fallback.empty() ? reader.text(device_key) : reader.text(device_key, fallback);
    const std::string wanted =
        reader.text({"mode", "power mode of the device", "its usual one"}, "");
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
    const base::Key key("link",
                        "link to the network: a name, the path of a .toml file, or its figures");
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
        {"via", "name of the shared link that the node is behind", "straight to the network"}, "");
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

  static bool behaviour_has_both_rates(const NodeConfig& node) {
    const auto& trace = node.behaviour.trace;
    return trace && node.link.duplex == platforms::Duplex::half &&
           trace->has(platforms::Column::up_bps) && trace->has(platforms::Column::down_bps);
  }

  static Power power_of(const platforms::Machine& machine) {
    return {machine.idle_w, machine.busy_w, machine.communicating_w};
  }

  // How a real node takes part; for all nodes, since --testbed makes any of them real.
  static RealNode read_real(TableReader& reader) {
    static const std::vector<std::string> sources = {"measured", "modelled"};
    RealNode real;
    real.measured_compute =
        reader.choice(
            {"compute", "a real node's training takes its measured time, or the modelled"}, sources,
            0) == 0;
    real.measured_network =
        reader.choice(
            {"network", "a real node's transfers take the measured time, or the modelled"}, sources,
            0) == 0;
    real.deadline_factor = reader.number(
        {"deadline_factor", "a real node's task is given up after so many times its prediction"},
        at_least(1).up_to(1e6), real.deadline_factor);
    real.deadline_min_s = reader.number({"deadline_min_s", "s of wall time, not before"},
                                        above(0).up_to(1e7), real.deadline_min_s);
    return real;
  }

  // A path, or a table that says how the trace is used.
  void read_trace(TableReader& reader, NodeIdentity& identity, Behaviour& behaviour) {
    phase_step_s_ = 0;
    const base::Key key("trace", "CSV file of what changes over time, or how it is used");
    for (const bool table : reader.either<base::Value::Table>("trace")) {
      if (table) {
        read_trace_table(reader.table(key), identity, behaviour);
      } else {
        identity.trace = reader.text(key, "");
        behaviour.trace = trace(reader, "trace", identity.trace, {});
        check_use(reader, "trace", behaviour);
      }
    }
  }

  void read_trace_table(TableReader table, NodeIdentity& identity, Behaviour& behaviour) {
    identity.trace = table.text({"file", "the trace (CSV)"});
    platforms::TraceUse& use = behaviour.trace_use;
    constexpr auto times = at_least(0).up_to(longest_s);
    use.loop = table.flag({"loop", "it begins again after its end"}, false);
    use.start_s = table.number({"start_s", "s, virtual time at which it begins"}, times, 0.0);
    use.from_s = table.number({"from_s", "s of the trace that are left out in front"}, times, 0.0);
    use.to_s = table
                   .maybe_number({"to_s", "s of the trace at which it ends", "its last line"},
                                 above(0).up_to(longest_s))
                   .value_or(use.to_s);
    use.phase_s = table.number({"phase_s", "s into the loop at which it begins"}, times, 0.0);
    phase_step_s_ =
        table.number({"phase_step_s", "s of phase more for each node of the group"}, times, 0.0);
    if (!use.loop && (use.phase_s > 0 || phase_step_s_ > 0)) {
      table.error(use.phase_s > 0 ? "phase_s" : "phase_step_s", "goes with loop = true");
    }
    const std::vector<std::string> columns(platforms::column_names().begin(),
                                           platforms::column_names().end());
    const auto only = table.words({"only", "columns that are used", "all"}, columns);
    table.finish();
    behaviour.trace = trace(table, "file", identity.trace, only);
    check_use(table, "file", behaviour);
  }

  static void check_use(TableReader& reader, const char* key, const Behaviour& behaviour) {
    if (!behaviour.trace) return;
    const std::string wrong = platforms::check(*behaviour.trace, behaviour.trace_use);
    if (!wrong.empty()) reader.error(key, wrong);
  }

  // Read once; null where it cannot be. `only`: the columns that are used; empty: all.
  std::shared_ptr<const platforms::Trace> trace(TableReader& reader, const char* key,
                                                const std::string& file,
                                                const std::vector<std::string>& only) {
    if (file.empty()) return nullptr;
    const std::filesystem::path path = folder_ / file;
    std::error_code ignored;
    if (!std::filesystem::is_regular_file(path, ignored)) {
      reader.error(key, fmt::format("there is no file {}", path.string()));
      return nullptr;
    }
    auto& known = traces_[{file, only}];
    if (known) return known;
    try {
      const std::string text = base::read_text_file(path.string());
      platforms::Trace read = platforms::parse_trace(text, path.string());
      for (std::size_t c = 0; c < read.values.size() && !only.empty(); ++c) {
        const bool wanted =
            std::find(only.begin(), only.end(), platforms::column_names().at(c)) != only.end();
        if (wanted && read.values.at(c).empty()) {
          reader.error("only", fmt::format("{} has no column {}", path.string(),
                                           platforms::column_names().at(c)));
        }
        if (!wanted) read.values.at(c).clear();
      }
      known = std::make_shared<const platforms::Trace>(std::move(read));
      fleet_.traces += base::content_hash(text) + "\n";
    } catch (const base::UserError& e) {
      reader.error(key, e.what());
    }
    return known;
  }

  void read_behaviour(TableReader& reader, Behaviour& behaviour) {
    behaviour.slowdown = reader.number(slowdown_key, above(0).up_to(1e6), 1.0);
    behaviour.jitter =
        reader.number({"jitter", "sigma of a log-normal factor on what each activity takes"},
                      at_least(0).up_to(3), 0.0);
    if (reader.has("load")) {
      behaviour.load = load(reader.table({"load", "another user of the processor"}));
    }
    if (reader.has("traffic")) behaviour.traffic = load(reader.table(traffic_key));
    double free_from = 0;
    for (TableReader& outage : reader.tables({"outages", "times at which the node is away"})) {
      Outage o;
      o.at_s = outage.number({"at_s", "s, virtual, when it goes"}, at_least(0).up_to(longest_s));
      o.for_s = outage.number({"for_s", "s until it comes back"}, above(0).up_to(longest_s));
      outage.finish();
      if (o.at_s < free_from) {
        outage.error("at_s",
                     fmt::format("begins before the outage above it ends, at {} s", free_from));
      }
      free_from = o.at_s + o.for_s;
      behaviour.outages.push_back(o);
    }
    if (reader.has("random_outages")) {
      TableReader random = reader.table({"random_outages", "drawn times at which it is away"});
      RandomOutages r;
      r.mean_up_s =
          random.number({"mean_up_s", "s, mean time that it is there"}, above(0).up_to(longest_s));
      r.mean_down_s =
          random.number({"mean_down_s", "s, mean time that it is away"}, above(0).up_to(longest_s));
      random.finish();
      behaviour.random_outages = r;
      if (!behaviour.outages.empty()) {
        reader.error("random_outages", "give either outages or random_outages");
      }
    }
    behaviour.lost_at_s = reader.maybe_number({"lost_at_s", "s, virtual, when it goes for good"},
                                              at_least(0).up_to(longest_s));
    behaviour.joins_at_s =
        reader.number({"joins_at_s", "s, virtual, when it comes for the first time"},
                      at_least(0).up_to(longest_s), 0.0);
    if (behaviour.lost_at_s && *behaviour.lost_at_s <= behaviour.joins_at_s) {
      reader.error("lost_at_s", "comes before the node is there: joins_at_s is later");
    }
  }

  static constexpr base::Key slowdown_key{"slowdown", "factor on the time of all computing"};
  static constexpr base::Key traffic_key{"traffic", "another user of the link"};
  static constexpr base::Key concurrent_transfers_key{
      "concurrent_transfers", "transfers at a time, others wait; 0: any number"};

  static BackgroundLoad load(TableReader reader) {
    BackgroundLoad load;
    load.share =
        reader.number({"share", "share of the resource that it takes away"}, at_least(0).below(1));
    if (reader.has("period_s")) read_turns(reader, load);
    reader.finish();
    return load;
  }

  static void read_turns(TableReader& reader, BackgroundLoad& load) {
    const auto period = reader.maybe_number(
        {"period_s", "s from one turn to the next; goes with busy_s", "all the time"},
        at_least(shortest_period_s).up_to(longest_s));
    const auto busy = reader.maybe_number({"busy_s", "s that a turn lasts, below period_s"},
                                          above(0).up_to(longest_s));
    load.offset_s = reader.number({"offset_s", "s, virtual, of the first turn"},
                                  at_least(0).up_to(longest_s), 0.0);
    load.period_s = period.value_or(0);
    load.busy_s = busy.value_or(0);
    if (!reader.has("busy_s")) reader.error("busy_s", "missing; goes with period_s");
    if (period && busy && *busy >= *period) reader.error("busy_s", "must be below period_s");
  }

  platforms::Catalogue& catalogue_;
  std::filesystem::path folder_;
  std::map<std::pair<std::string, std::vector<std::string>>,
           std::shared_ptr<const platforms::Trace>>
      traces_;               // by file and columns
  double phase_step_s_ = 0;  // of the group that is read
  Fleet fleet_;
  std::map<std::string, int> shared_;
  std::set<std::string> names_;
  std::map<std::string, int> next_number_;
  std::map<std::pair<const platforms::Device*, const platforms::PowerMode*>,
           std::shared_ptr<const platforms::Machine>>
      machines_;
};

// [fleet.mix] into groups of nodes.
void expand_mix(base::Value& root, base::Diagnostics& problems) {
  base::Value* fleet = root.find("fleet");
  const base::Value* mix = fleet != nullptr ? fleet->find("mix") : nullptr;
  if (mix == nullptr) return;
  const base::Location where = mix->where;
  if (fleet->find("nodes") != nullptr) {
    problems.error(where, "fleet.mix: give either mix, or nodes or use");
    return;
  }
  const int before = problems.errors();
  const Mix read = read_mix(TableReader(*mix, "fleet.mix", problems));
  if (problems.errors() > before) return;
  double sum = 0;
  for (const auto& [device, weight] : read.weights) sum += weight;
  // Whole nodes: each its share rounded down, the rest to those that lost most by it.
  std::vector<std::pair<double, std::size_t>> lost;
  std::vector<std::int64_t> counts;
  std::int64_t left = read.nodes;
  for (std::size_t i = 0; i < read.weights.size(); ++i) {
    const double exact = static_cast<double>(read.nodes) * read.weights[i].second / sum;
    counts.push_back(static_cast<std::int64_t>(exact + 1e-9));
    left -= counts.back();
    lost.emplace_back(static_cast<double>(counts.back()) - exact, i);
  }
  std::sort(lost.begin(), lost.end());
  for (std::size_t k = 0; left > 0; ++k, --left) ++counts[lost[k % lost.size()].second];
  base::Value::Array groups;
  for (std::size_t i = 0; i < read.weights.size(); ++i) {
    if (counts[i] == 0) continue;
    base::Value group = read.each;
    group.where = where;
    group.set("device", base::Value(read.weights[i].first, where));
    group.set("count", base::Value(counts[i], where));
    groups.push_back(std::move(group));
  }
  fleet->erase("mix");
  fleet->set("nodes", base::Value(std::move(groups), where));
}

}  // namespace

void expand_fleet(base::Value& root, platforms::Catalogue& catalogue, base::Diagnostics& problems) {
  expand_mix(root, problems);
  base::Value* fleet = root.find("fleet");
  const base::Value* use = fleet != nullptr ? fleet->find("use") : nullptr;
  if (use == nullptr || use->as<std::string>() == nullptr) return;  // a wrong type: read_fleet
  const base::Location where = use->where;
  const std::string name = *use->as<std::string>();
  const base::Value* file = catalogue.fleet(name);
  if (file == nullptr) {
    if (platforms::Catalogue::is_path(name)) return;  // reported by the catalogue
    const auto names = platforms::Catalogue::fleet_names();
    problems.error(where,
                   fmt::format("fleet.use: \"{}\" is not in the catalogue (known: {}; or a "
                               "path to a .toml file){}",
                               name, base::list_of(names, "and"), base::did_you_mean(name, names)));
    return;
  }
  if (fleet->find("nodes") != nullptr) {
    problems.error(where, "fleet.use: give either use or nodes");
    return;
  }
  for (const base::Entry& e : *file->as<base::Value::Table>()) {
    const bool known = e.key == "nodes" || e.key == "server" || e.key == "shared_links";
    if (!known && e.key != "name" && e.key != "description") {
      problems.error(e.where, fmt::format("unknown key \"{}\" in a fleet", e.key));
    }
    if (known && fleet->find(e.key) == nullptr) fleet->set(e.key, e.value);
  }
  fleet->erase("use");
}

Fleet read_fleet(base::TableReader reader, platforms::Catalogue& catalogue,
                 const std::filesystem::path& folder) {
  return FleetReader(catalogue, folder).read(reader);
}

}  // namespace convoy::sim
