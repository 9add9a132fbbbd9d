// Tests that a finished run can be read without write permission: in a folder of mode 0555, by
// another user.

#include <SQLiteCpp/SQLiteCpp.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "sim/store/store.hpp"
#include "tests/support/files.hpp"

namespace convoy {
namespace {

namespace fs = std::filesystem;
using test::Output;
using testing::HasSubstr;

class ReadOnly : public testing::Test {
 protected:
  void SetUp() override {
    fs::permissions(folder_.path(), fs::perms(0755));
    if (::geteuid() == 0) {
      // root can write to every folder.
      as_ = "setpriv --reuid=65534 --regid=65534 --clear-groups ";
      if (read("--version").status != 0) {
        GTEST_SKIP() << "as root this needs setpriv, and a build that another user may run";
      }
    }
    const std::string file = CONVOY_SOURCE "/tests/support/comparison/by-hand.toml";
    const Output made = test::convoy(fmt::format("run {} --quiet -o {}", file, run().string()));
    ASSERT_EQ(made.status, 0) << made.err;
  }
  ~ReadOnly() override { may_write(true); }

  [[nodiscard]] fs::path run() const { return folder_.path() / "run"; }

  // Removes write permission from the files and the folder.
  void may_write(bool may) const {
    std::error_code none;
    fs::permissions(run(), fs::perms(may ? 0755 : 0555), none);
    for (const auto& entry : fs::directory_iterator(run(), none)) {
      if (entry.is_regular_file()) fs::permissions(entry, fs::perms(may ? 0644 : 0444), none);
    }
  }

  // Runs `convoy` as a user who cannot write there.
  [[nodiscard]] Output read(const std::string& arguments) const {
    const fs::path out = folder_.path() / "out";
    const fs::path err = folder_.path() / "err";
    const std::string command = fmt::format("{}{} {} > {} 2> {} < /dev/null", as_, CONVOY_BINARY,
                                            arguments, out.string(), err.string());
    const int status = std::system(command.c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, test::read_file(out),
            test::read_file(err)};
  }

  void expect_it_is_read() const {
    const std::string folder = run().string();
    ASSERT_NE(::access(folder.c_str(), W_OK) == 0 && ::geteuid() != 0, true);
    for (const std::string& verb :
         {"compare " + folder, "compare --json " + folder, "report " + folder + " -o -"}) {
      const Output output = read(verb);
      EXPECT_EQ(output.status, 0) << verb << ": " << output.err;
      EXPECT_GT(output.out.size(), 100U) << verb;
    }
    for (const char* suffix : {"-wal", "-shm", "-journal"}) {
      EXPECT_FALSE(fs::exists(folder + "/run.sqlite" + suffix)) << suffix;
    }
  }

  test::TemporaryFolder folder_;
  std::string as_;
};

TEST_F(ReadOnly, AFinishedRunIsRead) {
  {
    SQLite::Database database(sim::store_path(run()), SQLite::OPEN_READONLY);
    EXPECT_EQ(database.execAndGet("PRAGMA journal_mode").getString(), "delete");
  }
  may_write(false);
  expect_it_is_read();
}

// As a run leaves its store while somebody reads it, and as older versions did.
TEST_F(ReadOnly, SoIsOneThatStillWantsALog) {
  {
    SQLite::Database database(sim::store_path(run()), SQLite::OPEN_READWRITE);
    ASSERT_EQ(database.execAndGet("PRAGMA journal_mode = WAL").getString(), "wal");
  }
  may_write(false);
  expect_it_is_read();
}

TEST_F(ReadOnly, ALogThatCannotBeReadIsNotPassedOver) {
  const fs::path copy = folder_.path() / "copy";
  {
    SQLite::Database database(sim::store_path(run()), SQLite::OPEN_READWRITE);
    database.exec("PRAGMA journal_mode = WAL");
    database.exec("UPDATE run SET name = 'only in the log'");
    fs::copy(run(), copy, fs::copy_options::recursive);
  }
  fs::remove_all(run());
  fs::rename(copy, run());
  fs::remove(run() / "run.sqlite-shm");
  ASSERT_GT(fs::file_size(run() / "run.sqlite-wal"), 0U);
  may_write(false);
  const Output output = read("compare " + run().string());
  EXPECT_EQ(output.status, 2);
  EXPECT_THAT(output.err, HasSubstr("its log (run.sqlite-wal) cannot be read"));
  EXPECT_THAT(output.err, HasSubstr("copy the folder"));
}

// Characters with a meaning in SQLite's addresses are part of the name here.
TEST_F(ReadOnly, WhateverItsFolderIsCalled) {
  const fs::path odd = folder_.path() / "50%3f? #1";
  {
    SQLite::Database database(sim::store_path(run()), SQLite::OPEN_READWRITE);
    database.exec("PRAGMA journal_mode = WAL");
  }
  fs::copy(run(), odd, fs::copy_options::recursive);
  fs::permissions(odd, fs::perms(0555));
  const Output output = read(fmt::format("compare '{}'", odd.string()));
  EXPECT_EQ(output.status, 0) << output.err;
  fs::permissions(odd, fs::perms(0755));
}

}  // namespace
}  // namespace convoy
