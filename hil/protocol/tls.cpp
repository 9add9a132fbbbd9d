#include "hil/protocol/tls.hpp"

#include <fmt/format.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include "base/diagnostics.hpp"
#include "testbed/certificates.hpp"
#include "testbed/files.hpp"

namespace convoy::hil {

namespace ssl = boost::asio::ssl;
namespace {

// Reports errors of our own certificate that every peer would reject, where the user can fix them.
// A certificate that is not yet valid is accepted: the device's clock may be behind.
void check_own(const Credentials& credentials, testbed::Role role, SSL_CTX* context) {
  const std::string file = credentials.certificate.string();
  X509* own = SSL_CTX_get0_certificate(context);
  const testbed::IdentityCheck check = testbed::peer_identity(own);
  if (!check.identity) throw base::UserError(fmt::format("{}: {}", file, check.refusal));
  if (check.identity->role != role) {
    throw base::UserError(fmt::format("{}: is a {}'s certificate, expected a {}'s", file,
                                      role == testbed::Role::node ? "coordinator" : "node",
                                      role == testbed::Role::node ? "node" : "coordinator"));
  }
  if (testbed::end_of(own) < testbed::now()) {
    throw base::UserError(fmt::format("{}: ended on {}; make a new one with `convoy testbed`", file,
                                      testbed::date_of(testbed::end_of(own))));
  }
  const testbed::QuietErrors quiet;
  const testbed::Owned<X509_STORE_CTX> chain(testbed::need(X509_STORE_CTX_new()));
  testbed::need(X509_STORE_CTX_init(chain.get(), SSL_CTX_get_cert_store(context), own, nullptr));
  X509_STORE_CTX_set_flags(chain.get(), X509_V_FLAG_NO_CHECK_TIME);
  if (X509_verify_cert(chain.get()) != 1) {
    throw base::UserError(
        fmt::format("{}: is not of the authority {} ({})", file, credentials.authority.string(),
                    X509_verify_cert_error_string(X509_STORE_CTX_get_error(chain.get()))));
  }
}

int no_password(char* /*buffer*/, int /*size*/, int /*writing*/, void* /*data*/) { return -1; }

}  // namespace

std::shared_ptr<ssl::context> tls_context(const Credentials& credentials, testbed::Role role) {
  const bool server = role == testbed::Role::coordinator;
  auto context = std::make_shared<ssl::context>(server ? ssl::context::tlsv13_server
                                                       : ssl::context::tlsv13_client);
  testbed::check_key_file(credentials.key);
  // Rejects encrypted keys: OpenSSL would ask for the password at the terminal and block.
  SSL_CTX_set_default_passwd_cb(context->native_handle(), &no_password);
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
  boost::system::error_code key_failure;
  context->use_private_key_file(credentials.key.string(), ssl::context::pem, key_failure);
  if (key_failure) {
    throw base::UserError(
        fmt::format("{}: expected a private key in PEM, not encrypted ({}); take its password off, "
                    "openssl pkey -in FILE -out NEW does so",
                    credentials.key.string(), key_failure.message()));
  }
  load(credentials.authority,
       [&](const std::string& file, auto& failure) { context->load_verify_file(file, failure); });
  SSL_CTX* raw = context->native_handle();
  if (SSL_CTX_check_private_key(raw) != 1) {
    throw base::UserError(fmt::format("{}: is not the key of {}", credentials.key.string(),
                                      credentials.certificate.string()));
  }
  check_own(credentials, role, raw);
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
