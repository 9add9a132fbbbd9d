// Tests which folders each folder may include: lower ones only.

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>

#include "tests/support/files.hpp"

namespace convoy {
namespace {

const std::filesystem::path root = CONVOY_SOURCE;

// Folder -> the folders whose headers it may include, in addition to its own.
const std::map<std::string, std::set<std::string>>& allowed() {
  static const std::map<std::string, std::set<std::string>> all = {
      {"base", {}},
      {"sensors", {"base"}},
      {"testbed", {"base"}},
      {"engine/model", {"base"}},
      {"engine/data", {"base"}},
      {"engine/rules", {"base"}},
      {"engine/codec", {"base"}},
      {"engine/api", {"base", "engine/codec", "engine/model", "engine/data", "engine/rules"}},
      {"engine/learning",
       {"base", "engine/codec", "engine/model", "engine/data", "engine/rules", "engine/api"}},
      {"platforms", {"base", "engine/api", "engine/model"}},
      {"platforms/traces", {"base", "sensors"}},
      {"sim/task", {"base", "engine/api"}},
      {"sim/plan", {"base"}},
      {"sim/schedule",
       {"base", "engine/api", "engine/model", "engine/rules", "platforms", "sim/task", "sim/plan"}},
      {"sim/schedule/examples", {"base", "sim/schedule"}},
      {"sim/world", {"base", "platforms", "platforms/traces", "sim/task"}},
      {"sim/scenario",
       {"base", "engine/api", "engine/model", "engine/data", "platforms", "platforms/traces",
        "sim/task", "sim/schedule", "sim/world"}},
      {"sim/store", {"base"}},
      {"sim/run",
       {"base", "engine/api", "engine/model", "platforms", "platforms/traces", "sim/task",
        "sim/schedule", "sim/world", "sim/scenario", "sim/store"}},
      {"sim/sweep", {"base"}},
      {"sim/sweep/mpi", {"sim/sweep"}},
      {"analysis", {"base", "platforms/traces", "sim/task", "sim/store", "sim/sweep"}},
      {"analysis/report", {"base", "sim/store", "sim/sweep", "analysis"}},
      {"analysis/live", {"base", "sim/store", "sim/sweep", "analysis", "analysis/report"}},
      {"hil/protocol", {"base", "engine/api", "testbed"}},
      {"hil/agent",
       {"base", "engine/api", "engine/model", "engine/data", "platforms", "hil/protocol", "sensors",
        "testbed"}},
      {"hil/bridge",
       {"base", "engine/api", "engine/model", "hil/protocol", "testbed", "sim/task", "sim/world",
        "sim/scenario", "sim/store", "sim/run"}},
      {"cli",
       {"base", "engine/api", "engine/model", "engine/data", "engine/rules", "platforms",
        "platforms/traces", "sim/scenario", "sim/plan", "sim/schedule", "sim/run", "sim/store",
        "sim/sweep", "analysis", "analysis/report", "analysis/live", "hil/bridge", "hil/protocol",
        "testbed"}},
  };
  return all;
}

// Headers that only certain folders may include, by the beginning of the header's name.
const std::map<std::string, std::set<std::string>>& confined() {
  static const std::map<std::string, std::set<std::string>> all = {
      {"simgrid/", {"sim/world"}},
      {"torch/", {"engine/learning"}},
      {"ATen/", {"engine/learning"}},
      {"c10/", {"engine/learning"}},
      {"boost/asio", {"hil/protocol", "hil/bridge", "hil/agent", "analysis/live", "cli"}},
      {"boost/beast", {"analysis/live"}},
      {"boost/math", {"analysis"}},
      {"openssl/", {"testbed", "hil/protocol"}},
      {"flatbuffers/", {"hil/protocol"}},
      {"messages_generated.h", {"hil/protocol"}},
      {"SQLiteCpp/", {"sim/store", "analysis"}},
      {"toml++/", {"base"}},
      {"mpi.h", {"sim/sweep/mpi"}},
      {"csv.h", {"engine/data"}},
      {"zlib.h", {"engine/data"}},
  };
  return all;
}

std::string folder_of(const std::filesystem::path& file) {
  return std::filesystem::relative(file.parent_path(), root).generic_string();
}

std::vector<std::filesystem::path> sources() {
  std::vector<std::filesystem::path> files;
  for (const char* top :
       {"base", "sensors", "testbed", "engine", "platforms", "sim", "analysis", "cli", "hil"}) {
    if (!std::filesystem::exists(root / top)) continue;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root / top)) {
      const auto extension = entry.path().extension();
      if (extension == ".cpp" || extension == ".hpp") files.push_back(entry.path());
    }
  }
  return files;
}

template <class Visit>
void for_each_include(const std::filesystem::path& file, Visit visit) {
  static const std::regex pattern(R"(^\s*#\s*include\s*["<]([^">]+)[">])");
  std::ifstream in(file);
  std::smatch match;
  for (std::string line; std::getline(in, line);) {
    if (std::regex_search(line, match, pattern)) visit(match[1].str());
  }
}

// An error in the middle of a stream looks like the end of a short file, and a predictable draft
// may be a link. So only base/files reads and writes files.
TEST(Structure, FilesAreReadAndWrittenInOnePlace) {
  const std::set<std::string> streams = {
      "engine/api/profile.cpp",  // the kernel's files, each of which may be missing
  };
  static const std::regex pattern(R"((\b(if|of)stream\b|\bfopen\())");
  for (const auto& file : sources()) {
    const std::string name = std::filesystem::relative(file, root).generic_string();
    std::ifstream in(file);
    for (std::string line; std::getline(in, line);) {
      if (line.find("//") != std::string::npos) line.erase(line.find("//"));
      EXPECT_FALSE(std::regex_search(line, pattern) && !streams.contains(name))
          << name << ": " << line;
    }
  }
}

TEST(Structure, IncludesPointDown) {
  int arrows = 0;
  for (const auto& file : sources()) {
    const std::string folder = folder_of(file);
    ASSERT_TRUE(allowed().contains(folder)) << folder << " has no place in the house yet";
    for_each_include(file, [&](const std::string& header) {
      EXPECT_FALSE(header.starts_with("."))
          << file << " includes " << header << " not from the root";
      EXPECT_TRUE(header.find('/') != std::string::npos ||
                  !std::filesystem::exists(file.parent_path() / header))
          << file << " includes " << header << " not from the root";
      if (!std::filesystem::exists(root / header)) return;  // not one of our headers
      const std::string target = folder_of(root / header);
      if (target == folder) return;
      ++arrows;
      EXPECT_TRUE(allowed().at(folder).contains(target)) << file << " includes " << header;
    });
  }
  EXPECT_GT(arrows, 50);
}

TEST(Structure, LibrariesStayInTheirFolders) {
  for (const auto& file : sources()) {
    const std::string folder = folder_of(file);
    for_each_include(file, [&](const std::string& header) {
      for (const auto& [prefix, folders] : confined()) {
        if (!header.starts_with(prefix)) continue;
        EXPECT_TRUE(folders.contains(folder)) << file << " includes " << header;
      }
    });
  }
}

// Builds of many sources at once hide a missing include: another source has it.
TEST(Structure, WhatIsUsedOfALibraryIsIncluded) {
  const std::map<std::string, std::regex> libraries = {
      {R"((^|[^\w:])spdlog::)", std::regex("#include <spdlog/")},
      {R"((^|[^\w:])fmt::)", std::regex("#include <(fmt|spdlog)/")},
      {R"((^|[^\w:])nlohmann::)", std::regex("#include <nlohmann/")}};
  int used = 0;
  for (const std::filesystem::path& file : sources()) {
    std::string text = test::read_file(file);
    text = std::regex_replace(text, std::regex("//[^\n]*"), "");
    std::string included = text;
    const std::filesystem::path header = std::filesystem::path(file).replace_extension(".hpp");
    if (std::filesystem::exists(header)) included += test::read_file(header);
    for (const auto& [name, include] : libraries) {
      if (!std::regex_search(text, std::regex(name))) continue;
      ++used;
      EXPECT_TRUE(std::regex_search(included, include)) << file << " uses " << name;
    }
  }
  EXPECT_GT(used, 100) << "the test looks at nothing";
}

// Only the schedule makes works and briefs, and only the engine reads them; all other code carries
// them unopened.
TEST(Structure, WorksAndBriefsAreOpenedInTheEngineAlone) {
  static const std::regex words(
      R"(learn_masks|LearnMasks|choose_masks|test_locally|brief\.[a-z_]+|engine::(Train|Aggregate|Combine)\b|std::get(_if)?<engine::)");
  int opened = 0;
  for (const auto& file : sources()) {
    const std::string folder = folder_of(file);
    // The self-test's loopback is a coordinator without a schedule, so it makes its one task
    // itself.
    const bool may = folder.starts_with("engine/") || folder.starts_with("sim/schedule") ||
                     std::filesystem::path(file).stem() == "loopback";
    std::ifstream in(file);
    std::string line;
    for (int number = 1; std::getline(in, line); ++number) {
      if (!std::regex_search(line, words)) continue;
      ++opened;
      // The setting of a run, not a task's brief.
      const bool setting = line.find("setting->test_locally") != std::string::npos;
      EXPECT_TRUE(may || setting) << file << ":" << number << ": " << line;
    }
  }
  EXPECT_GT(opened, 30);
  std::ifstream messages(root / "hil/protocol/messages.fbs");
  for (std::string line; std::getline(messages, line);) {
    EXPECT_FALSE(std::regex_search(line, words)) << line;
  }
}

TEST(Structure, EveryFolderHasAReadmeOfAtMost40Lines) {
  for (const auto& [folder, targets] : allowed()) {
    std::ifstream in(root / folder / "README.md");
    ASSERT_TRUE(in) << folder << " has no README.md";
    int lines = 0;
    for (std::string line; std::getline(in, line);) ++lines;
    EXPECT_LE(lines, 40) << folder;
  }
}

// Output of programs, quoted in a code block, may be wider.
TEST(Structure, ReadmesHaveAtMost120Columns) {
  int read = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    if (entry.path().filename() != "README.md") continue;
    const std::string path = std::filesystem::relative(entry.path(), root).string();
    if (path.starts_with("build") || path.find("node_modules") != std::string::npos) continue;
    ++read;
    std::ifstream in(entry.path());
    int number = 0;
    for (std::string line; std::getline(in, line);) {
      ++number;
      const auto columns = std::count_if(line.begin(), line.end(), [](char c) {
        return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;  // the first byte of a character
      });
      if (line.starts_with("    ")) continue;
      EXPECT_LE(columns, 120) << path << ":" << number;
    }
  }
  EXPECT_GT(read, 30);
}

// The page of a kind of schedule: its parts in this order, among others.
TEST(Structure, EveryKindOfScheduleHasAPageInOneForm) {
  int kinds = 0;
  std::ifstream list(root / "sim/schedule/kinds.hpp");
  const std::regex kind(R"(^  KIND\((\w+)\))");
  for (std::string line; std::getline(list, line);) {
    std::smatch found;
    if (!std::regex_search(line, found, kind)) continue;
    ++kinds;
    const std::string name = found[1].str() + ".md";
    std::ifstream in(root / "sim/schedule" / name);
    ASSERT_TRUE(in) << name << " is missing";
    std::vector<std::string> parts = {"**Source.**",        "**Rule.**", "**Faithful.**",
                                      "**Ours.**",          "**Keys",    "**What it costs.**",
                                      "**When to use it.**"};
    std::reverse(parts.begin(), parts.end());
    int lines = 0;
    for (std::string text; std::getline(in, text);) {
      ++lines;
      EXPECT_LE(text.size(), 120) << name << ":" << lines;
      if (!parts.empty() && text.starts_with(parts.back())) parts.pop_back();
    }
    EXPECT_TRUE(parts.empty()) << name << " has no " << parts.back() << ", or not in its place";
    EXPECT_LE(lines, 40) << name;
  }
  EXPECT_GE(kinds, 13);
}

}  // namespace
}  // namespace convoy
