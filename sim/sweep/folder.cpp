#include "sim/sweep/folder.hpp"

#include <cstdio>

#include "base/diagnostics.hpp"
#include "base/files.hpp"
#include "base/text.hpp"

namespace convoy::sim {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

bool SweepFolder::exists() const { return fs::exists(folder_ / "sweep.json"); }

SweepIndex SweepFolder::index() const {
  const fs::path file = folder_ / "sweep.json";
  if (!fs::exists(file)) {
    throw base::UserError(folder_.string() + ": there is no sweep here (no sweep.json)");
  }
  try {
    const ordered_json json = ordered_json::parse(base::read_file(file));
    SweepIndex index{json.at("scenario"), json.at("file"), json.at("version"), json.at("keys"), {}};
    for (const ordered_json& point : json.at("points")) {
      index.points.push_back({point.at("settings"), point.at("hash")});
      if (index.points.back().settings.size() != index.keys.size()) {
        throw base::UserError(file.string() +
                              ": a point has not as many settings as there are keys");
      }
    }
    return index;
  } catch (const ordered_json::exception& e) {
    throw base::UserError(file.string() + ": is no index of a sweep (" + e.what() + ")");
  }
}

void SweepFolder::write_index(const SweepIndex& index) const {
  ordered_json json = {{"scenario", index.scenario},
                       {"file", index.file},
                       {"version", index.version},
                       {"keys", index.keys}};
  json["points"] = ordered_json::array();
  for (const PointIndex& p : index.points) {
    json["points"].push_back({{"hash", p.hash}, {"settings", p.settings}});
  }
  base::write_output((folder_ / "sweep.json").string(),
                     json.dump(1, ' ', false, ordered_json::error_handler_t::replace) + "\n", true);
}

std::optional<ordered_json> SweepFolder::summary(const std::string& hash) const {
  const fs::path file = of(hash) / "summary.json";
  if (!fs::exists(file) || (with_stores_ && !fs::exists(of(hash) / "run.sqlite"))) {
    return std::nullopt;
  }
  ordered_json json = ordered_json::parse(base::read_file(file), nullptr, false);
  if (!json.is_object() || !json.contains("curve") || !json["curve"].is_array()) {
    return std::nullopt;
  }
  for (const char* column : result_columns) {
    if (!json.contains(column)) return std::nullopt;
  }
  return json;
}

std::string SweepFolder::failure(const std::string& hash) const {
  const fs::path file = of(hash) / "failure.txt";
  if (!fs::exists(file)) return "";
  const std::string text = base::read_file(file);
  return text.substr(0, text.find('\n'));
}

bool SweepFolder::note_failure(const std::string& hash, const std::string& cause) const {
  try {
    fs::create_directories(of(hash));
    base::write_output((of(hash) / "failure.txt").string(), cause + "\n", true, false);
    return true;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "convoy: %s\n", base::escaped(e.what()).c_str());
    return false;
  }
}

}  // namespace convoy::sim
