#include "cli/scenario_text.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "base/text.hpp"
#include "cli/table.hpp"

namespace convoy::cli {
namespace {

using base::human_seconds;

std::string load_text(const sim::BackgroundLoad& load) {
  std::string text = fmt::format("{:.4g} %", 100 * load.share);
  if (load.period_s > 0) {
    text += fmt::format(" for {} of every {}", human_seconds(load.busy_s),
                        human_seconds(load.period_s));
  }
  return text;
}

// "speed and power of traces/throttling.csv, repeated"
std::string trace_text(const std::string& path, const sim::Behaviour& behaviour) {
  const platforms::Trace& trace = *behaviour.trace;
  const platforms::TraceUse& use = behaviour.trace_use;
  std::vector<std::string> columns;
  for (const auto& [column, word] : platforms::column_words) {
    if (trace.has(column) && *platforms::driven_by(column) != '\0') columns.emplace_back(word);
  }
  std::string text = fmt::format("trace {}{} ({})", path, trace.synthetic ? ", synthetic" : "",
                                 base::list_of(columns, "and"));
  if (use.from_s > 0) text += ", from " + human_seconds(use.from_s);
  if (std::isfinite(use.to_s)) text += ", to " + human_seconds(use.to_s);
  if (use.start_s > 0) text += ", starts at " + human_seconds(use.start_s);
  if (use.loop) text += ", repeated";
  return text;
}

// How a node differs from its profile; its offset into a trace is left out, so that nodes that
// follow one trace stand together.
std::vector<std::string> behaviour_texts(const sim::NodeConfig& node, const std::string& trace) {
  const sim::Behaviour& b = node.behaviour;
  std::vector<std::string> texts;
  if (b.trace) texts.push_back(trace_text(trace, b));
  if (b.slowdown != 1) texts.push_back(fmt::format("computes {:.4g} times as long", b.slowdown));
  if (b.jitter > 0) {
    texts.push_back(
        fmt::format("jitter: log-normal factor with sigma {:.4g} on each compute", b.jitter));
  }
  if (b.load) texts.push_back("another load takes " + load_text(*b.load) + " of the processor");
  if (b.traffic) texts.push_back("other traffic takes " + load_text(*b.traffic) + " of its link");
  for (const sim::Outage& outage : b.outages) {
    texts.push_back(
        fmt::format("away at {} for {}", human_seconds(outage.at_s), human_seconds(outage.for_s)));
  }
  if (b.random_outages) {
    texts.push_back(fmt::format("random outages: present {}, away {} on average",
                                human_seconds(b.random_outages->mean_up_s),
                                human_seconds(b.random_outages->mean_down_s)));
  }
  if (b.joins_at_s > 0) texts.push_back("joins at " + human_seconds(b.joins_at_s));
  if (b.lost_at_s) texts.push_back("gone for good at " + human_seconds(*b.lost_at_s));
  return texts;
}

// Neighbours that share what is kept of them.
struct Alike {
  const sim::NodeConfig* config = nullptr;
  sim::NodeId first = 0;
  sim::NodeId count = 0;
};

template <class Visit>
void for_each_group(const sim::Scenario& scenario, Visit visit) {
  const auto& nodes = scenario.world.nodes;
  for (std::size_t g = 0; g < nodes.group_count(); ++g) {
    const auto group = nodes.group(g);
    visit(Alike{group.value, static_cast<sim::NodeId>(group.first),
                static_cast<sim::NodeId>(group.size())});
  }
}

struct Names {
  std::string first;
  std::string second;
  std::string last;
  std::int64_t count = 0;
};

std::string names_text(const Names& names) {
  if (names.count == 1) return names.first;
  if (names.count == 2) return names.first + ", " + names.second;
  return fmt::format("{} ... {} ({} nodes)", names.first, names.last, names.count);
}

// Rows in the order of their first nodes.
class ByText {
 public:
  void add(const Alike& nodes, std::vector<std::string> row) {
    const auto [at, is_new] = places_.try_emplace(row, rows_.size());
    if (is_new) rows_.push_back({std::move(row), {}});
    Names& names = rows_[at->second].second;
    if (names.count == 0) names.first = nodes.config->name.of(nodes.first);
    if (names.count == 0 && nodes.count > 1) names.second = nodes.config->name.of(nodes.first + 1);
    if (names.count == 1) names.second = nodes.config->name.of(nodes.first);
    names.count += nodes.count;
    names.last = nodes.config->name.of(nodes.first + nodes.count - 1);
  }
  [[nodiscard]] const auto& rows() const { return rows_; }

 private:
  std::map<std::vector<std::string>, std::size_t> places_;
  std::vector<std::pair<std::vector<std::string>, Names>> rows_;
};

std::string links_text(const sim::Scenario& scenario) {
  ByText links;
  for_each_group(scenario, [&](const Alike& nodes) {
    const sim::NodeConfig& node = *nodes.config;
    const bool shares = node.shared_link >= 0;
    links.add(nodes,
              {scenario.identities[nodes.first].link, base::human_rate(node.link.down_bps),
               base::human_rate(node.link.up_bps), human_seconds(node.link.latency_s),
               std::string(name_of(platforms::duplex_words, node.link.duplex)),
               shares ? scenario.world.shared_links[static_cast<std::size_t>(node.shared_link)].name
                      : ""});
  });
  Table table({"<link", "down", "up", "latency", "<duplex", "<via", "<of"});
  for (const auto& [row, nodes] : links.rows()) {
    std::vector<std::string> cells = row;
    cells.push_back(names_text(nodes));
    table.add(std::move(cells));
  }
  std::string text = "\nLinks\n" + table.str();
  if (scenario.world.shared_links.empty()) return text;
  Table shared({"<shared link", "down", "up", "latency", "<duplex", "<other traffic"});
  for (const sim::SharedLinkConfig& s : scenario.world.shared_links) {
    shared.add({s.name, base::human_rate(s.link.down_bps), base::human_rate(s.link.up_bps),
                human_seconds(s.link.latency_s),
                std::string(name_of(platforms::duplex_words, s.link.duplex)),
                s.traffic ? load_text(*s.traffic) : ""});
  }
  return text + "\nShared links, each used by all nodes via it\n" + shared.str();
}

std::string behaviours_text(const sim::Scenario& scenario) {
  ByText behaviours;
  for_each_group(scenario, [&](const Alike& nodes) {
    const auto texts = behaviour_texts(*nodes.config, scenario.identities[nodes.first].trace);
    if (!texts.empty()) behaviours.add(nodes, texts);
  });
  if (behaviours.rows().empty()) return "";
  Table table({"<node", "<differs from its profile"});
  constexpr std::size_t most = 8;  // lines per group: outages can be many
  for (const auto& [texts, nodes] : behaviours.rows()) {
    for (std::size_t i = 0; i < std::min(texts.size(), most); ++i) {
      table.add({i == 0 ? names_text(nodes) : "", texts[i]});
    }
    if (texts.size() > most) table.add({"", fmt::format("... and {} more", texts.size() - most)});
  }
  return "\nBehaviour\n" + table.str();
}

}  // namespace

std::string world_text(const sim::Scenario& scenario) {
  return links_text(scenario) + behaviours_text(scenario);
}

std::string goals_text(const sim::Scenario& scenario) {
  const sim::StopOptions& stop = scenario.stop;
  std::vector<std::string> goals;
  if (stop.rounds) goals.push_back(fmt::format("{} aggregations", *stop.rounds));
  if (stop.tasks) goals.push_back(fmt::format("{} aggregated updates", *stop.tasks));
  if (stop.accuracy) {
    goals.push_back(fmt::format("an evaluation with {:.6g} % accuracy", 100 * *stop.accuracy));
  }
  if (stop.virtual_time_s) {
    goals.push_back(fmt::format("{} of virtual time", human_seconds(*stop.virtual_time_s)));
  }
  if (goals.empty()) return "";
  std::string text = goals.size() > 1
                         ? fmt::format("Ends at the first of: {}.", fmt::join(goals, ", "))
                         : "Ends after " + goals.front() + ".";
  if (scenario.evaluation.target) {
    text += fmt::format(" Reports the time to an accuracy of {:.6g} %.",
                        100 * *scenario.evaluation.target);
  }
  return text + "\n";
}

std::string sweep_text(const sim::Sweep& sweep) {
  const std::vector<std::string> keys = sweep.keys();
  std::vector<std::vector<std::string>> values(keys.size());
  for (std::size_t point = 0; point < sweep.size(); ++point) {
    const std::vector<std::string> settings = sweep.settings(point);
    for (std::size_t k = 0; k < keys.size(); ++k) {
      const std::string text = settings[k].empty() ? "(as in the file)" : settings[k];
      if (std::ranges::find(values[k], text) == values[k].end()) values[k].push_back(text);
    }
  }
  constexpr std::size_t most = 12;
  Table table({"<key", "<values"});
  for (std::size_t k = 0; k < keys.size(); ++k) {
    const std::size_t shown = std::min(values[k].size(), most);
    std::string text = fmt::format(
        "{}",
        fmt::join(values[k].begin(), values[k].begin() + static_cast<std::ptrdiff_t>(shown), ", "));
    if (shown < values[k].size()) text += fmt::format(" and {} more", values[k].size() - shown);
    table.add({keys[k], std::move(text)});
  }
  return fmt::format(
      "\nSweep of {} points; all above is about one run, of the file without the sweep\n{}",
      sweep.size(), table.str());
}

}  // namespace convoy::cli
