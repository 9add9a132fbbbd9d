#include "testbed/setup.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/folder_lock.hpp"
#include "base/text.hpp"
#include "testbed/certificates.hpp"
#include "testbed/revocation.hpp"

namespace convoy::testbed {
namespace {

using base::UserError;
using std::filesystem::path;

constexpr std::size_t longest_text = std::size_t{16} << 20U;

// The folder of a testbed and its layout.
struct Layout {
  path root;

  [[nodiscard]] path inventory() const { return root / "inventory.toml"; }
  [[nodiscard]] path authority() const { return root / "authority"; }
  [[nodiscard]] path coordinator() const { return root / "coordinator"; }
  [[nodiscard]] path nodes() const { return root / "nodes"; }
  [[nodiscard]] path bundle(const std::string& name) const { return nodes() / name; }
  [[nodiscard]] path revoked() const { return root / "revoked"; }
};

// True for broken links, too.
bool is_there(const path& file) {
  std::error_code ignored;
  const auto status = std::filesystem::symlink_status(file, ignored);
  return status.type() != std::filesystem::file_type::not_found;
}

void check_node(const InventoryNode& node, const std::vector<std::string>& known_devices) {
  if (!is_clean_name(node.name)) {
    throw UserError(fmt::format("\"{}\" is no name for a node; expected {}",
                                clean_for_log(node.name), clean_name_rule()));
  }
  if (node.name == coordinator_name) {
    throw UserError(
        fmt::format("\"{}\" is the coordinator's own name; call the node something "
                    "else",
                    node.name));
  }
  if (node.device.empty()) return;
  const bool known =
      std::find(known_devices.begin(), known_devices.end(), node.device) != known_devices.end();
  if (known || (known_devices.empty() && is_clean_name(node.device))) return;
  throw UserError(fmt::format("{}: \"{}\" is not in the catalogue of devices{}", node.name,
                              clean_for_log(node.device),
                              base::did_you_mean(node.device, known_devices)));
}

void check_nodes(const std::vector<InventoryNode>& nodes,
                 const std::vector<std::string>& known_devices) {
  if (nodes.empty()) throw UserError("a testbed needs nodes: --nodes name[:device],...");
  std::vector<std::string> names;
  for (const InventoryNode& node : nodes) {
    check_node(node, known_devices);
    names.push_back(node.name);
  }
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice == names.end()) return;
  throw UserError(fmt::format("two nodes are called \"{}\"; give one another name", *twice));
}

void check_folder(const Layout& layout) {
  for (const path& file :
       {layout.inventory(), layout.authority(), layout.coordinator(), layout.nodes()}) {
    if (!is_there(file)) continue;
    throw UserError(
        fmt::format("{}: is there already; choose another folder, or add a node with "
                    "`convoy testbed add {} NAME`",
                    file.string(), layout.root.string()));
  }
}

// The addresses in the coordinator's certificate; nodes are told the first one.
std::vector<std::string> addresses_for(const InitRequest& request) {
  for (const std::string& address : request.addresses) {
    if (!is_host(address) || is_wildcard(address)) {
      throw UserError(
          fmt::format("\"{}\" is neither an address nor a host name that nodes could "
                      "connect to",
                      clean_for_log(address)));
    }
  }
  if (!request.addresses.empty()) return request.addresses;
  if (!is_wildcard(request.listen.host)) return {request.listen.host};
  std::vector<std::string> addresses = local_addresses();
  if (addresses.empty()) {
    throw UserError(
        fmt::format("listening on {}, but this machine has no address beside its "
                    "loopback that nodes could connect to; name one",
                    request.listen.host));
  }
  addresses.emplace_back("localhost");  // a node on the same machine
  addresses.emplace_back("127.0.0.1");
  return addresses;
}

// Clean names and an address: nothing in it needs quoting.
std::string node_text(const std::string& name, const Endpoint& connect) {
  return fmt::format(
      "# For the agent on {0}: `convoy-node`. Copy this whole folder to the device; paths start at "
      "it.\n"
      "connect = \"{1}\"  # the coordinator\n"
      "name = \"{0}\"  # as in the certificate\n"
      "certificate = \"certificate.pem\"\n"
      "key = \"key.pem\"  # secret: mode 0600\n"
      "authority = \"authority.pem\"\n"
      "\n"
      "# insecure = false       # true: without TLS, to a loopback address only\n"
      "# data = \"...\"           # the data set on this device, as [data] source of a scenario\n"
      "# own_data = false       # true: train on all of it, not on the part that a run assigns\n"
      "# state = \"state\"        # a folder for what must outlive a restart\n"
      "# device = \"cpu\"         # what to compute on: \"cpu\", \"cuda:0\"\n"
      "# max_memory_gb = 4      # refuse work that needs more\n",
      name, connect.str());
}

void add(SetupResult& result, const path& folder, std::initializer_list<const char*> names) {
  for (const char* name : names) result.made.push_back(folder / name);
}

void make_bundle(const Authority& authority, const Layout& layout, const std::string& name,
                 const Endpoint& connect, const Validity& validity, SetupResult& result) {
  const path folder = layout.bundle(name);
  issue(authority, {.name = name, .role = Role::node, .addresses = {}, .validity = validity},
        folder);
  write_file(folder / "authority.pem",
             read_file(authority.folder / "certificate.pem", longest_text), public_file);
  write_file(folder / "node.toml", node_text(name, connect), public_file);
  add(result, folder, {"key.pem", "certificate.pem", "authority.pem", "node.toml"});
}

// The existing inventory; UserError with all its problems.
Inventory inventory_of(const Layout& layout) {
  if (!is_there(layout.inventory())) {
    throw UserError(
        fmt::format("{}: is no testbed, there is no inventory.toml; `convoy testbed "
                    "init` makes one",
                    layout.root.string()));
  }
  base::Diagnostics problems;
  std::optional<Inventory> inventory = read_inventory(layout.inventory(), problems);
  if (!inventory) throw UserError(problems.str() + "nothing was changed");
  return *std::move(inventory);
}

std::string authority_name(const path& folder) {
  // The name is only for people; keys have their own identifiers.
  const std::string name = std::filesystem::absolute(folder).lexically_normal().filename().string();
  return is_clean_name(name) ? name : "convoy-testbed";
}

void make_folder_if_missing(const path& folder, mode_t mode) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(folder, ignored)) make_folder(folder, mode);
}

path free_place(const Layout& layout, const std::string& name) {
  for (int i = 1;; ++i) {
    path place = layout.revoked() / fmt::format("{}-{}", name, i);
    if (!is_there(place)) return place;
  }
}

// Two devices with the same name could not be distinguished.
void check_no_certificate(const Authority& authority, const Layout& layout,
                          const std::string& name) {
  for (const IssuedCertificate& one : issued(authority)) {
    if (one.identity.name != name || one.revoked || one.not_after <= now()) continue;
    throw UserError(
        fmt::format("\"{0}\" has a certificate until {1}; to give it a new one, revoke "
                    "that first: `convoy testbed revoke {2} {0}`",
                    name, date_of(one.not_after), layout.root.string()));
  }
}

}  // namespace

InventoryNode parse_node(std::string_view text) {
  const std::size_t colon = text.find(':');
  InventoryNode node{std::string(text.substr(0, colon)), ""};
  if (colon != std::string_view::npos) {
    node.device = text.substr(colon + 1);
    if (node.device.empty()) {
      throw UserError(fmt::format("\"{}\": expected name or name:device", clean_for_log(text)));
    }
  }
  check_node(node, {});
  return node;
}

std::vector<InventoryNode> parse_nodes(std::string_view text) {
  std::vector<InventoryNode> nodes;
  for (std::string_view rest = text;;) {
    const std::size_t comma = rest.find(',');
    nodes.push_back(parse_node(rest.substr(0, comma)));
    if (comma == std::string_view::npos) break;
    rest.remove_prefix(comma + 1);
  }
  check_nodes(nodes, {});
  return nodes;
}

SetupResult init_testbed(const InitRequest& request) {
  const Layout layout{request.folder};
  check_nodes(request.nodes, request.known_devices);
  if (!is_host(request.listen.host) || request.listen.port == 0) {
    throw UserError(
        fmt::format("\"{}\" is no HOST:PORT to listen on", clean_for_log(request.listen.str())));
  }
  const Validity validity = valid_for_days(request.days);
  const std::vector<std::string> addresses = addresses_for(request);
  check_folder(layout);

  make_folder_if_missing(layout.root, public_folder);
  const base::FolderLock lock(layout.root);
  check_folder(layout);  // now that nobody else changes it
  SetupResult result;
  const Authority authority =
      make_authority(layout.authority(), authority_name(layout.root), validity);
  add(result, layout.authority(), {"key.pem", "crl.pem", "certificate.pem"});
  issue(authority,
        {.name = std::string(coordinator_name),
         .role = Role::coordinator,
         .addresses = addresses,
         .validity = validity},
        layout.coordinator());
  add(result, layout.coordinator(), {"key.pem", "certificate.pem"});
  make_folder(layout.nodes(), private_folder);
  const Endpoint connect{addresses.front(), request.listen.port};
  for (const InventoryNode& node : request.nodes) {
    make_bundle(authority, layout, node.name, connect, validity, result);
  }

  Inventory inventory;
  inventory.listen = request.listen;
  inventory.certificate = layout.coordinator() / "certificate.pem";
  inventory.key = layout.coordinator() / "key.pem";
  inventory.authority = layout.authority() / "certificate.pem";
  inventory.revoked = layout.authority() / "crl.pem";
  inventory.nodes = request.nodes;
  write_file(layout.inventory(), inventory_text(inventory, layout.root), public_file);
  result.made.push_back(layout.inventory());
  result.notes.push_back(
      fmt::format("nodes will connect to {}; the coordinator's certificate holds "
                  "for {}",
                  connect.str(), base::list_of(addresses, "and")));
  result.notes.push_back(fmt::format("all certificates end on {}", date_of(validity.not_after)));
  result.notes.push_back(
      fmt::format("copy each folder of {} to its device, and keep {} to yourself",
                  layout.nodes().string(), layout.authority().string()));
  return result;
}

SetupResult add_node(const path& folder, const InventoryNode& node,
                     const std::vector<std::string>& known_devices) {
  const Layout layout{folder};
  check_node(node, known_devices);
  const base::FolderLock lock(folder);
  const Inventory inventory = inventory_of(layout);
  const InventoryNode* there = inventory.find(node.name);
  if (there != nullptr && !node.device.empty() && there->device != node.device) {
    throw UserError(fmt::format("{}: \"{}\" is there with {}; change it in the file first",
                                layout.inventory().string(), node.name,
                                there->device.empty() ? "no device" : "device " + there->device));
  }
  const Authority authority = open_authority(layout.authority());
  check_no_certificate(authority, layout, node.name);
  const Time end = end_of(authority.certificate.get());
  if (end <= now()) {
    throw UserError(fmt::format("{}: the authority's time ended on {}; make a new testbed",
                                layout.root.string(), date_of(end)));
  }
  const std::vector<std::string> addresses =
      addresses_of(read_certificate(layout.coordinator() / "certificate.pem").get());
  if (addresses.empty() || !is_host(addresses.front())) {
    throw UserError(fmt::format("{}: the coordinator's certificate has no address",
                                layout.coordinator().string()));
  }
  std::string longer;  // before anything is written, since this may fail
  if (there == nullptr) longer = with_node(read_file(layout.inventory(), longest_text), node);

  make_folder_if_missing(layout.nodes(), private_folder);
  SetupResult result;
  const Validity validity{valid_for_days(1).not_before, end};
  make_bundle(authority, layout, node.name, {addresses.front(), inventory.listen.port}, validity,
              result);
  if (there == nullptr) {
    write_file(layout.inventory(), longer, public_file, Existing::replace);
    result.made.push_back(layout.inventory());
  }
  result.notes.push_back(fmt::format("copy {} to the device", layout.bundle(node.name).string()));
  return result;
}

SetupResult revoke_node(const path& folder, const std::string& name) {
  const Layout layout{folder};
  if (name == coordinator_name) {
    throw UserError(
        "the coordinator's certificate cannot be revoked, since nodes keep no list of "
        "what is; make a new testbed with `convoy testbed init`");
  }
  if (!is_there(layout.inventory())) inventory_of(layout);  // throws
  const base::FolderLock lock(folder);
  const int revoked = revoke(layout.authority(), name);
  SetupResult result;
  if (revoked > 0) result.made.push_back(layout.authority() / "crl.pem");
  result.notes.push_back(
      revoked > 0 ? fmt::format("\"{}\" is revoked; a coordinator that runs must be started anew "
                                "to know",
                                name)
                  : fmt::format("\"{}\" was revoked already", name));
  // Removes the node from the inventory, so that runs do not wait for it.
  const std::string text = read_file(layout.inventory(), longest_text);
  if (const auto shorter = without_node(text, name)) {
    write_file(layout.inventory(), *shorter, public_file, Existing::replace);
    result.made.push_back(layout.inventory());
  } else if (text.find('"' + name + '"') != std::string::npos) {
    result.notes.push_back(fmt::format("take \"{}\" out of {}, or runs will wait for it", name,
                                       layout.inventory().string()));
  }
  if (is_there(layout.bundle(name))) {
    make_folder_if_missing(layout.revoked(), private_folder);
    const path place = free_place(layout, name);
    std::error_code failure;
    std::filesystem::rename(layout.bundle(name), place, failure);
    if (failure) {
      throw UserError(fmt::format("\"{}\" is revoked, but {} cannot be moved to {}: {}", name,
                                  layout.bundle(name).string(), place.string(), failure.message()));
    }
    result.notes.push_back(fmt::format("its bundle is now {}", place.string()));
  }
  return result;
}

}  // namespace convoy::testbed
