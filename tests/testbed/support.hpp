#pragma once

// For tests of certificates: OpenSSL's verification of a chain, and its command line tool.

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "base/diagnostics.hpp"
#include "testbed/openssl.hpp"
#include "tests/support/files.hpp"

namespace convoy::testbed::test {

using convoy::test::TemporaryFolder;

// Verifies strictly with the authority's certificate and revocation list, for "sslclient" or
// "sslserver". Gives X509_V_OK or the reason.
int verify(X509& certificate, const std::filesystem::path& authority, const char* purpose);

Owned<X509_CRL> read_list(const std::filesystem::path& authority);
long number_of(const X509_CRL& list);

}  // namespace convoy::testbed::test

// Expects that the statement throws a UserError whose text contains `part`.
#define EXPECT_USER_ERROR(statement, part)                                              \
  try {                                                                                 \
    static_cast<void>(statement);                                                       \
    ADD_FAILURE() << "no error";                                                        \
  } catch (const convoy::base::UserError& error) {                                      \
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what(); \
  }
