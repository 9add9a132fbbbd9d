#pragma once

// Devices, links and fleets by name: those built into Convoy (the .toml files in this folder), and
// the user's own by path.
//
//   const Device* orin = catalogue.device("jetson-agx-orin-64gb");
//   const Device* mine = catalogue.device("boards/mine.toml");   // relative to the scenario

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "platforms/device.hpp"
#include "platforms/link.hpp"

namespace convoy::platforms {

class Catalogue {
 public:
  // `folder`: base of relative paths (the scenario's folder). Errors in files are reported to
  // `problems`, which must outlive the catalogue.
  Catalogue(std::filesystem::path folder, base::Diagnostics& problems);

  // Names ending in .toml are paths.
  static bool is_path(const std::string& name);

  // Null for an unknown name, or an unreadable file, which is reported.
  const Device* device(const std::string& name);
  const Link* link(const std::string& name);
  // The tree of a fleet's file (server, nodes, shared_links); null as above.
  const base::Value* fleet(const std::string& name);

  // The canonical text of all files opened by path.
  [[nodiscard]] std::string user_files() const;

  static std::vector<std::string> device_names();
  static std::vector<std::string> link_names();
  static std::vector<std::string> fleet_names();

 private:
  template <class T>
  using Known = std::map<std::string, std::unique_ptr<T>>;  // null: not found

  const base::Value* open(const std::string& folder, const std::string& name);
  template <class T>
  const T* find(Known<T>& known, const std::string& folder, const std::string& name,
                T (*read)(const base::Value&, base::Diagnostics&));

  std::filesystem::path folder_;
  base::Diagnostics* problems_;
  Known<base::Value> files_;
  Known<Device> devices_;
  Known<Link> links_;
};

}  // namespace convoy::platforms
