#pragma once

// TLS 1.3 contexts with certificates on both sides.

#include <boost/asio/ssl/context.hpp>
#include <filesystem>
#include <memory>

#include "testbed/identity.hpp"

namespace convoy::hil {

struct Credentials {
  std::filesystem::path certificate;
  std::filesystem::path key;
  std::filesystem::path authority;  // certificate that signs the peers' certificates
  std::filesystem::path revoked;    // revocation list; empty: not checked
};

// Throws base::UserError naming the file that is missing, readable by others, expired, foreign or
// made for the other role.
std::shared_ptr<boost::asio::ssl::context> tls_context(const Credentials& credentials,
                                                       testbed::Role role);

}  // namespace convoy::hil
