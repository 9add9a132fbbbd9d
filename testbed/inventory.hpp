#pragma once

// The inventory of a testbed: where the coordinator listens, with which certificate, and the real
// devices that may connect. A TOML file; paths in it start at its own folder.
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
  std::string name;    // clean, see names.hpp; what its certificate says
  std::string device;  // a type of the catalogue (not looked up here); empty: not said
  // Updates weigh by the samples that were trained on: what a node may say that it has of its own.
  std::int64_t most_samples = 1'000'000;
};

struct Inventory {
  Endpoint listen;
  // Files; all empty where insecure.
  std::filesystem::path certificate;
  std::filesystem::path key;
  std::filesystem::path authority;
  std::filesystem::path revoked;
  // Without TLS: whoever can connect is believed. Only with a loopback address to listen on.
  bool insecure = false;
  std::vector<InventoryNode> nodes;  // no two of one name

  [[nodiscard]] const InventoryNode* find(std::string_view name) const;  // null: not there
};

// Reads strictly: every problem is reported to `problems` with its place, and nothing is given
// where there was one. The files must be there; whether they are what they should be is not looked
// at.
[[nodiscard]] std::optional<Inventory> read_inventory(const std::filesystem::path& file,
                                                      base::Diagnostics& problems);
// The same for a text; `file` names it in messages and says where relative paths start.
[[nodiscard]] std::optional<Inventory> read_inventory_text(std::string_view text,
                                                           const std::filesystem::path& file,
                                                           base::Diagnostics& problems);

// The text of a file in `folder` that reads back as this inventory. Paths below the folder are
// written relative to it. UserError where a path is not UTF-8, which TOML cannot hold.
[[nodiscard]] std::string inventory_text(const Inventory& inventory,
                                         const std::filesystem::path& folder);

// `text`, which is an inventory, with one more node at its end; comments stay. UserError where
// nodes are not given as [[nodes]] tables.
[[nodiscard]] std::string with_node(const std::string& text, const InventoryNode& node);
// `text`, which is an inventory, without that node's table; comments stay. Nothing where it does
// not have it as a [[nodes]] table of its own.
[[nodiscard]] std::optional<std::string> without_node(const std::string& text,
                                                      std::string_view name);

}  // namespace convoy::testbed
