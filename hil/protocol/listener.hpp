#pragma once

// The coordinator's door: accepts agents, checks who they are, and hears what they first say. What
// comes through has a certificate of this testbed in its own name and speaks our protocol. Of those
// who have not said who they are there is room for so many; the one who has waited longest, of the
// host that has most of them there, goes for a new one.

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "hil/protocol/connection.hpp"
#include "testbed/inventory.hpp"

namespace convoy::hil {

class Listener {
 public:
  // `hello.name` is the agent's own; all texts in it are clean and short. Without TLS it is what it
  // says it is.
  using Welcome =
      std::function<void(std::shared_ptr<Connection> connection, const wire::HelloT& hello)>;
  // Who did not come through, and why: for the log. `name` is empty where it is not known.
  using Turned =
      std::function<void(const std::string& name, const std::string& from, const std::string& why)>;

  // `patience`: for the handshake and the first word together, and a quarter of it before that for
  // the first byte. Throws base::UserError where the address cannot be listened on, or a file of
  // the inventory cannot be used.
  Listener(asio::io_context& io, const testbed::Inventory& inventory, Welcome welcome,
           Turned turned, std::chrono::milliseconds patience = std::chrono::seconds(10));
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  // That it listens on; the inventory's, or where that is 0 the one that the system chose.
  [[nodiscard]] std::uint16_t port() const;

  void close();

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace convoy::hil
