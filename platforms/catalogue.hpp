#pragma once

// The devices, links and fleets that come with Convoy (the .toml files in this folder, built into
// the program), found by name; and those of a user, found by path.
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
  // `folder`: where relative paths start (the scenario's folder). What is wrong in a file that
  // gets opened is reported to `problems`, which must outlive the catalogue.
  Catalogue(std::filesystem::path folder, base::Diagnostics& problems);

  // A name that ends in .toml is a path.
  static bool is_path(const std::string& name);

  // Null where the name is unknown, or the file at that path (which is then reported) unreadable.
  const Device* device(const std::string& name);
  const Link* link(const std::string& name);
  // The file of a fleet as a tree (server, nodes, shared_links); null as above.
  const base::Value* fleet(const std::string& name);

  // The text of all files that were opened by path, in canonical form.
  [[nodiscard]] std::string user_files() const;

  static std::vector<std::string> device_names();
  static std::vector<std::string> link_names();
  static std::vector<std::string> fleet_names();

 private:
  template <class T>
  using Known = std::map<std::string, std::unique_ptr<T>>;  // null: looked for in vain

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
