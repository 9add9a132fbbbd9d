#include "platforms/catalogue.hpp"

#include "platforms/embedded.hpp"

namespace convoy::platforms {
namespace {

std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  for (const EmbeddedFile& file : embedded_files()) {
    const std::filesystem::path path(file.path);
    if (path.parent_path() == folder) names.push_back(path.stem().string());
  }
  return names;
}

}  // namespace

Catalogue::Catalogue(std::filesystem::path folder, base::Diagnostics& problems)
    : folder_(std::move(folder)), problems_(&problems) {}

bool Catalogue::is_path(const std::string& name) { return name.ends_with(".toml"); }

const base::Value* Catalogue::open(const std::string& folder, const std::string& name) {
  const std::string key = folder + "/" + name;
  if (const auto there = files_.find(key); there != files_.end()) return there->second.get();
  std::unique_ptr<base::Value> file;
  if (is_path(name)) {
    const std::filesystem::path path(name);
    const std::filesystem::path place = path.is_absolute() ? path : folder_ / path;
    const int errors = problems_->errors();
    base::Value read = base::read_toml_file(place.string(), *problems_);
    if (problems_->errors() == errors) file = std::make_unique<base::Value>(std::move(read));
  } else {
    for (const EmbeddedFile& embedded : embedded_files()) {
      if (embedded.path != key + ".toml") continue;
      const std::string shown = "platforms/" + std::string(embedded.path);
      file = std::make_unique<base::Value>(base::parse_toml(embedded.text, shown, *problems_));
    }
  }
  return files_.emplace(key, std::move(file)).first->second.get();
}

template <class T>
const T* Catalogue::find(Known<T>& known, const std::string& folder, const std::string& name,
                         T (*read)(const base::Value&, base::Diagnostics&)) {
  if (const auto there = known.find(name); there != known.end()) return there->second.get();
  std::unique_ptr<T> found;
  if (const base::Value* file = open(folder, name)) {
    found = std::make_unique<T>(read(*file, *problems_));
  }
  return known.emplace(name, std::move(found)).first->second.get();
}

const Device* Catalogue::device(const std::string& name) {
  return find(devices_, "devices", name, read_device);
}

const Link* Catalogue::link(const std::string& name) {
  return find(links_, "links", name, read_link);
}

const base::Value* Catalogue::fleet(const std::string& name) { return open("fleets", name); }

std::string Catalogue::user_files() const {
  std::string text;
  for (const auto& [key, file] : files_) {
    if (file && is_path(key)) text += "# " + key + "\n" + base::to_toml(*file);
  }
  return text;
}

std::vector<std::string> Catalogue::device_names() { return names_in("devices"); }
std::vector<std::string> Catalogue::link_names() { return names_in("links"); }
std::vector<std::string> Catalogue::fleet_names() { return names_in("fleets"); }

}  // namespace convoy::platforms
