#pragma once

// Who we are and whom we trust: TLS 1.3 with certificates on both sides.

#include <boost/asio/ssl/context.hpp>
#include <filesystem>
#include <memory>

#include "testbed/identity.hpp"

namespace convoy::hil {

struct Credentials {
  std::filesystem::path certificate;
  std::filesystem::path key;
  std::filesystem::path authority;  // who signs the peers' certificates
  std::filesystem::path revoked;    // its list of those revoked; empty: none is looked at
};

// Throws base::UserError naming the file that is missing, readable by others, expired, foreign or
// made for the other role.
std::shared_ptr<boost::asio::ssl::context> tls_context(const Credentials& credentials,
                                                       testbed::Role role);

}  // namespace convoy::hil
