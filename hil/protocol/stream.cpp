#include "hil/protocol/stream.hpp"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

namespace convoy::hil {

Stream::Stream(tcp::socket socket, std::shared_ptr<asio::ssl::context> context)
    : context_(std::move(context)) {
  error_code ignored;
  socket.set_option(tcp::no_delay(true), ignored);
  socket.set_option(asio::socket_base::keep_alive(true), ignored);
  const auto end = socket.remote_endpoint(ignored);
  remote_ = ignored ? "?" : fmt::format("{}:{}", end.address().to_string(), end.port());
  if (context_) {
    tls_ = std::make_unique<Tls>(std::move(socket), *context_);
  } else {
    plain_ = std::make_unique<tcp::socket>(std::move(socket));
  }
}

testbed::IdentityCheck Stream::peer() const {
  if (!tls_) return {};
  X509* certificate = SSL_get_peer_certificate(tls_->native_handle());
  testbed::IdentityCheck check = testbed::peer_identity(certificate);
  X509_free(certificate);
  return check;
}

std::string Stream::handshake_failure(const error_code& failure) const {
  const long verdict = SSL_get_verify_result(tls_->native_handle());
  if (verdict != X509_V_OK) {
    return fmt::format("its certificate is not accepted: {}",
                       X509_verify_cert_error_string(verdict));
  }
  return fmt::format("no TLS 1.3 connection came about: {}", failure.message());
}

void Stream::end_sending() {
  error_code ignored;
  socket().shutdown(tcp::socket::shutdown_send, ignored);
}

void Stream::close() {
  error_code ignored;
  socket().shutdown(tcp::socket::shutdown_both, ignored);
  socket().close(ignored);
}

}  // namespace convoy::hil
