#pragma once

// What `convoy testbed init`, `add` and `revoke` do: the folder of a testbed.
//
//   FOLDER/inventory.toml         read by the coordinator
//   FOLDER/authority/             signs certificates (certificates.hpp); never leaves the machine
//   FOLDER/coordinator/           key.pem, certificate.pem
//   FOLDER/nodes/NAME/            bundle for the device: key.pem, certificate.pem, authority.pem,
//                                 node.toml
//   FOLDER/revoked/NAME-N/        bundles with revoked certificates

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "testbed/address.hpp"
#include "testbed/inventory.hpp"

namespace convoy::testbed {

constexpr int default_days = 730;

struct InitRequest {
  std::filesystem::path folder;
  std::vector<InventoryNode> nodes;
  Endpoint listen;
  // What nodes reach the coordinator by; they are told the first. Empty: the host to listen on, or,
  // where that is 0.0.0.0 or ::, the addresses and the name of this machine.
  std::vector<std::string> addresses;
  int days = default_days;  // 1 to 36500: how long all certificates are valid
  // Device types that are known, for a check of the nodes'. Empty: any name will do.
  std::vector<std::string> known_devices;
};

// For the command line to print.
struct SetupResult {
  std::vector<std::filesystem::path> made;  // files, in the order they were made
  std::vector<std::string> notes;           // sentences for the user, without a full stop
};

// "orin-1:jetson-agx-orin-64gb,nano-1": names with or without a device. UserError for unclean or
// double names and empty parts.
[[nodiscard]] std::vector<InventoryNode> parse_nodes(std::string_view text);
[[nodiscard]] InventoryNode parse_node(std::string_view text);  // one of them

// The folder need not be there; the one above it must. UserError where it holds an inventory or an
// authority already, or the request is not in order; then nothing was made. The inventory is
// written last: a folder without one was not finished, and can be removed.
SetupResult init_testbed(const InitRequest& request);

// One more node, until the authority's end. A node that is in the inventory gets a new bundle where
// all its certificates are revoked or have ended. UserError otherwise.
SetupResult add_node(const std::filesystem::path& folder, const InventoryNode& node,
                     const std::vector<std::string>& known_devices = {});

// Revokes all certificates of a node, and puts its bundle aside. The inventory stays as it is. May
// be repeated. UserError for a name without a certificate, and for the coordinator's: nodes keep no
// list of what is revoked.
SetupResult revoke_node(const std::filesystem::path& folder, const std::string& name);

}  // namespace convoy::testbed
