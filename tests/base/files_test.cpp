// Tests that files are read completely or refused, and written completely or not at all.

#include "base/files.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <iostream>
#include <random>
#include <streambuf>

#include "base/diagnostics.hpp"
#include "tests/support/files.hpp"

namespace convoy::base {
namespace {

using test::TemporaryFolder;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::ThrowsMessage;
namespace fs = std::filesystem;

std::uint32_t seed_of_the_day() {
  const std::uint32_t seed = std::random_device()();
  std::cerr << "seed " << seed << "\n";
  return seed;
}

std::string random_bytes(std::size_t size, std::mt19937& random) {
  std::string bytes(size, '\0');
  for (char& c : bytes) c = static_cast<char>(random());
  return bytes;
}

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) {
    names.push_back(entry.path().filename().string());
  }
  return names;
}

// Runs `work` in a process of its own, with its own limits; gives the status of `work`.
template <class Work>
int in_a_child(Work work) {
  const pid_t child = ::fork();
  if (child == 0) {
    int status = 99;
    try {
      status = work();
    } catch (...) {
      status = 98;
    }
    ::_exit(status);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

TEST(WholeFiles, WhatIsWrittenIsReadAlikeWhateverItHoldsAndHoweverLongItIs) {
  std::mt19937 random(seed_of_the_day());
  const TemporaryFolder folder;
  const fs::path file = folder.path() / "a";
  for (int i = 0; i < 40; ++i) {
    const std::string bytes = random_bytes(random() % (i % 4 == 0 ? 300'000 : 100), random);
    WholeFile out(file);
    // Write in pieces.
    for (std::size_t at = 0; at < bytes.size();) {
      const std::size_t size = std::min<std::size_t>(bytes.size() - at, random() % 70'000);
      out.write(std::string_view(bytes).substr(at, size));
      at += size;
    }
    out.commit();
    ASSERT_EQ(read_file(file), bytes);
    InputStream in(file);
    EXPECT_EQ(in.size(), bytes.size());
    std::string again(bytes.size(), '\0');
    in.read(std::as_writable_bytes(std::span(again)));
    ASSERT_EQ(again, bytes);
    std::byte more{};
    EXPECT_THAT([&] { in.read(std::span(&more, 1)); },
                ThrowsMessage<UserError>(HasSubstr("is truncated")));
    ASSERT_THAT(names_in(folder.path()), testing::ElementsAre("a"));
  }
}

TEST(WholeFiles, WhatCannotBeReadIsNamedWithItsReason) {
  const TemporaryFolder folder;
  const auto message = [](const fs::path& path) { return [path] { read_file(path); }; };
  EXPECT_THAT(message(folder.path()),
              ThrowsMessage<UserError>(HasSubstr(folder.path().string() + ": is a folder")));
  EXPECT_THAT(
      message(folder.path() / "b"),
      ThrowsMessage<UserError>(AllOf(HasSubstr("b: cannot be read"), HasSubstr("No such file"))));
  // A file that can be opened but gives a device error when read.
  EXPECT_THAT(message("/proc/self/mem"),
              ThrowsMessage<UserError>(HasSubstr("mem: cannot be read: Input/output error")));
  const std::string file = folder.write("c", "12345");
  EXPECT_THAT([&] { read_file(file, 4); }, ThrowsMessage<UserError>(HasSubstr("is longer than")));
  EXPECT_EQ(read_file(file, 5), "12345");
  // A file whose size is not known before reading.
  EXPECT_THAT(read_file("/proc/self/status"), HasSubstr("Pid:"));
}

TEST(WholeFiles, AFileForWhichThereIsNoMemoryIsRefusedAndNotReadInPart) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers need more memory than any limit that would do here";
#endif
  const TemporaryFolder folder;
  const std::string file = folder.write("large", "");
  ASSERT_EQ(::truncate(file.c_str(), 200 << 20), 0);
  EXPECT_EQ(in_a_child([&] {
              const rlimit limit{64 << 20, 64 << 20};
              ::setrlimit(RLIMIT_DATA, &limit);
              try {
                read_file(file);
              } catch (const UserError& e) {
                const std::string what = e.what();
                return what.find("large: there is not enough memory") != what.npos ? 0 : 2;
              }
              return 1;
            }),
            0);
}

TEST(WholeFiles, ADraftNeverFollowsALinkThatLiesThere) {
  const TemporaryFolder folder;
  const std::string victim = folder.write("victim", "precious");
  const fs::path file = folder.path() / "a";
  fs::create_symlink(victim, file.string() + ".new");
  write_file(file, "new");
  EXPECT_EQ(read_file(victim), "precious");
  EXPECT_EQ(read_file(file), "new");
  write_output(file.string(), "newer", true);
  EXPECT_EQ(read_file(victim), "precious");
  // A link with the name of the output is replaced; its target is unchanged.
  fs::create_symlink(victim, folder.path() / "b");
  write_file(folder.path() / "b", "new");
  EXPECT_EQ(read_file(victim), "precious");
  EXPECT_FALSE(fs::is_symlink(folder.path() / "b"));
}

TEST(WholeFiles, WhatHasTheNameIsKeptWhereThatIsAsked) {
  const TemporaryFolder folder;
  const fs::path file = folder.path() / "a";
  const auto write = [&](const std::string& text) {
    WholeFile out(file, 0, WholeFile::Existing::keep);
    out.write(text);
    out.commit();
  };
  write("first");
  EXPECT_THAT([&] { write("second"); }, ThrowsMessage<UserError>(HasSubstr("is there already")));
  EXPECT_EQ(read_file(file), "first");
  fs::remove(file);
  fs::create_symlink(folder.path() / "nowhere", file);
  EXPECT_THAT([&] { write("third"); }, ThrowsMessage<UserError>(HasSubstr("is there already")));
  EXPECT_FALSE(fs::exists(folder.path() / "nowhere"));
  EXPECT_EQ(names_in(folder.path()).size(), 1U) << "a draft was left behind";
}

TEST(WholeFiles, TheModeIsExactlyThatWhateverTheUmaskSays) {
  const TemporaryFolder folder;
  const auto mode_of = [&](mode_t mode) {
    WholeFile(folder.path() / "a", mode).commit();
    return static_cast<unsigned>(fs::status(folder.path() / "a").permissions());
  };
  const mode_t before = ::umask(077);
  EXPECT_EQ(mode_of(0644), 0644U);
  EXPECT_EQ(mode_of(0), 0600U);
  ::umask(022);
  EXPECT_EQ(mode_of(0600), 0600U);
  EXPECT_EQ(mode_of(0), 0644U);
  ::umask(before);
}

TEST(WholeFiles, AFullDiskLeavesWhatWasThere) {
  const TemporaryFolder folder;
  const std::string file = folder.write("a", "old");
  EXPECT_EQ(in_a_child([&] {
              ::signal(SIGXFSZ, SIG_IGN);
              const rlimit limit{100'000, 100'000};  // of a file's size, like a full disk
              ::setrlimit(RLIMIT_FSIZE, &limit);
              try {
                write_output(
                    file,
                    [](std::ostream& out) {
                      for (int i = 0; i < 100'000; ++i) out << "0123456789";
                    },
                    true);
              } catch (const UserError& e) {
                const std::string what = e.what();
                return what.find("a: cannot be written: File too large") != what.npos ? 0 : 2;
              }
              return 1;
            }),
            0);
  EXPECT_EQ(read_file(file), "old");
  EXPECT_EQ(names_in(folder.path()).size(), 1U) << "a draft was left behind";
}

TEST(WholeFiles, WhatTheWriterThrowsLeavesWhatWasThere) {
  const TemporaryFolder folder;
  const std::string file = folder.write("a", "old");
  EXPECT_THROW(write_output(
                   file,
                   [](std::ostream& out) {
                     out << std::string(1 << 20, 'x');
                     throw std::runtime_error("no");
                   },
                   true),
               std::runtime_error);
  EXPECT_EQ(read_file(file), "old");
  EXPECT_EQ(names_in(folder.path()).size(), 1U);
}

TEST(WholeFiles, AFileIsNeverPutInPlaceOfAFolderOrADevice) {
  const TemporaryFolder folder;
  EXPECT_THAT([&] { write_file(folder.path(), "x"); },
              ThrowsMessage<UserError>(HasSubstr("is no plain file")));
  ASSERT_EQ(::mkfifo((folder.path() / "pipe").c_str(), 0600), 0);
  EXPECT_THAT([&] { write_output((folder.path() / "pipe").string(), "x", true); },
              ThrowsMessage<UserError>(HasSubstr("is no plain file")));
  EXPECT_THAT([&] { write_file(folder.path() / "no" / "a", "x"); },
              ThrowsMessage<UserError>(HasSubstr("no/a: cannot be written: No such file")));
}

TEST(WholeFiles, ATerminalThatTakesNothingIsAnError) {
  class Full : public std::streambuf {
    int_type overflow(int_type /*c*/) override { return traits_type::eof(); }
  } full;
  std::streambuf* before = std::cout.rdbuf(&full);
  EXPECT_THAT([] { write_output("-", "text", false); },
              ThrowsMessage<UserError>(HasSubstr("standard output cannot be written")));
  std::cout.rdbuf(before);
  std::cout.clear();
}

TEST(WholeFiles, KilledAtAnyMomentThereIsTheOldFileOrTheNewOne) {
  std::mt19937 random(seed_of_the_day());
  const TemporaryFolder folder;
  const fs::path file = folder.path() / "agent.json";
  const auto content = [](int i) {
    return std::string(1 + static_cast<std::size_t>(i) * 7919 % 50'000,
                       static_cast<char>('a' + i % 26));
  };
  write_file(file, content(0));
  for (int round = 0; round < 8; ++round) {
    const pid_t child = ::fork();
    if (child == 0) {
      for (int i = 0;; ++i) write_file(file, content(i));
    }
    ::usleep(1000 + random() % 20'000);
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    const std::string there = read_file(file);
    ASSERT_FALSE(there.empty());
    EXPECT_EQ(there.find_first_not_of(there.front()), there.npos) << "torn";
    bool known = false;
    for (int i = 0; i < 50'000 && !known; ++i) known = there == content(i);
    EXPECT_TRUE(known) << there.size() << " bytes";
  }
  folder.write(".agent.json.old", "not a draft");
  folder.write(".hidden.new", "not a draft");
  remove_drafts(folder.path());
  EXPECT_THAT(names_in(folder.path()),
              testing::UnorderedElementsAre("agent.json", ".agent.json.old", ".hidden.new"));
}

}  // namespace
}  // namespace convoy::base
