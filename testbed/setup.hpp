#pragma once

// `convoy testbed init`, `add` and `revoke`: they manage the folder of a testbed.
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
  // Addresses by which nodes reach the coordinator; nodes are told the first. Empty: the host
  // listened on or, if that is 0.0.0.0 or ::, this machine's addresses and name.
  std::vector<std::string> addresses;
  int days = default_days;  // 1 to 36500: validity of all certificates
  // Known device types, to check those of nodes. Empty: any name is accepted.
  std::vector<std::string> known_devices;
};

// Results for the command line to print.
struct SetupResult {
  std::vector<std::filesystem::path> made;  // in the order of creation
  std::vector<std::string> notes;           // sentences for the user, without full stop
};

// "orin-1:jetson-agx-orin-64gb,nano-1": names, optionally with device types. UserError for invalid
// or duplicate names and empty parts.
[[nodiscard]] std::vector<InventoryNode> parse_nodes(std::string_view text);
[[nodiscard]] InventoryNode parse_node(std::string_view text);  // one of them

// The folder may be missing, its parent must exist. UserError, with nothing made, if the folder has
// an inventory or an authority already, or the request is invalid. Writes the inventory last: a
// folder without one is incomplete and can be removed.
SetupResult init_testbed(const InitRequest& request);

// Adds a node, valid until the authority's end. A node already in the inventory gets a new bundle
// if all its certificates are revoked or expired. UserError otherwise.
SetupResult add_node(const std::filesystem::path& folder, const InventoryNode& node,
                     const std::vector<std::string>& known_devices = {});

// Revokes all certificates of a node, removes the node from the inventory and moves its bundle to
// revoked/. May be repeated. UserError for names without certificates, and for the coordinator's,
// since nodes have no revocation list.
SetupResult revoke_node(const std::filesystem::path& folder, const std::string& name);

}  // namespace convoy::testbed
