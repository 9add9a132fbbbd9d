#pragma once

// The coordinator's listening socket: accepts agents, authenticates them and reads their Hello. An
// accepted agent has a certificate of this testbed in its own name and speaks our protocol version.
// The number of unauthenticated connections is limited; when it is reached, the oldest one of the
// host with the most connections is closed.

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/non_copyable.hpp"
#include "hil/protocol/connection.hpp"
#include "testbed/inventory.hpp"

namespace convoy::hil {

class Listener : base::NonCopyable {
 public:
  // `hello.name` is the agent's name; all texts in `hello` are clean and short. Without TLS the
  // name is not verified.
  using Welcome =
      std::function<void(std::shared_ptr<Connection> connection, const wire::HelloT& hello)>;
  // A refused agent and the reason, for the log. `name` is empty if unknown.
  using Turned =
      std::function<void(const std::string& name, const std::string& from, const std::string& why)>;

  // `patience`: time limit for handshake and Hello together; a quarter of it for the first byte.
  // Throws base::UserError if the address cannot be listened on or a file of the inventory cannot
  // be used.
  Listener(asio::io_context& io, const testbed::Inventory& inventory, Welcome welcome,
           Turned turned, std::chrono::milliseconds patience = std::chrono::seconds(10));
  ~Listener();

  // The port listened on: the inventory's, or if that is 0, the one that the system chose.
  [[nodiscard]] std::uint16_t port() const;

  void close();

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace convoy::hil
