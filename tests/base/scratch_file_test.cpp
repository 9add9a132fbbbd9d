// Tests that a scratch file gives back the bytes that were written, in any part, or nothing.

#include "base/scratch_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <iostream>
#include <random>

#include "base/diagnostics.hpp"
#include "tests/support/files.hpp"

namespace convoy::base {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;
using Bytes = std::vector<std::byte>;

class ScratchFileTest : public testing::Test {
 protected:
  // Sizes around those of blocks, and small ones; some pieces are empty.
  std::vector<Bytes> random_pieces() {
    std::vector<Bytes> pieces(1 + random() % 6);
    for (Bytes& piece : pieces) {
      const std::uint64_t blocks = random() % 3;
      const std::uint64_t size =
          random() % 4 == 0 ? blocks * ScratchFile::block
                            : blocks * ScratchFile::block + random() % (random() % 2 ? 100 : 99999);
      piece.resize(size);
      for (std::byte& b : piece) b = static_cast<std::byte>(random());
    }
    return pieces;
  }
  static std::vector<std::span<const std::byte>> spans(const std::vector<Bytes>& pieces) {
    return {pieces.begin(), pieces.end()};
  }

  const std::uint32_t seed = std::random_device()();
  testing::ScopedTrace says_seed{__FILE__, __LINE__, "seed " + std::to_string(seed)};
  std::mt19937 random{seed};
  test::TemporaryFolder folder;
  const std::filesystem::path path = folder.path() / "17";
};

TEST_F(ScratchFileTest, GivesEveryPartOfWhatWasWritten) {
  for (int trial = 0; trial < 20; ++trial) {
    const std::vector<Bytes> pieces = random_pieces();
    const ScratchFile file(path, spans(pieces));
    for (int part = 0; part < 20; ++part) {
      const std::size_t p = random() % pieces.size();
      const std::uint64_t from = random() % (pieces[p].size() + 1);
      Bytes read(random() % (pieces[p].size() - from + 1));
      file.read(p, from, read);
      ASSERT_TRUE(std::equal(read.begin(), read.end(), pieces[p].begin() + from));
    }
    Bytes beyond(pieces[0].size() + 1);
    EXPECT_THROW(file.read(0, 0, beyond), std::logic_error);
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

// Whichever byte is another: what lies in its block is refused, and nothing else.
TEST_F(ScratchFileTest, RefusesWhatHasChanged) {
  for (int trial = 0; trial < 20; ++trial) {
    std::vector<Bytes> pieces = random_pieces();
    pieces.emplace_back(10);
    const ScratchFile file(path, spans(pieces));
    const std::size_t changed = [&] {
      for (;;) {
        if (const std::size_t p = random() % pieces.size(); !pieces[p].empty()) return p;
      }
    }();
    const std::uint64_t at = random() % pieces[changed].size();
    std::uint64_t before = 0;
    for (std::size_t p = 0; p < changed; ++p) before += pieces[p].size();
    {
      std::fstream edit(path, std::ios::in | std::ios::out | std::ios::binary);
      edit.seekp(static_cast<std::streamoff>(before + at));
      edit.put(static_cast<char>(pieces[changed][at] ^ std::byte(1 + random() % 255)));
    }
    const std::uint64_t block = at / ScratchFile::block;
    for (std::size_t p = 0; p < pieces.size(); ++p) {
      for (std::uint64_t from = 0; from < pieces[p].size(); from += ScratchFile::block) {
        Bytes one(1);
        if (p == changed && from / ScratchFile::block == block) {
          EXPECT_THAT([&] { file.read(p, from, one); },
                      ThrowsMessage<UserError>(HasSubstr("17: is damaged")));
        } else {
          file.read(p, from, one);
          EXPECT_EQ(one[0], pieces[p][from]);
        }
      }
    }
  }
}

TEST_F(ScratchFileTest, SaysWhatIsWrongWithItsFile) {
  const Bytes piece(1000);
  const ScratchFile file(path, {piece});
  EXPECT_THAT(
      [&] { ScratchFile(path, {piece}); },
      ThrowsMessage<UserError>(AllOf(HasSubstr("17: cannot be written"), HasSubstr("exists"))));
  EXPECT_TRUE(std::filesystem::exists(path));  // it is not the second one's
  EXPECT_THAT([&] { ScratchFile(folder.path() / "none" / "1", {piece}); },
              ThrowsMessage<UserError>(HasSubstr("No such file or directory")));
  Bytes read(1000);
  std::filesystem::resize_file(path, 999);
  EXPECT_THAT([&] { file.read(0, 0, read); },
              ThrowsMessage<UserError>(HasSubstr("17: is truncated")));
  std::filesystem::remove(path);
  EXPECT_THAT([&] { file.read(0, 0, read); },
              ThrowsMessage<UserError>(HasSubstr("17: cannot be read: No such file")));
}

// A limit of the file's size stands for a full disk: some of it is written.
TEST_F(ScratchFileTest, LeavesNothingWhereItCannotBeWritten) {
  const pid_t child = ::fork();
  if (child == 0) {
    const rlimit limit{100'000, 100'000};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    ::signal(SIGXFSZ, SIG_IGN);
    int status = 1;
    try {
      ScratchFile(path, {Bytes(60'000), Bytes(60'000)});
    } catch (const UserError& e) {
      const bool is_named =
          std::string(e.what()).find("17: cannot be written: File too large") != std::string::npos;
      status = is_named && !std::filesystem::exists(path) ? 0 : 2;
    }
    ::_exit(status);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace convoy::base
