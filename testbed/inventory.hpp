#pragma once

// The inventory of a testbed: the coordinator's address and certificate, and the real devices that
// may connect. A TOML file; relative paths start at its folder.
//
//   [coordinator]
//   listen = "0.0.0.0:7700"
//   certificate = "coordinator/certificate.pem"
//   key = "coordinator/key.pem"
//   authority = "authority/certificate.pem"
//   revoked = "authority/crl.pem"
//   insecure = false
//
//   [[nodes]]
//   name = "orin-1"
//   device = "jetson-agx-orin-64gb"     # in the catalogue; optional
//   most_samples = 1000000              # that it may claim of data of its own; optional

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/diagnostics.hpp"
#include "testbed/address.hpp"

namespace convoy::testbed {

struct InventoryNode {
  std::string name;    // clean, see names.hpp; as in the node's certificate
  std::string device;  // type in the catalogue (not checked here); empty: not given
  // Updates are weighted by their training samples: limit for a node's claim about its own data.
  std::int64_t most_samples = 1'000'000;
};

struct Inventory {
  Endpoint listen;
  // Paths of files; all empty if insecure.
  std::filesystem::path certificate;
  std::filesystem::path key;
  std::filesystem::path authority;
  std::filesystem::path revoked;
  // No TLS: every peer is trusted. Requires a loopback address.
  bool insecure = false;
  std::vector<InventoryNode> nodes;  // with unique names

  [[nodiscard]] const InventoryNode* find(std::string_view name) const;  // null: not found
};

// Reads strictly: reports every problem to `problems` with its place; gives nothing then. The files
// named in it must exist; their contents are not checked.
[[nodiscard]] std::optional<Inventory> read_inventory(const std::filesystem::path& file,
                                                      base::Diagnostics& problems);

// Text of a file in `folder` that reads back as this inventory. Paths below the folder are written
// as relative. UserError for paths that are not UTF-8, which TOML cannot hold.
[[nodiscard]] std::string inventory_text(const Inventory& inventory,
                                         const std::filesystem::path& folder);

// Appends a node to the text of an inventory; keeps comments. UserError if nodes are not given as
// [[nodes]] tables.
[[nodiscard]] std::string with_node(const std::string& text, const InventoryNode& node);
// Removes a node's table from the text of an inventory; keeps comments. Nothing if the node has no
// [[nodes]] table of its own.
[[nodiscard]] std::optional<std::string> without_node(const std::string& text,
                                                      std::string_view name);

}  // namespace convoy::testbed
