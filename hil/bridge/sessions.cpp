#include "hil/bridge/sessions.hpp"

#include <nlohmann/json.hpp>

#include "base/files.hpp"
#include "hil/protocol/random_id.hpp"
#include "testbed/files.hpp"

namespace convoy::hil {
namespace {
constexpr const char* file_name = "sessions.json";
}

Sessions read_sessions(const std::filesystem::path& folder) {
  Sessions sessions;
  nlohmann::json json;
  if (std::filesystem::exists(folder / file_name)) {
    json = nlohmann::json::parse(base::read_file(folder / file_name), nullptr, false);
  }
  if (json.is_object() && json.contains("run") && json["run"].is_string()) {
    sessions.run = json["run"].get<std::string>();
    const nlohmann::json ids = json.value("sessions", nlohmann::json::object());
    for (const auto& [name, id] : ids.items()) {
      if (id.is_string()) sessions.ids[name] = id.get<std::string>();
    }
  }
  if (sessions.run.empty()) sessions.run = random_id();
  return sessions;
}

void write_sessions(const std::filesystem::path& folder, const Sessions& sessions) {
  const nlohmann::json json = {{"run", sessions.run}, {"sessions", sessions.ids}};
  testbed::write_file(folder / file_name, json.dump(), testbed::private_file,
                      testbed::Existing::replace);
}

}  // namespace convoy::hil
