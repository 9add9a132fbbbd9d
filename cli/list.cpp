// convoy list: the names that a scenario may use, each with what is behind it.

#include <fmt/format.h>

#include <memory>

#include "analysis/json.hpp"
#include "base/diagnostics.hpp"
#include "base/text.hpp"
#include "base/value.hpp"
#include "cli/command_line.hpp"
#include "cli/table.hpp"
#include "cli/verbs.hpp"
#include "engine/model/architecture.hpp"
#include "engine/model/costs.hpp"
#include "engine/model/trace.hpp"
#include "engine/rules/registry.hpp"
#include "platforms/catalogue.hpp"
#include "sim/schedule/schedule.hpp"

namespace convoy::cli {
namespace {

using Rows = std::vector<std::vector<std::string>>;

// Rows about devices, links or fleets that are built in.
template <class AddRows>
Rows built_in(const std::vector<std::string>& names, const AddRows& add_rows) {
  base::Diagnostics problems;
  platforms::Catalogue catalogue(".", problems);
  Rows rows;
  for (const std::string& name : names) add_rows(catalogue, name, rows);
  if (problems.has_errors()) throw std::logic_error(problems.str());
  return rows;
}

Rows devices() {
  return built_in(platforms::Catalogue::device_names(), [](platforms::Catalogue& catalogue,
                                                           const std::string& name, Rows& rows) {
    const platforms::Device& d = *catalogue.device(name);
    rows.push_back({name, d.default_mode, base::human_bytes(d.capacity.value), d.description});
  });
}

Rows modes() {
  return built_in(platforms::Catalogue::device_names(), [](platforms::Catalogue& catalogue,
                                                           const std::string& name, Rows& rows) {
    const platforms::Device& d = *catalogue.device(name);
    for (const std::string& mode_name : d.mode_names()) {
      const platforms::PowerMode& mode = *d.mode(mode_name);
      const auto& peak = mode.peak[platforms::index_of(engine::Number::fp32)];
      rows.push_back({name, mode_name + (mode_name == d.default_mode ? " (default)" : ""),
                      peak ? fmt::format("{:.0f}", peak->value / 1e9) : "",
                      fmt::format("{:.1f}", mode.memory_bandwidth.value / 1e9),
                      fmt::format("{:.1f}", mode.idle_w.value),
                      fmt::format("{:.1f}", mode.busy_w.value)});
    }
  });
}

Rows links() {
  return built_in(platforms::Catalogue::link_names(), [](platforms::Catalogue& catalogue,
                                                         const std::string& name, Rows& rows) {
    const platforms::Link& l = *catalogue.link(name);
    rows.push_back({name, base::human_rate(l.down_bps), base::human_rate(l.up_bps),
                    base::human_seconds(l.latency_s),
                    std::string(name_of(platforms::duplex_words, l.duplex)), l.description});
  });
}

std::string text_in(const base::Value& table, const char* key) {
  const base::Value* value = table.find(key);
  const std::string* text = value == nullptr ? nullptr : value->as<std::string>();
  return text == nullptr ? "" : *text;
}

Rows fleets() {
  return built_in(platforms::Catalogue::fleet_names(), [](platforms::Catalogue& catalogue,
                                                          const std::string& name, Rows& rows) {
    const base::Value& fleet = *catalogue.fleet(name);
    std::int64_t nodes = 0;
    std::string devices;
    for (const base::Value& node : *fleet.find("nodes")->as<base::Value::Array>()) {
      const base::Value* count = node.find("count");
      const std::int64_t some = count == nullptr ? 1 : *count->as<std::int64_t>();
      nodes += some;
      devices += fmt::format("{}{} {}", devices.empty() ? "" : ", ", some, text_in(node, "device"));
    }
    rows.push_back({name, fmt::format("{}", nodes), devices, text_in(fleet, "description")});
  });
}

// "timing only", "or mobilenetv2" (another spelling), or nothing.
std::string remark_on(const engine::Architecture& a) {
  if (a.per_pixel) return "timing only";
  for (const std::string& spelling : engine::architecture_spellings()) {
    if (spelling != a.name && engine::architecture_name(spelling) == a.name) {
      return "or " + spelling;
    }
  }
  return "";
}

Rows architectures() {
  Rows rows;
  for (const std::string& name : engine::architecture_names()) {
    // As a scenario that names nothing but the architecture has it.
    base::Diagnostics problems;
    const base::Value table =
        base::parse_toml(fmt::format("architecture = \"{}\"", name), name, problems);
    base::TableReader reader(table, "model", problems);
    const engine::Architecture a = engine::make_architecture(engine::read_model(reader));
    const engine::Trace trace = engine::trace(a, engine::full_submodel(a));
    double flops = 0;
    for (const double layer : engine::forward_flops(trace)) flops += layer;
    rows.push_back({name,
                    a.input == engine::InputKind::image
                        ? fmt::format("{} x {} x {}", a.channels, a.height, a.width)
                        : fmt::format("{} tokens", a.sequence),
                    fmt::format("{:.2f} M", trace.parameters() / 1e6),
                    fmt::format("{:.3g}", flops / 1e9), fmt::format("{}", a.depth()),
                    fmt::format("{}", a.exits.size()), remark_on(a)});
  }
  return rows;
}

Rows schedules() {
  Rows rows;
  for (const sim::ScheduleKind& kind : sim::schedule_kinds()) {
    rows.push_back({kind.name, kind.meaning});
  }
  return rows;
}

Rows rules() {
  Rows rows;
  for (const engine::RuleKind& kind : engine::rule_kinds()) {
    rows.push_back({kind.name, kind.meaning});
  }
  return rows;
}

struct Topic {
  std::string name;
  std::string meaning;
  std::string key;  // of a scenario
  std::vector<std::string> headings;
  Rows (*rows)();
};

const std::vector<Topic>& topics() {
  static const std::vector<Topic> all = {
      {"devices",
       "Devices of nodes and servers",
       "fleet.nodes.0.device",
       {"<device", "<usual mode", "memory", "<what it is"},
       devices},
      {"modes",
       "Power modes of the devices",
       "fleet.nodes.0.mode",
       {"<device", "<mode", "FP32 GFLOP/s", "memory GB/s", "idle W", "full load W"},
       modes},
      {"links",
       "Links of nodes to the server",
       "fleet.nodes.0.link",
       {"<link", "down", "up", "latency", "<duplex", "<what it is"},
       links},
      {"fleets",
       "Fleets of devices and links",
       "fleet.use",
       {"<fleet", "nodes", "<devices", "<what it is"},
       fleets},
      {"architectures",
       "Models",
       "model.architecture",
       {"<architecture", "<input", "parameters", "GFLOP a sample", "blocks", "exits", "<"},
       architectures},
      {"schedules", "Schedules", "schedule.kind", {"<schedule", "<what it does"}, schedules},
      {"rules",
       "Aggregation rules",
       "schedule.aggregation.rule",
       {"<rule", "<what it does"},
       rules}};
  return all;
}

struct ListArguments {
  std::string topic;
  bool json = false;
};

const Topic& topic_called(const std::string& name) {
  std::vector<std::string> names;
  for (const Topic& topic : topics()) {
    if (topic.name == name) return topic;
    names.push_back(topic.name);
  }
  throw base::UserError(fmt::format("there is no list of \"{}\"{}; there are lists of {}", name,
                                    base::did_you_mean(name, names), base::list_of(names, "and")));
}

int list(const ListArguments& arguments) {
  if (arguments.topic.empty() && arguments.json) {
    analysis::Json names = analysis::Json::array();
    for (const Topic& topic : topics()) names.push_back(topic.name);
    fmt::print("{}\n", names.dump(2));
    return ExitStatus::done;
  }
  if (arguments.topic.empty()) {
    Table table({"<command", "<lists", "<key of a scenario"});
    for (const Topic& topic : topics()) {
      table.add({"convoy list " + topic.name, topic.meaning, topic.key});
    }
    fmt::print("{}", table.str());
    return ExitStatus::done;
  }
  const Topic& topic = topic_called(arguments.topic);
  const Rows rows = topic.rows();
  if (arguments.json) {
    analysis::Json names = analysis::Json::array();
    for (const std::vector<std::string>& row : rows) {
      if (names.empty() || names.back() != row.front()) names.push_back(row.front());
    }
    fmt::print("{}\n", names.dump(2));
    return ExitStatus::done;
  }
  Table table(topic.headings);
  for (const std::vector<std::string>& row : rows) table.add(row);
  fmt::print("{}, for {}:\n{}", topic.meaning, topic.key, table.str());
  return ExitStatus::done;
}

}  // namespace

void add_list(CLI::App& app, int& status) {
  auto* verb = app.add_subcommand("list", "Show the names that a scenario may use");
  auto arguments = std::make_shared<ListArguments>();
  verb->add_option("what", arguments->topic,
                   "devices, modes, links, fleets, architectures, schedules or rules");
  verb->add_flag("--json", arguments->json, "Print the names as a JSON array");
  add_wide(*verb);
  add_examples(*verb, {"convoy list devices", "convoy list architectures"});
  verb->callback([arguments, &status] { status = list(*arguments); });
}

}  // namespace convoy::cli
