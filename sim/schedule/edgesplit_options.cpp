#include "sim/schedule/edgesplit_options.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/text.hpp"
#include "sim/schedule/split_keys.hpp"

namespace convoy::sim {
namespace {

using base::TableReader;
using base::Value;

// A name, or a position as a number.
std::string read_cut_text(TableReader& reader, const base::Key& key) {
  std::string text;
  for (const bool number : reader.either<std::int64_t>(key.name)) {
    if (number) {
      const auto position = reader.maybe_integer(key, base::at_least(1).up_to(1e6));
      text = std::to_string(position.value_or(1));
    } else {
      text = reader.text(key, "");
    }
  }
  return text;
}

std::map<std::string, std::string> read_cuts(TableReader& own) {
  static constexpr base::Key key{"cuts",
                                 "the last layer or block on the devices, or a position: of all, "
                                 "or a table by names of nodes, "
                                 "of groups of nodes or of devices",
                                 "planned"};
  std::map<std::string, std::string> cuts;
  if (!own.has(key.name)) return cuts;
  for (const bool table : own.either<Value::Table>(key.name)) {
    if (!table) {
      cuts[""] = read_cut_text(own, key);
      continue;
    }
    TableReader by_name = own.table(key);
    for (const std::string& name : by_name.keys()) {
      cuts[name] = read_cut_text(by_name, {name, "the cut of these nodes"});
    }
  }
  if (own.describes()) return {};
  return cuts;
}

void read_shares(TableReader& own, EdgeSplitOptions& options) {
  static constexpr base::Key key{
      "share",
      "shares of the bandwidth: planned with the cuts, equal, or a table of shares by names of "
      "nodes, of groups of nodes or of devices"};
  static constexpr base::Words<BandwidthShares> words = {{BandwidthShares::planned, "planned"},
                                                         {BandwidthShares::equal, "equal"}};
  for (const bool table : own.either<Value::Table>(key.name)) {
    if (!table) {
      options.shares = own.choice(key, words, BandwidthShares::planned);
      continue;
    }
    TableReader by_name = own.table(key);
    for (const std::string& name : by_name.keys()) {
      options.shares_by_hand[name] =
          by_name.maybe_number({name, "share of each of these nodes"}, base::above(0).up_to(1))
              .value_or(1);
    }
    if (!own.describes()) options.shares = BandwidthShares::by_hand;
  }
}

void read_replan(TableReader reader, EdgeSplitOptions& options) {
  static constexpr base::Words<bool> costs = {{false, "nothing"}, {true, "weights"}};
  ReplanOptions& replan = options.replan;
  replan.change = reader.number(
      {"change",
       "a speed or a link that differs so much from the plan's, relative to it, makes a "
       "new plan"},
      base::above(0).up_to(1e6), replan.change);
  if (const auto period = reader.maybe_number(
          {"period_s", "a plan older than this is made anew, s", "never"}, base::above(0))) {
    replan.period_s = *period;
  }
  replan.horizon_rounds =
      reader.number({"horizon_rounds", "rounds over which the gain of new cuts counts"},
                    base::at_least(0).up_to(1e9), replan.horizon_rounds);
  replan.factor =
      reader.number({"factor", "new cuts must gain more than so many times what their move costs"},
                    base::at_least(1).up_to(1e6), replan.factor);
  options.moves_cost = reader.choice(
      {"cost",
       "what a move of cuts costs: nothing, since each round brings the whole part, or "
       "sending the weights that move"},
      costs, options.moves_cost);
  options.observe = static_cast<int>(reader.integer(
      {"observe", "speeds and links are observed in one of so many rounds; 0: never"},
      base::at_least(0).up_to(1e9), options.observe));
  options.probe_after = static_cast<int>(
      reader.integer({"probe_after",
                      "observed tasks in a row without a slow transfer after which a "
                      "link that was slow is tried at twice its rate"},
                     base::at_least(1).up_to(1e9), options.probe_after));
  reader.finish();
}

}  // namespace

EdgeSplitOptions read_edgesplit(TableReader& common, TableReader& own) {
  static constexpr base::Words<bool> server = {{true, "shared"}, {false, "not"}};
  static constexpr base::Words<bool> labels = {{false, "server"}, {true, "device"}};
  EdgeSplitOptions options{read_rounds(common, own)};
  options.cuts = read_cuts(own);
  read_shares(own, options);
  static constexpr base::Words<SharesHold> holds = {{SharesHold::at_most, "limit"},
                                                    {SharesHold::at_least, "guarantee"},
                                                    {SharesHold::nothing, "nothing"}};
  options.shares_hold = own.choice(
      {"hold",
       "what planned rates and shares of the server are: a limit, and what a device leaves nobody "
       "takes; a guarantee, and others take it; or nothing: cuts alone count"},
      holds, options.shares_hold);
  options.clients.when_full = read_when_full(own);
  options.problem.server_is_shared =
      own.choice({"server",
                  "the devices get planned shares of the server's compute, or the plan takes it to "
                  "be free"},
                 server, options.problem.server_is_shared);
  options.problem.labels_stay =
      own.choice({"labels", "who holds the labels; a device that does has the last layer, too"},
                 labels, options.problem.labels_stay);
  options.problem.recompute =
      own.flag({"recompute", "activations are computed again instead of kept, on both sides"},
               options.problem.recompute);
  if (const auto mbps = own.maybe_number({"bandwidth_mbps", "that the devices share, Mbit/s",
                                          "the server's link, its slower "
                                          "direction"},
                                         base::above(0).up_to(1e9))) {
    options.problem.bandwidth_bytes_per_s = *mbps * 1e6 / 8;
  }
  read_replan(own.table({"replan", "when a plan is made anew"}), options);
  return options;
}

std::vector<std::string> keys_for(const NodeSetting& node, NodeId id) {
  const std::string name = node.name.of(id);
  std::vector<std::string> keys = {name};
  const std::size_t dash = name.rfind('-');
  if (dash != std::string::npos && base::as_integer(name.substr(dash + 1))) {
    keys.push_back(name.substr(0, dash));
  }
  keys.push_back(node.machine->device);
  keys.emplace_back();
  return keys;
}

void require_known_names(const Setting& setting, const std::vector<std::string>& names,
                         const std::string& key) {
  std::set<std::string> known;
  for (std::size_t i = 1; i < setting.nodes.size(); ++i) {
    for (const std::string& name : keys_for(setting.nodes[i], static_cast<NodeId>(i)))
      known.insert(name);
  }
  for (const std::string& name : names) {
    if (known.contains(name)) continue;
    std::vector<std::string> all(known.begin(), known.end());
    std::erase(all, "");
    throw base::UserError(
        fmt::format("{}: no node, group of nodes or device of the fleet is called \"{}\"{}", key,
                    name, base::did_you_mean(name, all)));
  }
}

}  // namespace convoy::sim
