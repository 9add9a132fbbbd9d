#pragma once

// Which agents a run has met, so that a coordinator that was killed knows them again.

#include <filesystem>
#include <map>
#include <string>

namespace convoy::hil {

struct Sessions {
  std::string run;                         // drawn for each run
  std::map<std::string, std::string> ids;  // by the agent's name
};

// FOLDER/sessions.json, mode 0600. An unreadable file gives new ones.
Sessions read_sessions(const std::filesystem::path& folder);
void write_sessions(const std::filesystem::path& folder, const Sessions& sessions);

}  // namespace convoy::hil
