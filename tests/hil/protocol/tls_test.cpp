// TLS contexts: what they ask of nobody.

#include "hil/protocol/tls.hpp"

#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <poll.h>
#include <pty.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <string>

#include "base/diagnostics.hpp"
#include "testbed/certificates.hpp"
#include "testbed/files.hpp"
#include "testbed/openssl.hpp"
#include "tests/support/files.hpp"

namespace convoy::hil {
namespace {

// In a process with a terminal of its own, as OpenSSL asks there, whatever stdin is.
TEST(TlsContext, NobodyIsAskedForThePasswordOfAnEncryptedKey) {
  const convoy::test::TemporaryFolder folder;
  const testbed::Authority authority =
      testbed::make_authority(folder.path() / "authority", "lab", testbed::valid_for_days(730));
  const std::filesystem::path place = folder.path() / "orin-1";
  testbed::issue(
      authority,
      {.name = "orin-1", .role = testbed::Role::node, .validity = testbed::valid_for_days(365)},
      place);
  const std::string password = "secret";
  {
    const std::string plain = testbed::read_key_file(place / "key.pem");
    testbed::Owned<BIO> memory(BIO_new_mem_buf(plain.data(), static_cast<int>(plain.size())));
    testbed::Owned<EVP_PKEY> key(PEM_read_bio_PrivateKey(memory.get(), nullptr, nullptr, nullptr));
    testbed::Owned<BIO> file(BIO_new_file((place / "key.pem").c_str(), "w"));
    ASSERT_EQ(
        PEM_write_bio_PKCS8PrivateKey(file.get(), key.get(), EVP_aes_128_cbc(), password.data(),
                                      static_cast<int>(password.size()), nullptr, nullptr),
        1);
  }
  ::chmod((place / "key.pem").c_str(), 0600);
  int terminal = -1;
  const pid_t child = ::forkpty(&terminal, nullptr, nullptr, nullptr);
  ASSERT_GE(child, 0);
  if (child == 0) {
    int status = 1;
    try {
      tls_context({.certificate = place / "certificate.pem",
                   .key = place / "key.pem",
                   .authority = authority.folder / "certificate.pem",
                   .revoked = {}},
                  testbed::Role::node);
    } catch (const base::UserError& e) {
      status = std::string(e.what()).find("not encrypted") != std::string::npos ? 0 : 2;
    }
    ::_exit(status);
  }
  std::string shown;
  pollfd there{terminal, POLLIN, 0};
  constexpr int patience_ms = 20'000;
  while (::poll(&there, 1, patience_ms) > 0) {
    std::array<char, 256> bytes{};
    const ssize_t got = ::read(terminal, bytes.data(), bytes.size());
    if (got <= 0) break;
    shown.append(bytes.data(), static_cast<std::size_t>(got));
    if (shown.find("pass") != std::string::npos) break;
  }
  ::kill(child, SIGHUP);
  int status = 0;
  ::waitpid(child, &status, 0);
  ::close(terminal);
  EXPECT_EQ(shown, "");
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

}  // namespace
}  // namespace convoy::hil
