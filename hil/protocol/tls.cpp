#include "hil/protocol/tls.hpp"

#include <fmt/format.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include "base/diagnostics.hpp"
#include "hil/testbed/files.hpp"

namespace convoy::hil {

namespace ssl = boost::asio::ssl;

std::shared_ptr<ssl::context> tls_context(const Credentials& credentials, Role role) {
  const bool server = role == Role::coordinator;
  auto context = std::make_shared<ssl::context>(server ? ssl::context::tlsv13_server
                                                       : ssl::context::tlsv13_client);
  check_key_file(credentials.key);
  const auto load = [](const std::filesystem::path& file, auto&& how) {
    boost::system::error_code failure;
    how(file.string(), failure);
    if (failure) {
      throw base::UserError(
          fmt::format("{}: cannot be used ({})", file.string(), failure.message()));
    }
  };
  load(credentials.certificate, [&](const std::string& file, auto& failure) {
    context->use_certificate_chain_file(file, failure);
  });
  load(credentials.key, [&](const std::string& file, auto& failure) {
    context->use_private_key_file(file, ssl::context::pem, failure);
  });
  load(credentials.authority,
       [&](const std::string& file, auto& failure) { context->load_verify_file(file, failure); });
  SSL_CTX* raw = context->native_handle();
  if (SSL_CTX_check_private_key(raw) != 1) {
    throw base::UserError(fmt::format("{}: is not the key of {}", credentials.key.string(),
                                      credentials.certificate.string()));
  }
  if (!credentials.revoked.empty()) {
    X509_STORE* store = SSL_CTX_get_cert_store(raw);
    X509_LOOKUP* lookup = X509_STORE_add_lookup(store, X509_LOOKUP_file());
    if (X509_load_crl_file(lookup, credentials.revoked.c_str(), X509_FILETYPE_PEM) < 1) {
      throw base::UserError(
          fmt::format("{}: is no list of revoked certificates", credentials.revoked.string()));
    }
    X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK);
  }
  context->set_verify_mode(ssl::verify_peer | ssl::verify_fail_if_no_peer_cert);
  SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(raw, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
  return context;
}

}  // namespace convoy::hil
