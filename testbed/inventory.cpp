#include "testbed/inventory.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/table_reader.hpp"
#include "base/value.hpp"
#include "testbed/names.hpp"

namespace convoy::testbed {
namespace {

using base::TableReader;
using std::filesystem::path;

constexpr const char* heading =
    "# The inventory of a testbed. Paths start at this folder.\n"
    "# A node: [[nodes]] with name, and device, its type in the catalogue (optional).\n";

constexpr double largest_claim = 1e7;  // samples

class Reader {
 public:
  explicit Reader(path folder) : folder_(std::move(folder)) {}

  Inventory read(TableReader& reader) {
    if (!reader.has("coordinator")) {
      reader.error("coordinator", "missing; `convoy testbed init` writes one");
    } else {
      read_coordinator(reader.table("coordinator"));
    }
    for (TableReader& node : reader.tables("nodes")) read_node(node);
    reader.finish();
    return std::move(inventory_);
  }

 private:
  void read_coordinator(TableReader reader) {
    const std::string listen = reader.text("listen");
    if (const auto endpoint = parse_endpoint(listen)) {
      inventory_.listen = *endpoint;
    } else if (is_string(reader, "listen")) {
      reader.error("listen",
                   "expected HOST:PORT, such as \"0.0.0.0:7700\" or \"[::1]:7700\", with a port "
                   "from 1 to 65535");
    }
    inventory_.insecure = reader.flag("insecure", false);
    inventory_.certificate = file(reader, "certificate");
    inventory_.key = file(reader, "key");
    inventory_.authority = file(reader, "authority");
    inventory_.revoked = file(reader, "revoked");
    reader.finish();
    if (inventory_.insecure && !inventory_.listen.host.empty() &&
        !is_loopback(inventory_.listen.host)) {
      reader.error("insecure",
                   fmt::format("without TLS the coordinator only listens on a loopback address "
                               "(127.0.0.1 or [::1]), and {} is none",
                               inventory_.listen.host));
    }
  }

  // Without TLS no files are required or checked.
  path file(TableReader& reader, const std::string& key) {
    const std::string name = inventory_.insecure ? reader.text(key, "") : reader.text(key);
    if (inventory_.insecure || (name.empty() && !is_string(reader, key))) return {};
    path found = folder_ / name;
    std::error_code ignored;
    // The system would cut the name at a zero byte and find another file.
    if (name.empty() || name.find('\0') != std::string::npos ||
        !std::filesystem::is_regular_file(found, ignored)) {
      reader.error(key, fmt::format("there is no file {}", clean_for_log(found.string())));
    }
    return found;
  }

  static bool is_string(TableReader& reader, const std::string& key) {
    const base::Value* value = reader.raw(key);
    return value != nullptr && value->as<std::string>() != nullptr;
  }

  void read_node(TableReader& reader) {
    InventoryNode node;
    node.name = reader.text("name");
    node.device = reader.text("device", "");
    node.most_samples =
        reader.integer("most_samples", base::at_least(1).up_to(largest_claim), node.most_samples);
    reader.finish();
    if (!is_string(reader, "name")) {
      return;  // reported
    }
    if (!is_clean_name(node.name)) {
      reader.error("name", "expected " + clean_name_rule());
    } else if (node.name == coordinator_name) {
      reader.error("name", fmt::format("\"{}\" is the coordinator's own name", node.name));
    } else if (inventory_.find(node.name) != nullptr) {
      reader.error("name",
                   fmt::format("two nodes are called \"{}\"; give one another name", node.name));
    }
    if (is_string(reader, "device") && !is_clean_name(node.device)) {
      reader.error("device", "expected the name of a device in the catalogue");
    }
    inventory_.nodes.push_back(std::move(node));
  }

  path folder_;
  Inventory inventory_;
};

std::string relative_to(const path& folder, const path& file) {
  const path relative = file.lexically_normal().lexically_relative(folder.lexically_normal());
  const bool below = !relative.empty() && *relative.begin() != "..";
  return (below ? relative : std::filesystem::absolute(file)).generic_string();
}

base::Value text_value(std::string text) { return {std::move(text), {}}; }

// Names of the nodes in an inventory's text, in order; nothing if it is no TOML.
std::optional<std::vector<std::string>> names_in(const std::string& text) {
  base::Diagnostics problems;
  const base::Value root = base::parse_toml(text, "inventory.toml", problems);
  if (problems.has_errors()) return std::nullopt;
  std::vector<std::string> names;
  const base::Value* nodes = root.find("nodes");
  const auto* array = nodes == nullptr ? nullptr : nodes->as<base::Value::Array>();
  if (array == nullptr) return names;
  for (const base::Value& node : *array) {
    const base::Value* name = node.find("name");
    const auto* word = name == nullptr ? nullptr : name->as<std::string>();
    names.push_back(word == nullptr ? "" : *word);
  }
  return names;
}

// Lines with their line ends.
std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t from = 0; from < text.size();) {
    const std::size_t end = text.find('\n', from);
    const std::size_t next = end == std::string::npos ? text.size() : end + 1;
    lines.push_back(text.substr(from, next - from));
    from = next;
  }
  return lines;
}

char first_of(const std::string& line) {
  const std::size_t at = line.find_first_not_of(" \t\r\n");
  return at == std::string::npos ? '\0' : line[at];
}

}  // namespace

const InventoryNode* Inventory::find(std::string_view name) const {
  const auto at = std::find_if(nodes.begin(), nodes.end(),
                               [&](const InventoryNode& node) { return node.name == name; });
  return at == nodes.end() ? nullptr : &*at;
}

std::optional<Inventory> read_inventory(const path& file, base::Diagnostics& problems) {
  const int before = problems.errors();
  const base::Value root = base::read_toml_file(file.string(), problems);
  if (problems.errors() > before) return std::nullopt;  // an empty table would only add to it
  TableReader reader(root, "", problems);
  Inventory inventory = Reader(file.parent_path()).read(reader);
  if (problems.errors() > before) return std::nullopt;
  return inventory;
}

std::string inventory_text(const Inventory& inventory, const path& folder) {
  base::Value coordinator;
  coordinator.set("listen", text_value(inventory.listen.str()));
  coordinator.set("insecure", {inventory.insecure, {}});
  const auto set_file = [&](const char* key, const path& file) {
    if (!file.empty()) coordinator.set(key, text_value(relative_to(folder, file)));
  };
  set_file("certificate", inventory.certificate);
  set_file("key", inventory.key);
  set_file("authority", inventory.authority);
  set_file("revoked", inventory.revoked);
  base::Value root;
  root.set("coordinator", std::move(coordinator));
  std::string text = heading + base::to_toml(root);
  base::Diagnostics problems;
  base::parse_toml(text, "inventory.toml", problems);
  if (problems.has_errors()) {
    throw base::UserError(fmt::format("{}: a path that is not UTF-8 cannot be in an inventory",
                                      clean_for_log(folder.string())));
  }
  for (const InventoryNode& node : inventory.nodes) text = with_node(text, node);
  return text;
}

std::string with_node(const std::string& text, const InventoryNode& node) {
  base::Value table;
  table.set("name", text_value(node.name));
  if (!node.device.empty()) table.set("device", text_value(node.device));
  if (node.most_samples != InventoryNode().most_samples) {
    table.set("most_samples", {node.most_samples, {}});
  }
  base::Value root;
  root.set("nodes", {base::Value::Array{table}, {}});
  const char* gap = text.empty() || text.back() == '\n' ? "" : "\n";
  std::string longer = text + gap + base::to_toml(root);
  base::Diagnostics problems;
  base::parse_toml(longer, "inventory.toml", problems);
  if (problems.has_errors()) {
    throw base::UserError(
        "a node can only be added to an inventory that gives each as a [[nodes]] table");
  }
  return longer;
}

std::optional<std::string> without_node(const std::string& text, std::string_view name) {
  const auto before = names_in(text);
  if (!before) return std::nullopt;
  const auto found = std::find(before->begin(), before->end(), name);
  if (found == before->end()) return std::nullopt;
  std::vector<std::string> rest = *before;
  rest.erase(rest.begin() + (found - before->begin()));
  const std::vector<std::string> lines = lines_of(text);
  // Tries to cut each table, from its heading to its last key, until the wanted names are left.
  for (std::size_t from = 0; from < lines.size(); ++from) {
    if (first_of(lines[from]) != '[') continue;
    std::size_t to = from + 1;
    for (std::size_t i = to; i < lines.size() && first_of(lines[i]) != '['; ++i) {
      if (first_of(lines[i]) != '#' && first_of(lines[i]) != '\0') to = i + 1;
    }
    std::string shorter;
    for (std::size_t i = 0; i < lines.size(); ++i) {
      if (i < from || i >= to) shorter += lines[i];
    }
    if (names_in(shorter) == rest) return shorter;
  }
  return std::nullopt;
}

}  // namespace convoy::testbed
