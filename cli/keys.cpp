// convoy keys: lists the keys of a scenario.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <map>
#include <memory>
#include <sstream>

#include "base/diagnostics.hpp"
#include "base/text.hpp"
#include "cli/command_line.hpp"
#include "cli/key_schema.hpp"
#include "cli/verbs.hpp"
#include "sim/scenario/scenario.hpp"

namespace convoy::cli {
namespace {

using base::KeyForm;
using base::KeyRow;
using base::KeyType;

constexpr std::size_t width = 100;
constexpr std::size_t name_width = 21;
constexpr std::size_t type_width = 38;
constexpr std::size_t default_width = 22;

struct KeysArguments {
  std::string prefix;
  bool schema = false;
};

bool is_number(std::string_view part) {
  return part == "N" || (!part.empty() && std::all_of(part.begin(), part.end(), [](char c) {
           return std::isdigit(static_cast<unsigned char>(c)) != 0;
         }));
}

// "fleet.nodes.N.link" and "fleet.nodes.0.link" -> "fleet.nodes.link", as TOML names tables.
std::string without_numbers(const std::string& path) {
  std::string text;
  std::istringstream parts(path);
  for (std::string part; std::getline(parts, part, '.');) {
    if (!is_number(part)) text += (text.empty() ? "" : ".") + part;
  }
  return text;
}

// --- one row ------------------------------------------------------------------------------------

std::string quoted(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words)
    text += fmt::format("{}\"{}\"", text.empty() ? "" : " ", word);
  return text;
}

// 1e15 rather than its fifteen zeros.
std::string shown(double number) {
  std::string text = fmt::format("{:.6g}", number);
  if (const auto at = text.find("e+0"); at != std::string::npos) text.replace(at, 3, "e");
  if (const auto at = text.find("e+"); at != std::string::npos) text.replace(at, 2, "e");
  return text;
}

// " > 0, <= 1"
std::string shown(const base::Range& range) {
  std::string text;
  if (!std::isinf(range.low))
    text = fmt::format(" {} {}", range.low_open ? ">" : ">=", shown(range.low));
  if (std::isinf(range.high)) return text;
  return fmt::format("{}{} {} {}", text, text.empty() ? "" : ",",
                     range.high_open ? "<" : "<=", shown(range.high));
}

std::string shown(const KeyForm& form) {
  switch (form.type) {
    case KeyType::text:
      return "text";
    case KeyType::number:
      return "number" + shown(form.range);
    case KeyType::integer:
      return "integer" + shown(form.range);
    case KeyType::flag:
      return "true or false";
    case KeyType::choice: {
      const std::string words = quoted(form.words);
      return words.size() <= type_width ? words : "one of the words below";
    }
    case KeyType::numbers:
      return "array of numbers" + shown(form.range);
    case KeyType::words:
      return "array of some of the words below";
    case KeyType::table:
      return "table";
    case KeyType::tables:
      return "array of tables";
    case KeyType::array:
      return "array";
  }
  return "";
}

// As a scenario would give it, on one line.
std::string shown(const base::Value& value) {
  if (const auto* number = value.as<double>()) return shown(*number);
  if (const auto* text = value.as<std::string>()) return '"' + *text + '"';
  std::vector<std::string> items;
  if (const auto* array = value.as<base::Value::Array>()) {
    for (const base::Value& item : *array) items.push_back(shown(item));
    return fmt::format("[{}]", fmt::join(items, ", "));
  }
  if (const auto* table = value.as<base::Value::Table>()) {
    for (const base::Entry& e : *table)
      items.push_back(fmt::format("{} = {}", e.key, shown(e.value)));
    return fmt::format("{{ {} }}", fmt::join(items, ", "));
  }
  return base::to_text(value);
}

// "kind" where the choice stands in the same table, else with its table: "optimizer.kind".
std::string named(const std::string& path, const KeyRow& row) {
  const std::string section = row.section();
  if (!section.empty() && path.starts_with(section + ".")) return path.substr(section.size() + 1);
  return without_numbers(path);
}

std::string with(const base::KeyCondition& condition, const KeyRow& row) {
  return fmt::format("with {} = {}", named(condition.path, row), base::list_of(condition.words));
}

// The meaning, and details that do not fit into the first line.
std::string details(const KeyRow& row) {
  std::string text = row.meaning;
  for (const base::KeyCondition& condition : row.conditions) {
    if (condition.path != sim::schedule_key) text += "; only " + with(condition, row);
  }
  for (const auto& [condition, fallback] : row.other_fallbacks) {
    text += fmt::format("; default {} {}", shown(fallback), with(condition, row));
  }
  for (const KeyForm& form : row.forms) {
    const bool long_choice = form.type == KeyType::choice && quoted(form.words).size() > type_width;
    if (long_choice || form.type == KeyType::words) text += ": " + quoted(form.words);
  }
  return text;
}

std::string default_of(const KeyRow& row) {
  if (row.required) return "required";
  if (!row.otherwise.empty() && !row.fallback) return row.otherwise;
  if (!row.fallback) return row.any_name ? "" : "none";
  return row.otherwise.empty() ? shown(*row.fallback) : row.otherwise;
}

std::string kinds_of(const KeyRow& row) {
  for (const base::KeyCondition& condition : row.conditions) {
    if (condition.path == sim::schedule_key) return base::list_of(condition.words, "and");
  }
  return "all";
}

// Lines of at most `width` characters, each after `indent` blanks.
std::string wrapped(const std::string& text, std::size_t indent) {
  std::string lines;
  std::string line;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    if (!line.empty() && indent + line.size() + 1 + word.size() > width) {
      lines += std::string(indent, ' ') + line + "\n";
      line.clear();
    }
    line += (line.empty() ? "" : " ") + word;
  }
  return line.empty() ? lines : lines + std::string(indent, ' ') + line + "\n";
}

// --- the table ----------------------------------------------------------------------------------

// True for a table whose keys are listed under their own heading.
bool only_a_table(const KeyRow& row) {
  return std::all_of(row.forms.begin(), row.forms.end(), [](const KeyForm& form) {
    const bool table = form.type == KeyType::table || form.type == KeyType::tables;
    return table && form.like.empty();
  });
}

class KeyTable {
 public:
  explicit KeyTable(std::vector<KeyRow> rows) : rows_(std::move(rows)) {}

  [[nodiscard]] std::string str() const {
    std::vector<std::string> sections;
    for (const KeyRow& row : rows_) {
      const std::string section = row.section();
      if (std::find(sections.begin(), sections.end(), section) == sections.end()) {
        sections.push_back(section);
      }
    }
    std::string text = line_of({"key", "values", "default", "kinds"}) + "\n";
    std::map<std::string, std::string> written;  // tables by their text
    for (const std::string& section : sections) {
      std::string keys = section_text(section);
      if (keys.empty()) continue;
      // Equal tables (links, loads) are described once.
      const auto [first, fresh] = written.try_emplace(keys, table_of(section));
      if (!fresh) keys = fmt::format("  the same keys as [{}]\n", first->second);
      text += heading(section) + keys + "\n";
    }
    return text;
  }

 private:
  [[nodiscard]] std::string section_text(const std::string& section) const {
    std::string text;
    for (const KeyRow& row : rows_) {
      const bool without_keys = !has_below(row.path);  // such as sweep.cases
      if (row.section() == section && (!only_a_table(row) || without_keys)) text += row_text(row);
    }
    return text;
  }

  static std::string line_of(const std::array<std::string, 4>& columns) {
    std::string line = fmt::format("  {:<{}} {:<{}} {:<{}} {}", columns[0], name_width, columns[1],
                                   type_width, columns[2], default_width, columns[3]);
    line.erase(line.find_last_not_of(' ') + 1);
    return line + "\n";
  }

  static std::string row_text(const KeyRow& row) {
    std::string fallback = default_of(row);
    std::string below;
    if (fallback.size() > default_width) {
      below = "; default: " + fallback;
      fallback = "below";
    }
    const bool of_schedule = row.path.starts_with("schedule.") && row.path != sim::schedule_key;
    const std::string kinds = of_schedule ? kinds_of(row) : "";
    // Many of them stand below the line.
    constexpr std::size_t most = width - name_width - type_width - default_width - 5;
    const bool fits = kinds.size() <= most;
    const std::string others = fits ? "" : " (kinds: " + kinds + ")";
    return line_of({row.name(), types(row), fallback, fits ? kinds : "some"}) +
           wrapped(details(row) + below + others, 6);
  }

  [[nodiscard]] bool has_below(const std::string& path) const {
    return std::any_of(rows_.begin(), rows_.end(), [&](const KeyRow& row) {
      return row.section() == path || row.section() == path + ".N";
    });
  }

  static std::string types(const KeyRow& row) {
    std::string text;
    for (const KeyForm& form : row.forms) text += (text.empty() ? "" : ", or ") + shown(form);
    return text;
  }

  static std::string table_of(const std::string& section) {
    return without_numbers(section.ends_with(".N") ? section.substr(0, section.size() - 2)
                                                   : section);
  }

  [[nodiscard]] std::string heading(const std::string& section) const {
    const std::string name = table_of(section);
    std::string text = section.empty()           ? "at the top of the file"
                       : section.ends_with(".N") ? fmt::format("[[{}]]", name)
                                                 : fmt::format("[{}]", name);
    for (const KeyRow& row : rows_) {
      if (without_numbers(row.path) == name) text += ": " + row.meaning;
    }
    return wrapped(text, 0);
  }

  std::vector<KeyRow> rows_;
};

// The nearest path of equal depth; else a path that ends with this name ("quorum").
std::string hint(const std::string& wanted, const std::vector<std::string>& paths) {
  const auto depth = [](const std::string& path) { return std::ranges::count(path, '.'); };
  const auto name = [](const std::string& path) { return path.substr(path.rfind('.') + 1); };
  std::vector<std::string> alike;
  std::vector<std::string> names;
  for (const std::string& path : paths) {
    if (depth(path) == depth(wanted)) alike.push_back(path);
    names.push_back(name(path));
  }
  std::string near = base::did_you_mean(wanted, alike);
  const std::string last = near.empty() ? base::nearest(name(wanted), names) : "";
  if (last.empty()) return near;
  const auto at = std::find(names.begin(), names.end(), last) - names.begin();
  return fmt::format("; did you mean \"{}\"?", paths[static_cast<std::size_t>(at)]);
}

// Rows at or below a path.
std::vector<KeyRow> at(const std::string& prefix, const std::vector<KeyRow>& all) {
  const std::string wanted = without_numbers(prefix);
  std::vector<KeyRow> rows;
  std::vector<std::string> names;
  for (const KeyRow& row : all) {
    const std::string path = without_numbers(row.path);
    names.push_back(path);
    if (path == wanted || path.starts_with(wanted + ".")) rows.push_back(row);
  }
  if (rows.empty()) {
    throw base::UserError(
        fmt::format("no key of a scenario is called \"{}\"{}", prefix, hint(wanted, names)));
  }
  return rows;
}

int keys(const KeysArguments& arguments) {
  const std::vector<KeyRow> all = sim::scenario_keys();
  if (arguments.schema) {
    fmt::print("{}\n", key_schema(all));
    return ExitStatus::done;
  }
  if (!arguments.prefix.empty()) {
    fmt::print("{}", KeyTable(at(arguments.prefix, all)).str());
    return ExitStatus::done;
  }
  fmt::print("{}{}", KeyTable(all).str(),
             "--set and [sweep] name a key by its full path, an element of an array by its number "
             "from 0:\nschedule.cos2p.quorum, fleet.nodes.0.count.\n");
  return ExitStatus::done;
}

}  // namespace

void add_keys(CLI::App& app, int& status) {
  auto* verb = app.add_subcommand("keys", "List every key that a scenario may have");
  auto arguments = std::make_shared<KeysArguments>();
  auto* prefix = verb->add_option(
      "prefix", arguments->prefix,
      "Only the keys at or below this path, such as schedule.cos2p or fleet.nodes");
  verb->add_flag("--schema", arguments->schema,
                 "Print a JSON Schema (draft 2020-12) of scenario files, for editors")
      ->excludes(prefix);
  add_examples(*verb, {"convoy keys", "convoy keys schedule.cos2p"});
  verb->callback([arguments, &status] { status = keys(*arguments); });
}

}  // namespace convoy::cli
