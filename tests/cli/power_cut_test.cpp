// Tests power cuts at any moment of a learning run: the data that was synced to the disk is enough
// to resume and to end with the same bits. The test's disk is the worst possible: it keeps only
// what was synced (fsync), neither other content nor other names.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <sstream>

#include "base/random.hpp"
#include "tests/support/files.hpp"
#include "tests/support/seed.hpp"

namespace convoy {
namespace {

namespace fs = std::filesystem;
using test::convoy;
using test::Output;

constexpr const char* short_run = R"(
name = "cut"
seed = 3
[[fleet.nodes]]
device = "jetson-agx-orin-64gb"
count = 2
[[fleet.nodes]]
device = "jetson-xavier-nx-16gb"
count = 2
slowdown = 2.5
[model]
architecture = "mlp"
[data]
source = "glyphs"
samples = 200
test_samples = 50
[training]
learn = true
optimizer = { kind = "sgd", learning_rate = 0.05, momentum = 0.9 }
optimizer_state = "kept"
batch = 16
[schedule]
kind = "cos2p"
mask = { epochs = 1 }
aggregation = { rule = "fedavgm" }
[stop]
rounds = 8
[output]
checkpoint_s = 0
)";

// The log of the layer, event by event.
class Disk {
 public:
  Disk(fs::path watched, fs::path shadow)
      : watched_(std::move(watched)), shadow_(std::move(shadow)) {
    std::ifstream log(shadow_ / "log");
    for (std::string line; std::getline(log, line);) events_.push_back(line);
  }
  [[nodiscard]] std::size_t events() const { return events_.size(); }

  // Writes the disk's state after a number of events into a new folder.
  void restore(std::size_t events, const fs::path& to) const {
    std::map<std::string, std::string> content;                      // by inode
    std::map<fs::path, std::map<std::string, std::string>> folders;  // path, name, inode
    for (std::size_t i = 0; i < events; ++i) {
      std::istringstream words(events_[i]);
      std::string kind;
      std::string what;
      words >> kind >> what;
      if (kind == "F") {
        words >> content[what];
        continue;
      }
      std::map<std::string, std::string>& names = folders[what];
      names.clear();
      for (std::string word; words >> word;) {
        const std::size_t colon = word.rfind(':');
        names[word.substr(0, colon)] = word.substr(colon + 1);
      }
    }
    restore_folder(watched_, to, folders, content);
  }

 private:
  void restore_folder(const fs::path& path, const fs::path& to,
                      const std::map<fs::path, std::map<std::string, std::string>>& folders,
                      const std::map<std::string, std::string>& content) const {
    fs::create_directories(to);
    const auto names = folders.find(path);
    if (names == folders.end()) return;
    for (const auto& [name, inode] : names->second) {
      if (folders.contains(path / name) || fs::is_directory(path / name)) {
        restore_folder(path / name, to / name, folders, content);
      } else if (const auto copy = content.find(inode); copy != content.end()) {
        fs::copy_file(shadow_ / copy->second, to / name);
      } else {
        std::ofstream(to / name).flush();  // the name exists, but no content
      }
    }
  }

  fs::path watched_;
  fs::path shadow_;
  std::vector<std::string> events_;
};

std::string result(const fs::path& run) {
  return test::dump_store(run) + test::read_file(run / "model.safetensors");
}

TEST(PowerCut, AtAnyMomentLeavesARunThatEndsWithTheSameBits) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "the sanitizer wants to be the first library that is loaded";
#endif
  const test::TemporaryFolder folder;
  const std::string file = folder.write("s.toml", short_run);
  const fs::path watched = folder.path() / "run";
  const fs::path shadow = folder.path() / "shadow";
  fs::create_directories(shadow);
  ::setenv("CONVOY_POWER_CUT_WATCH", watched.c_str(), 1);
  ::setenv("CONVOY_POWER_CUT_SHADOW", shadow.c_str(), 1);
  ::setenv("LD_PRELOAD", CONVOY_POWER_CUT_LAYER, 1);
  const Output whole = convoy("run " + file + " --quiet -o " + watched.string());
  for (const char* name : {"CONVOY_POWER_CUT_WATCH", "CONVOY_POWER_CUT_SHADOW", "LD_PRELOAD"}) {
    ::unsetenv(name);
  }
  ASSERT_EQ(whole.status, 0) << whole.err;
  const Disk disk(watched, shadow);
  ASSERT_GT(disk.events(), 20) << "the layer saw nothing";
  const char* wanted = std::getenv("CONVOY_POWER_CUTS");
  const int cuts = wanted == nullptr ? 4 : std::stoi(wanted);
  base::Random random({test::drawn_seed()});
  for (int i = 0; i < cuts; ++i) {
    const std::size_t at = i == 0 ? disk.events() : random.below(disk.events() + 1);
    const fs::path cut = folder.path() / ("cut" + std::to_string(i));
    disk.restore(at, cut);
    const Output resumed = convoy("run " + file + " --quiet --resume -o " + cut.string());
    ASSERT_EQ(resumed.status, 0) << "cut after event " << at << " of " << disk.events() << ": "
                                 << resumed.err;
    EXPECT_EQ(result(cut), result(watched)) << "cut after event " << at;
    fs::remove_all(cut);
  }
}

}  // namespace
}  // namespace convoy
