#pragma once

// Certificates in tests: OpenSSL's verdict on a chain, and its command line tool.

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "base/diagnostics.hpp"
#include "testbed/openssl.hpp"
#include "tests/support/files.hpp"

namespace convoy::testbed::test {

using convoy::test::TemporaryFolder;

// Verifies with the authority's certificate and revocation list, strictly, for "sslclient" or
// "sslserver". X509_V_OK, or why not.
int verify(X509& certificate, const std::filesystem::path& authority, const char* purpose);

Owned<X509_CRL> read_list(const std::filesystem::path& authority);
long number_of(const X509_CRL& list);

}  // namespace convoy::testbed::test

// The statement throws a UserError whose text holds `part`.
#define EXPECT_USER_ERROR(statement, part)                                              \
  try {                                                                                 \
    static_cast<void>(statement);                                                       \
    ADD_FAILURE() << "no error";                                                        \
  } catch (const convoy::base::UserError& error) {                                      \
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what(); \
  }
