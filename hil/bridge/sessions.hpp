#pragma once

// The session ids of a run's agents, kept so that a restarted coordinator accepts them again.

#include <filesystem>
#include <map>
#include <string>

namespace convoy::hil {

struct Sessions {
  std::string run;                         // random id of the run
  std::map<std::string, std::string> ids;  // session id by agent's name
};

// Reads FOLDER/sessions.json (mode 0600). An unreadable file gives new ids.
Sessions read_sessions(const std::filesystem::path& folder);
void write_sessions(const std::filesystem::path& folder, const Sessions& sessions);

}  // namespace convoy::hil
