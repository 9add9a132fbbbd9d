#pragma once

// A TCP connection, with TLS or without. Internal to hil.

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <memory>
#include <string>
#include <utility>

#include "testbed/identity.hpp"

namespace convoy::hil {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

class Stream {
 public:
  // `context` null: no TLS.
  Stream(tcp::socket socket, std::shared_ptr<asio::ssl::context> context);

  // TLS handshake as coordinator or node. `done(failure)`: empty on success. Without TLS `done` is
  // called at once.
  template <class Done>
  void handshake(testbed::Role role, Done done) {
    if (!tls_) {
      done("");
      return;
    }
    const auto side = role == testbed::Role::coordinator ? asio::ssl::stream_base::server
                                                         : asio::ssl::stream_base::client;
    tls_->async_handshake(side, [this, done = std::move(done)](const error_code& failure) {
      done(failure ? handshake_failure(failure) : std::string());
    });
  }

  // The identity in the peer's certificate. Without TLS: no identity and no refusal.
  [[nodiscard]] testbed::IdentityCheck peer() const;
  [[nodiscard]] bool is_secure() const { return tls_ != nullptr; }
  [[nodiscard]] std::string remote() const { return remote_; }

  // Reads or writes all of `buffers`, or fails. `progress(failure, bytes so far)` gives the bytes
  // still to come, as an Asio completion condition.
  template <class Buffers, class Progress, class Done>
  void read(const Buffers& buffers, Progress progress, Done done) {
    if (tls_) {
      asio::async_read(*tls_, buffers, std::move(progress), std::move(done));
    } else {
      asio::async_read(*plain_, buffers, std::move(progress), std::move(done));
    }
  }
  template <class Buffers, class Done>
  void write(const Buffers& buffers, Done done) {
    if (tls_) {
      asio::async_write(*tls_, buffers, std::move(done));
    } else {
      asio::async_write(*plain_, buffers, std::move(done));
    }
  }
  void close();
  void end_sending();  // the peer reads to the end of the data, then end of stream
  [[nodiscard]] tcp::socket::executor_type executor() { return socket().get_executor(); }

 private:
  using Tls = asio::ssl::stream<tcp::socket>;

  [[nodiscard]] std::string handshake_failure(const error_code& failure) const;
  tcp::socket& socket() { return tls_ ? tls_->next_layer() : *plain_; }

  std::shared_ptr<asio::ssl::context> context_;
  std::unique_ptr<Tls> tls_;
  std::unique_ptr<tcp::socket> plain_;
  std::string remote_;
};

}  // namespace convoy::hil
